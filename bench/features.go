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

// features measures direct messages in three ways: to a bot without a webhook on a server that was
// built without audit and limits, to the same bot on the normal server, and to a bot with a webhook
// on the normal server. The result is the rate of acknowledged messages. Webhook deliveries follow
// later, and none may be missing. The report also has the processor time of the server, deliveries
// included, because other load on the machine affects it less.
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
	// Each variant has its own server, so that the databases have the same size.
	var servers [3]*process
	var fixtures [3]*fixture
	for i, c := range []options{bare, o, o} {
		servers[i], err = startServer(ctx, c, []string{"B2B_DATA_DIR=" + filepath.Join(folder, fmt.Sprint("features", i)), "B2B_WEBHOOK_ALLOW=127.0.0.1"})
		if err != nil {
			return err
		}
		defer servers[i].stop()
		if fixtures[i], err = newFixture(ctx, servers[i].url); err != nil {
			return err
		}
	}
	if err := fixtures[2].hook(ctx, "hooked", "http://"+l.Addr().String()+"/"); err != nil {
		return err
	}
	fixtures[2].peer = "hooked"

	var none, counted, all series
	var sent int64
	nothing := func(int) error { return nil }
	for range o.rounds {
		if err := none.round(ctx, o, servers[0], fixtures[0].post(), nothing); err != nil {
			return fmt.Errorf("without audit, limits and webhooks: %w", err)
		}
		if err := counted.round(ctx, o, servers[1], fixtures[1].post(), nothing); err != nil {
			return fmt.Errorf("with audit and limits: %w", err)
		}
		err := all.round(ctx, o, servers[2], fixtures[2].post(), func(count int) error {
			sent += int64(count)
			return arrived(ctx, &received, sent)
		})
		if err != nil {
			return fmt.Errorf("with audit, limits and webhooks: %w", err)
		}
	}
	r.note("direct messages without audit, limits and webhooks: %s (medians of %d rounds)", none, o.rounds)
	r.note("with audit and limits: %s; %.2f of those without", counted, ratio(counted.rates, none.rates))
	r.note("with webhooks: %s; %.2f of those with audit and limits; %.0f/s to the last of %d deliveries, %.2f of those without",
		all, ratio(all.rates, counted.rates), median(all.drained), sent, ratio(all.drained, none.rates))
	r.least("direct messages with audit, limits and webhooks, of those without", ratio(all.rates, none.rates), 0.8, "×")
	return nil
}

// ratio returns the median of the ratios of corresponding rounds.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}

// series has the results of the rounds of one server.
type series struct {
	rates   []float64 // acknowledged messages a second
	drained []float64 // the same, up to the last delivery
	costs   []float64 // processor time of the server, µs a message
}

func (s series) String() string {
	return fmt.Sprintf("%.0f/s, %.0f µs of the server's processor time each", median(s.rates), median(s.costs))
}

// round loads a server and calls follow with the number of messages, to wait for their deliveries.
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

// drainMost limits the time for the remaining deliveries after a round.
const drainMost = 2 * time.Minute

// arrived waits until the given number of deliveries is received.
func arrived(ctx context.Context, received *atomic.Int64, sent int64) error {
	for begin := time.Now(); received.Load() < sent; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil || time.Since(begin) > drainMost {
			return errors.Join(ctx.Err(), fmt.Errorf("%d deliveries are missing", sent-received.Load()))
		}
	}
	return nil
}

// receive responds to requests until l is closed. It uses little processor time, because it shares
// the machine with the server, which a real receiver does not.
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
						length, _ = strconv.Atoi(string(bytes.TrimSpace(text))) // sent by our server
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

// hook registers a bot with a webhook in the org of the fixture.
func (w *fixture) hook(ctx context.Context, name, url string) error {
	s := &setup{ctx: ctx, url: w.url}
	s.call("POST", "/api/auth/register", "", map[string]any{
		"org_id": w.org, "org_secret": w.secret, "name": name, "webhook_url": url, "webhook_secret": "bench",
	})
	return s.err
}
