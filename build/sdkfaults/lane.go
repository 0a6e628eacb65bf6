package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A lane is a proxy between one agent and the server, which may be down.
type lane struct {
	*schedule
	server   func() string // host:port
	http     *http.Server
	listener net.Listener
	client   *http.Transport // to the server
	ctx      context.Context // of what it started
	cancel   context.CancelFunc
	tasks    sync.WaitGroup

	mu      sync.Mutex
	streams map[net.Conn]bool
}

const (
	shortSilence = 500 * time.Millisecond
	longSilence  = 70 * time.Second // longer than SDKs bear
	mostBody     = 1 << 24          // bytes
)

func newLane(s *schedule, server func() string) (*lane, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a proxy: %w", err)
	}
	p := &lane{schedule: s, server: server, listener: l, streams: map[net.Conn]bool{},
		client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.http = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	p.tasks.Go(func() { _ = p.http.Serve(l) }) // it ends when it is closed
	return p, nil
}

func (p *lane) url() string { return "http://" + p.listener.Addr().String() }

func (p *lane) close() {
	p.cancel()
	_ = p.http.Close() // as a machine that is switched off
	p.cut()
	p.tasks.Wait()
	p.client.CloseIdleConnections()
}

// cut ends the connections for events.
func (p *lane) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.streams {
		_ = c.Close() // as a cable that is cut
	}
}

// open waits until there is a connection for events.
func (p *lane) open(ctx context.Context) error {
	for ; ; p.pause(ctx, 10*time.Millisecond) {
		p.mu.Lock()
		n := len(p.streams)
		p.mu.Unlock()
		if n > 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (p *lane) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		p.stream(w, r, sockets{})
	case "/api/events":
		p.stream(w, r, serverSent{})
	default:
		p.call(w, r)
	}
}

// call passes on a request and its response.
func (p *lane) call(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	if err != nil {
		abort()
	}
	fault, rng := p.schedule.call()
	if fault != "" {
		p.happened(fault)
	}
	switch fault {
	case refused503, refused429, refusedAfter, refusedDate:
		refuse(w, fault, rng)
		return
	case cutBefore:
		abort()
	case slowCall:
		p.pause(r.Context(), time.Duration(rng.IntN(300))*time.Millisecond)
	case doubledCall:
		p.tasks.Go(func() { _, _, _ = p.forward(p.ctx, r, body) }) // the response to the other one counts
	case executedAfter: // perhaps after the next attempt
		p.tasks.Go(func() {
			p.pause(p.ctx, time.Duration(rng.IntN(400))*time.Millisecond)
			_, _, _ = p.forward(p.ctx, r, body) // nobody waits for the response
		})
		abort()
	case halfOpenCall:
		if rng.IntN(2) == 0 {
			_, _, _ = p.forward(p.ctx, r, body) // nobody receives the response
		}
		p.pause(r.Context(), shortSilence)
		abort()
	}
	res, answer, err := p.forward(r.Context(), r, body)
	if err != nil {
		if isDial(err) && rng.IntN(2) == 0 {
			p.happened(unavailable)
			refuse(w, refused503, rng)
			return
		}
		abort()
	}
	if fault == cutAfter {
		abort()
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
	w.WriteHeader(res.StatusCode)
	if fault == cutWithin && len(answer) > 1 {
		answer = answer[:1+rng.IntN(len(answer)-1)]
		defer abort()
	}
	_, _ = w.Write(answer) // the agent may be dead
}

// forward sends a request to the server, and returns the response with its body.
func (p *lane) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, []byte, error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, "http://"+p.server()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Connection")
	res, err := p.client.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, mostBody))
	return res, answer, err
}

// abort ends the connection of a request without a response, or in the middle of it.
func abort() { panic(http.ErrAbortHandler) }

func isDial(err error) bool {
	var of *net.OpError
	return errors.As(err, &of) && of.Op == "dial"
}

// refuse answers as a server that is overloaded, or a proxy that cannot reach it.
func refuse(w http.ResponseWriter, fault string, rng *rand.Rand) {
	switch fault {
	case refused503:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case refusedAfter:
		w.Header().Set("Retry-After", "1")
	case refusedDate:
		at := time.Now().Add(time.Duration(rng.IntN(7)-3) * time.Second)
		w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
	}
	w.WriteHeader(http.StatusTooManyRequests)
}

// pause waits, and returns early if ctx or the lane ends.
func (p *lane) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
}

func hasPosition(r *http.Request) bool {
	return r.URL.Query().Get("cursor") != "" || strings.TrimSpace(r.Header.Get("Last-Event-ID")) != ""
}
