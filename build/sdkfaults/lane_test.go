package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newTestLane returns a lane to a handler.
func newTestLane(t *testing.T, handler http.HandlerFunc) *lane {
	t.Helper()
	server := httptest.NewServer(handler)
	l, err := newLane(newSchedule(1, 1, "test", false, counts{}, &sync.Mutex{}), server.Listener.Addr().String)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.close()
		server.Close()
	})
	return l
}

// TestCallFaults: over time a call meets each fault, and its outcome is that of the fault.
func TestCallFaults(t *testing.T) {
	t.Parallel()
	var executed atomic.Int64
	l := newTestLane(t, func(w http.ResponseWriter, r *http.Request) {
		executed.Add(1)
		_, _ = io.Copy(w, r.Body) // the test sees it
	})
	l.schedule.thorough = true // more faults
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var mu sync.Mutex
	answers := map[string]int{}
	var all sync.WaitGroup
	for range 50 { // a faulty call takes up to a second
		all.Go(func() {
			for range 100 {
				got := answer(web, l.url())
				mu.Lock()
				answers[got]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	l.shared.Lock()
	defer l.shared.Unlock()
	for fault := range callFaultSet() {
		if l.counts["test"][fault] == 0 {
			t.Errorf("no %s", fault)
		}
	}
	for _, want := range []string{"hello", "cut", "429", "503"} {
		if answers[want] == 0 {
			t.Errorf("no answer %q: %v", want, answers)
		}
	}
	if executed.Load() == 0 || len(answers) != 4 {
		t.Errorf("%d calls executed, answers %v", executed.Load(), answers)
	}
}

func callFaultSet() map[string]bool {
	set := map[string]bool{}
	for _, fault := range callFaults {
		set[fault] = true
	}
	return set
}

// answer sends a request, and returns the body or what happened instead.
func answer(web *http.Client, url string) string {
	res, err := web.Post(url, "text/plain", strings.NewReader("hello"))
	if err != nil {
		return "cut"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return "cut"
	case res.StatusCode != http.StatusOK:
		return fmt.Sprint(res.StatusCode)
	}
	return string(body)
}

// TestStreamFaults: what remains of a stream under each fault, in both framings.
func TestStreamFaults(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]framing{"sockets": sockets{}, "server-sent events": serverSent{}} {
		var sent bytes.Buffer
		for n := range 200 {
			sent.Write(by.make(fmt.Appendf(nil, `{"type":"message","n":%d,"content_type":"text","pad":"%s"}`, n, strings.Repeat("x", n*n))).raw)
		}
		l := newTestLane(t, nil)
		got := func(fault, end string) []int {
			p := plan{end: end, after: 100, faults: map[string]bool{fault: true}, rng: rand.New(rand.NewPCG(7, 7))}
			var out bytes.Buffer
			agent, other := net.Pipe()
			defer agent.Close()
			defer other.Close()
			l.pass(p, by, bufio.NewReader(bytes.NewReader(sent.Bytes())), &out, agent)
			return numbers(t, by, &out, fault == unknownEnum)
		}
		plain := got("", "")
		if len(plain) != 200 || plain[199] != 199 {
			t.Errorf("%s: without a fault: %v", name, plain)
		}
		if n := len(got(doubled, "")); n < 230 {
			t.Errorf("%s: %d frames, though some are doubled", name, n)
		}
		if n := len(got(replayed, "")); n < 230 {
			t.Errorf("%s: %d frames, though some are replayed", name, n)
		}
		if n := len(got(slowFrames, "")); n != 200 {
			t.Errorf("%s: %d frames of a slow stream", name, n)
		}
		if n := got(unknownType, ""); len(n) < 205 || n[len(n)-1] != 199 {
			t.Errorf("%s: %d frames, though some are of an unknown type", name, len(n))
		}
		if n := len(got(unknownEnum, "")); n != 200 {
			t.Errorf("%s: %d frames, with some that have unknown values", name, n)
		}
		for _, end := range []string{cutFrame, cutBetween} {
			if n := len(got("", end)); n != 99 {
				t.Errorf("%s: %d frames before %s, want 99", name, n, end)
			}
		}
	}
}

// numbers returns the numbers of the events in a stream; -1 of those of an unknown type. altered:
// some must have an unknown value.
func numbers(t *testing.T, by framing, stream io.Reader, altered bool) (list []int) {
	t.Helper()
	unknown := 0
	for from := bufio.NewReader(stream); ; {
		f, err := by.read(from)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if (unknown > 0) != altered {
				t.Errorf("%d events have an unknown value", unknown)
			}
			return list
		}
		var event struct {
			N    *int   `json:"n"`
			Kind string `json:"content_type"`
		}
		if err := json.Unmarshal(f.event, &event); err != nil {
			t.Fatalf("%q: %v", f.event, err)
		}
		if event.Kind == "hologram" {
			unknown++
		}
		if event.N == nil {
			list = append(list, -1)
			continue
		}
		list = append(list, *event.N)
	}
}

// TestExpired: the next connection with a position is refused, and only that.
func TestExpired(t *testing.T) {
	t.Parallel()
	l := newTestLane(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	l.opened = 1 << 30 // no other fault
	l.expireNext()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, want := range []int{http.StatusTeapot, http.StatusGone, http.StatusTeapot} {
		query := "?cursor=1.1.1.a"
		if i == 0 {
			query = ""
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url()+"/api/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, res.StatusCode, want)
		}
	}
}
