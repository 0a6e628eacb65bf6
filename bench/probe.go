package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// probe is a call of the org that does not abuse.
type probe struct {
	name  string
	pace  time.Duration // of a single caller
	token string        // of a single caller
	do    func(ctx context.Context, client *http.Client, token string) error
}

func (w *fixture) probes(hook *deliveryProbe) ([]probe, error) {
	get := func(path string) target { return target{method: http.MethodGet, url: w.url + path} }
	kind, form, err := uploadForm(10 << 10)
	if err != nil {
		return nil, err
	}
	var probes []probe
	for _, c := range []struct {
		name string
		pace time.Duration
		t    target
	}{
		{"GET /api/me", probePace, get("/api/me")},
		{"send", probePace, w.post()},
		{"read a thread", probePace, w.read()},
		{"search", probePace, get("/api/org/search?q=nothing")},
		{"upload 10 KiB", 5 * probePace, target{method: http.MethodPost, url: w.url + "/api/files/upload", body: form, kind: kind}},
		{"count what was missed", 2 * probePace, get(fmt.Sprintf("/api/me/catchup/count?since=%d", time.Now().UnixMilli()))},
	} {
		probes = append(probes, probe{c.name, c.pace, w.token, func(ctx context.Context, client *http.Client, token string) error {
			t := c.t
			t.token = token
			return once(ctx, client, t)
		}})
	}
	return slices.Insert(probes, len(probes)-1, probe{"send until delivered by webhook", 2 * probePace, w.token, hook.do}), nil
}

// runProbes repeats each probe at its own rate and from its own client, one call at a time.
func runProbes(ctx context.Context, probes []probe, length time.Duration) ([]latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	end := time.Now().Add(length)
	took, errs := make([]latencies, len(probes)), make([]error, len(probes))
	var wg sync.WaitGroup
	for i, p := range probes {
		wg.Go(func() {
			client, closeIdle := newClient(1)
			defer closeIdle()
			time.Sleep(p.pace * time.Duration(i) / time.Duration(len(probes)))
			tick := time.NewTicker(p.pace)
			defer tick.Stop()
			for time.Now().Before(end) && errs[i] == nil {
				<-tick.C
				begin := time.Now()
				errs[i] = p.once(ctx, client, p.token)
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

func (p probe) once(ctx context.Context, client *http.Client, token string) error {
	if err := p.do(ctx, client, token); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

func newClient(connections int) (client *http.Client, closeIdle func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// deliveryProbe sends a message to a bot with a webhook and waits for its delivery. A number in
// the message identifies it.
type deliveryProbe struct {
	send   target
	l      net.Listener
	srv    *http.Server
	number atomic.Int64

	mu      sync.Mutex
	waiting map[string]chan struct{} // by number
}

const numberPrefix, numberSuffix = "number-", "-of-the-probe"

func newDeliveryProbe(ctx context.Context, w *fixture) (*deliveryProbe, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &deliveryProbe{send: w.post(), l: l, waiting: make(map[string]chan struct{})}
	p.srv = &http.Server{Handler: http.HandlerFunc(p.receive)}
	go func() { _ = p.srv.Serve(l) }() // ends with close
	return p, w.hook(ctx, "hooked", "http://"+l.Addr().String()+"/")
}

func (p *deliveryProbe) receive(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, rest, _ := strings.Cut(body.String(), numberPrefix)
	number, _, _ := strings.Cut(rest, numberSuffix)
	p.mu.Lock()
	defer p.mu.Unlock()
	if came := p.waiting[number]; came != nil {
		delete(p.waiting, number) // a second delivery is ignored
		close(came)
	}
}

func (p *deliveryProbe) do(ctx context.Context, client *http.Client, token string) error {
	number := fmt.Sprint(p.number.Add(1))
	text := numberPrefix + number + numberSuffix
	body, err := json.Marshal(map[string]string{"to": "hooked", "content": text + strings.Repeat("x", content-len(text))})
	if err != nil {
		return err
	}
	t := p.send
	t.token, t.body = token, body
	came := make(chan struct{})
	p.mu.Lock()
	p.waiting[number] = came
	p.mu.Unlock()
	if err := once(ctx, client, t); err != nil {
		return err
	}
	select {
	case <-came:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no delivery: %w", ctx.Err())
	}
}

func (p *deliveryProbe) close() { _ = p.srv.Close() }
