package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// features compares direct messages three ways: to a bot without webhook, on a server
// that was built without audit and limits; to the same on ours; and to a bot with a
// webhook on ours. What counts is the rate of acknowledged messages; deliveries follow
// from the log, one after another, and none may be missing. The processor time of the
// server, deliveries included, is told beside it: it depends less on what else the
// machine does.
func features(ctx context.Context, o options, folder string, r *report) error {
	bare := o
	bare.server = filepath.Join(folder, "bare")
	if err := buildBare(ctx, folder, bare.server); err != nil {
		return err
	}
	var received atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go receive(l, &received)
	// Each has a server of its own: none has more in its database than the others.
	var servers [3]*process
	var worlds [3]*world
	for i, c := range []options{bare, o, o} {
		servers[i], err = startServer(ctx, c, []string{"B2B_DATA_DIR=" + filepath.Join(folder, fmt.Sprint("features", i)), "B2B_WEBHOOK_ALLOW=127.0.0.1"})
		if err != nil {
			return err
		}
		defer servers[i].stop()
		if worlds[i], err = newWorld(ctx, servers[i].url); err != nil {
			return err
		}
	}
	if err := worlds[2].hook(ctx, "hooked", "http://"+l.Addr().String()+"/"); err != nil {
		return err
	}
	worlds[2].peer = "hooked"

	var none, counted, all series
	var sent int64
	nothing := func(int) error { return nil }
	for range o.rounds {
		if err := none.round(ctx, o, servers[0], worlds[0].post(), nothing); err != nil {
			return fmt.Errorf("without audit, limits and webhooks: %w", err)
		}
		if err := counted.round(ctx, o, servers[1], worlds[1].post(), nothing); err != nil {
			return fmt.Errorf("with audit and limits: %w", err)
		}
		err := all.round(ctx, o, servers[2], worlds[2].post(), func(count int) error {
			sent += int64(count)
			return arrived(ctx, &received, sent)
		})
		if err != nil {
			return fmt.Errorf("with audit, limits and webhooks: %w", err)
		}
	}
	r.note("direct messages without audit, limits and webhooks: %s (medians of %d rounds)", none, o.rounds)
	r.note("with audit and limits: %s; %.2f of those without", counted, ratio(counted.rates, none.rates))
	r.note("with webhooks, too: %s; %.2f of those with audit and limits; %.0f/s to the last of %d deliveries, %.2f of those without",
		all, ratio(all.rates, counted.rates), median(all.drained), sent, ratio(all.drained, none.rates))
	r.least("direct messages with audit, limits and webhooks, of those without", ratio(all.rates, none.rates), 0.8, "×")
	return nil
}

// ratio is the median of the ratios of rounds that followed each other.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}

// series is what the rounds of one server made.
type series struct {
	rates   []float64 // acknowledged messages a second
	drained []float64 // the same, to the end of what follows
	costs   []float64 // processor time of the server, µs a message
}

func (s series) String() string {
	return fmt.Sprintf("%.0f/s, %.0f µs of the server's processor time each", median(s.rates), median(s.costs))
}

// round loads a server, and waits for what follows from so many messages.
func (s *series) round(ctx context.Context, o options, p *process, t target, follow func(count int) error) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	begin := time.Now()
	res, err := load(ctx, o.clients, o.time, t)
	if err != nil {
		return err
	}
	if err := follow(res.count); err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	after, err := p.cpu()
	if err != nil {
		return err
	}
	s.rates = append(s.rates, res.perSecond)
	s.drained = append(s.drained, float64(res.count)/took)
	s.costs = append(s.costs, float64((after-before).Microseconds())/float64(res.count))
	return nil
}

// drainMost is how long the deliveries that are left after a round may take.
const drainMost = 2 * time.Minute

// arrived waits until so many deliveries have come.
func arrived(ctx context.Context, received *atomic.Int64, sent int64) error {
	for begin := time.Now(); received.Load() < sent; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil || time.Since(begin) > drainMost {
			return errors.Join(ctx.Err(), fmt.Errorf("%d deliveries are missing", sent-received.Load()))
		}
	}
	return nil
}

// receive answers requests until l is closed, as cheaply as it can: a receiver has a
// machine of its own, this one is that of the server.
func receive(l net.Listener, n *atomic.Int64) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				length := 0
				for {
					line, err := r.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) <= 2 {
						break
					}
					if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
						length, _ = strconv.Atoi(string(bytes.TrimSpace(text))) // our own server's
					}
				}
				if _, err := r.Discard(length); err != nil {
					return
				}
				n.Add(1)
				if _, err := conn.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n")); err != nil {
					return
				}
			}
		}()
	}
}

// hook registers a bot with a webhook in the org of the world.
func (w *world) hook(ctx context.Context, name, url string) error {
	s := &setup{ctx: ctx, url: w.url}
	s.call("POST", "/api/auth/register", "", map[string]any{
		"org_id": w.org, "org_secret": w.secret, "name": name, "webhook_url": url, "webhook_secret": "bench",
	})
	return s.err
}
