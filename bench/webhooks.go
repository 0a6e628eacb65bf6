package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// drainMost is how long the deliveries that are left may take after the last round.
const drainMost = 2 * time.Minute

// webhooks compares direct messages to a bot that has a webhook with those to one that
// has none, on one server, in turn. What is compared is the rate of acknowledged
// messages: deliveries follow from the log, and none may be missing in the end.
func webhooks(ctx context.Context, o options, folder string, r *report) error {
	var received atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go receive(l, &received)
	server, err := startServer(ctx, o, []string{"B2B_DATA_DIR=" + filepath.Join(folder, "webhooks"), "B2B_WEBHOOK_ALLOW=127.0.0.1"})
	if err != nil {
		return err
	}
	defer server.stop()
	w, err := newWorld(ctx, server.url)
	if err != nil {
		return err
	}
	if err := w.hook(ctx, "hooked", "http://"+l.Addr().String()+"/"); err != nil {
		return err
	}
	hooked := *w
	hooked.peer = "hooked"
	var ratios, off, on []float64
	var sent int64
	for range o.rounds {
		a, err := load(ctx, o.clients, o.time, w.post())
		if err != nil {
			return fmt.Errorf("without webhooks: %w", err)
		}
		b, err := load(ctx, o.clients, o.time, hooked.post())
		if err != nil {
			return fmt.Errorf("with webhooks: %w", err)
		}
		sent += int64(b.count)
		off, on, ratios = append(off, a.perSecond), append(on, b.perSecond), append(ratios, b.perSecond/a.perSecond)
	}
	left, begin := sent-received.Load(), time.Now()
	for received.Load() < sent && time.Since(begin) < drainMost && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(begin)
	r.note("direct messages: %.0f/s to a bot without webhook, %.0f/s to one with; %d deliveries, %d of them after the last round, within %.1f s",
		median(off), median(on), sent, max(left, 0), took.Seconds())
	r.least("direct messages with a webhook, of those without", median(ratios), 0.8, "×")
	r.most("deliveries that are missing", float64(max(sent-received.Load(), 0)), 0, "")
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
