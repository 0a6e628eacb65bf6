package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// read returns the response on a connection.
func read(t testing.TB, conn net.Conn) (status int, code string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	defer res.Body.Close()
	var answer struct{ Code string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return res.StatusCode, answer.Code
}

// TestUploadsThatBreakOff disconnects during uploads, and announces wrong lengths. Nothing is kept,
// on disk or of the quota (B2B-FILE-002, 006, 007).
func TestUploadsThatBreakOff(t *testing.T) {
	t.Parallel()
	const quota = 4 << 20
	data := t.TempDir()
	n := serve(t, data)
	_, bots := n.team("writer")
	writer := bots["writer"]
	writer.quota(quota >> 20)
	kept := someBytes(100_000)
	url := writer.mustUpload(kept)

	closed := func(conn net.Conn, err error) {
		t.Helper()
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Error(err)
		}
	}
	for _, size := range []int{10, 4_000, 300_000, 3 << 20} {
		conn, _ := writer.halfUpload(size)
		closed(conn, nil)
		conn, _ = writer.halfUpload(size)
		closed(conn, conn.(*net.TCPConn).SetLinger(0)) // a reset
	}
	half := func(conn net.Conn) {
		t.Helper()
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{10, 4_000, 300_000} {
		kind, body := form(t, "f", someBytes(size), "")
		for what, conn := range map[string]net.Conn{
			"shorter by the end of the form": writer.begin(len(body)-5, kind, body),
			"shorter by half":                writer.begin(len(body)/2, kind, body),
			"nothing":                        writer.begin(0, kind, body),
		} {
			if status, code := read(t, conn); status != http.StatusBadRequest || code != "UPLOAD_ERROR" {
				t.Errorf("%d bytes, a length that is %s: %d %s", size, what, status, code)
			}
			closed(conn, nil)
		}
		conn := writer.begin(len(body)+1_000, kind, body[:len(body)-10])
		half(conn)
		if status, code := read(t, conn); status != http.StatusBadRequest || code != "UPLOAD_ERROR" {
			t.Errorf("%d bytes, a length that is longer: %d %s", size, status, code)
		}
		closed(conn, nil)
	}
	waittest.Until(t, "nothing of it is on the disk", func() bool {
		whole, staged := filesIn(t, data)
		return len(whole) == 1 && len(staged) == 0
	})

	// The form is complete, but more bytes were announced: those after the form are not part of it,
	// so the file is complete, too.
	kind, body := form(t, "f", kept, "")
	conn := writer.begin(len(body)+10, kind, append(body, "0123456789"...))
	if status, code := read(t, conn); status != http.StatusOK {
		t.Errorf("with bytes behind the form: %d %s", status, code)
	}
	closed(conn, nil)
	writer.has(url, kept)
	writer.spent(2*len(kept), quota)
	if containsError(n.logs.String()) {
		t.Errorf("errors in the log:\n%s", n.logs)
	}
}

// TestSlowUploads lets many clients send single bytes. They occupy little memory and no lock: other
// uploads, also of the same bots, and messages work. In the end their files are complete
// (B2B-FILE-010).
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	const (
		of, each   = 4, 10 // two orgs of 20 uploads at once (B2B-LIM-020)
		size, come = 2_000_000, 1_900_000
		most       = 48 << 20 // bytes of memory: two thirds of what comes
	)
	data := t.TempDir()
	n := serve(t, data)
	_, bots := n.team("a", "b")
	bots["a"].quota(100)
	_, others := n.team("c", "d")
	others["c"].quota(100)
	maps.Copy(bots, others)
	before := n.rss()
	type slow struct {
		bot  *client
		conn net.Conn
		rest []byte
	}
	var crawling []slow
	b := someBytes(size)
	kind, body := form(t, "slow", b, "")
	for _, bot := range bots {
		for range each {
			conn := bot.begin(len(body), kind, body[:come])
			crawling = append(crawling, slow{bot, conn, body[come:]})
		}
	}
	trickle := func() {
		for i := range crawling {
			s := &crawling[i]
			if _, err := s.conn.Write(s.rest[:1]); err != nil {
				t.Fatal(err)
			}
			s.rest = s.rest[1:]
		}
	}
	waittest.Until(t, "all slow uploads are in progress", func() bool {
		trickle() // else the server would give them up
		_, staged := filesIn(t, data)
		return len(staged) == of*each
	})
	for name, bot := range bots {
		b := someBytes(5 << 20)
		bot.has(bot.mustUpload(b), b)
		to := map[string]string{"a": "b", "b": "a", "c": "d", "d": "c"}[name]
		bot.must("POST", "/api/send", map[string]any{"to": to, "content": "goes on"})
		trickle()
	}
	if grown := n.rss() - before; grown > most {
		t.Errorf("%d slow uploads hold %d KiB", of*each, grown>>10)
	} else {
		t.Logf("%d slow uploads hold %d KiB", of*each, grown>>10)
	}
	var wg sync.WaitGroup
	for _, s := range crawling {
		wg.Go(func() {
			if _, err := s.conn.Write(s.rest); err != nil {
				t.Error(err)
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(s.conn), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			var file struct{ URL string }
			if err := json.NewDecoder(res.Body).Decode(&file); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("a slow upload: %s, %v", res.Status, err)
				return
			}
			s.bot.has(file.URL, b)
		})
	}
	wg.Wait()
	if _, staged := filesIn(t, data); len(staged) > 0 {
		t.Errorf("%d uploads are left", len(staged))
	}
}

// rss returns the memory of the process, in bytes.
func (n *node) rss() int {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(n.cmd.Process.Pid), "status"))
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				n.t.Fatal(err)
			}
			return kb << 10
		}
	}
	n.t.Fatal("the memory of the process is unknown")
	return 0
}
