package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	missedByOne = 1000
	storming    = 500
	missedByAll = 100
)

// resume measures the time in which clients that reconnect receive the events they missed.
func resume(ctx context.Context, o options, ours *process, r *report) error {
	one, _, err := newAudience(ctx, ours, "resume", 2)
	if err != nil {
		return err
	}
	var took []float64
	for range 2*o.rounds + 1 {
		d, err := reconnect(ctx, one, missedByOne)
		if err != nil {
			return err
		}
		took = append(took, ms(d))
	}
	r.note("resume of %d missed events, from dial to the last: median %.1f ms of %d", missedByOne, median(took), len(took))
	r.most(fmt.Sprintf("resume of %d missed events, slowest", missedByOne), slices.Max(took), 100, "ms")

	all, _, err := newAudience(ctx, ours, "storm", storming+1)
	if err != nil {
		return err
	}
	took = nil
	for range o.rounds {
		d, err := reconnect(ctx, all, missedByAll)
		if err != nil {
			return err
		}
		took = append(took, d.Seconds())
	}
	r.note("%d bots that reconnect at the same moment, each with %d missed events: median %.2f s of %d", storming, missedByAll, median(took), len(took))
	r.most("reconnection of all of them, slowest", slices.Max(took), 5, "s")
	return nil
}

// reconnect closes all connections of an audience, posts messages, and reconnects all at the same
// time from their last cursors. It returns the time until the last listener has everything, and
// checks that all receive new messages. The time includes getting the tickets, except for a single
// listener.
func reconnect(ctx context.Context, a *audience, missed int) (time.Duration, error) {
	if err := a.send(ctx); err != nil { // so that all have a cursor
		return 0, err
	}
	if err := a.settled(ctx); err != nil {
		return 0, err
	}
	away, had := a.listeners, int64(a.posts.count)
	a.listeners = make([]*listener, len(away))
	for _, l := range away {
		l.conn.close()
	}
	for range missed {
		if err := a.send(ctx); err != nil {
			return 0, err
		}
	}
	ticket := ""
	if len(away) == 1 {
		var err error
		if ticket, err = ticketFor(ctx, a.process.url, away[0].token); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	var all errgroup.Group
	for i, l := range away {
		all.Go(func() (err error) {
			own := ticket
			if own == "" {
				if own, err = ticketFor(ctx, a.process.url, l.token); err != nil {
					return err
				}
			}
			conn, err := dialRaw(ctx, a.process.url, own, string(l.cursor))
			if err != nil {
				return err
			}
			a.listeners[i] = a.listener(conn, l.token, had)
			go a.listeners[i].run(ctx)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return 0, fmt.Errorf("reconnect: %w", err)
	}
	if err := a.settled(ctx); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	if err := a.send(ctx); err != nil {
		return 0, err
	}
	return took, a.settled(ctx)
}
