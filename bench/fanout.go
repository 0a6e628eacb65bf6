package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// audience is one thread with its listeners, at the baseline or at the server.
type audience struct {
	name      string
	process   *process
	post      target // the body is set for each request
	posts     *posts
	listeners []*listener
}

// round is the result of one round of posts.
type round struct {
	perSecond float64 // deliveries
	p50, p99  time.Duration
	client    time.Duration // CPU per delivery of the load generator
	server    time.Duration // CPU per delivery of the server
}

// listener returns a listener that has received all messages up to got.
func (a *audience) listener(conn *rawSocket, token string, got int64) *listener {
	l := &listener{conn: conn, token: token, posts: a.posts}
	l.got.Store(got)
	return l
}

// admit starts a listener on a connection. It runs until ctx ends.
func (a *audience) admit(ctx context.Context, conn *rawSocket, token string) {
	l := a.listener(conn, token, int64(a.posts.count))
	a.listeners = append(a.listeners, l)
	go l.run(ctx)
}

// send posts the next message.
func (a *audience) send(ctx context.Context) error {
	t := a.post
	t.body = a.posts.body()
	a.posts.begun[a.posts.count].Store(time.Now().UnixNano())
	return once(ctx, caller, t)
}

// run posts messages one after another for the given time, and at least the given number. It
// returns when all listeners have received all of them.
func (a *audience) run(ctx context.Context, length time.Duration, least int) (round, error) {
	return a.measure(ctx, func() error {
		before, start := a.posts.count, time.Now()
		for time.Since(start) < length || a.posts.count-before < least {
			if err := a.send(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// measure calls post, which posts messages, and returns when all listeners have received all of
// them.
func (a *audience) measure(ctx context.Context, post func() error) (r round, err error) {
	before := a.posts.count
	for _, l := range a.listeners {
		l.took = l.took[:0]
	}
	own, err := ownCPU()
	if err != nil {
		return r, err
	}
	theirs, err := a.process.cpu()
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := post(); err != nil {
		return r, err
	}
	if err := a.settled(ctx); err != nil {
		return r, err
	}
	elapsed := time.Since(start)
	deliveries := (a.posts.count - before) * len(a.listeners)
	ownAfter, err := ownCPU()
	if err != nil {
		return r, err
	}
	theirsAfter, err := a.process.cpu()
	if err != nil {
		return r, err
	}
	var took []time.Duration
	for _, l := range a.listeners {
		took = append(took, l.took...)
	}
	slices.Sort(took)
	return round{
		perSecond: float64(deliveries) / elapsed.Seconds(),
		p50:       took[len(took)/2], p99: took[len(took)*99/100],
		client: (ownAfter - own) / time.Duration(deliveries), server: (theirsAfter - theirs) / time.Duration(deliveries),
	}, nil
}

// posters is the number of posts that are in progress at once.
const posters = 16

// pipelined posts messages from several clients for the given time, at a rate, or with rate 0 as
// fast as it can.
func (a *audience) pipelined(ctx context.Context, length time.Duration, rate float64) (round, error) {
	a.posts.pipelined.Store(true)
	defer a.posts.pipelined.Store(false)
	return a.measure(ctx, func() error {
		numbers := make(chan target)
		var all errgroup.Group
		for range posters {
			all.Go(func() (failed error) {
				for t := range numbers {
					if failed == nil {
						failed = once(ctx, caller, t)
					}
				}
				return failed
			})
		}
		err := a.schedule(length, rate, numbers)
		close(numbers)
		return errors.Join(err, all.Wait())
	})
}

// schedule gives the posters their messages.
func (a *audience) schedule(length time.Duration, rate float64, to chan<- target) error {
	next := func() {
		t := a.post
		t.body = a.posts.body()
		a.posts.begun[a.posts.count].Store(time.Now().UnixNano())
		to <- t
	}
	start := time.Now()
	if rate == 0 {
		for time.Since(start) < length {
			next()
		}
		return nil
	}
	timer, err := newTimer(time.Duration(float64(time.Second) / rate))
	if err != nil {
		return err
	}
	defer timer.stop()
	for time.Since(start) < length {
		due, err := timer.wait()
		if err != nil {
			return err
		}
		for range due {
			next()
		}
	}
	return nil
}

// settled waits until every listener has every message, and checks that all received the same
// messages in the same order.
func (a *audience) settled(ctx context.Context) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		missing := 0
		for _, l := range a.listeners {
			switch got := l.got.Load(); {
			case got < 0:
				return fmt.Errorf("%s: a connection broke: %w", a.name, l.wrong)
			case int(got) < a.posts.count:
				missing++
			}
		}
		if missing == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %d listeners lack messages", a.name, missing)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, l := range a.listeners {
		if l.wrong != nil {
			return fmt.Errorf("%s: %w", a.name, l.wrong)
		}
		if l.order != a.listeners[0].order || !bytes.Equal(l.cursor, a.listeners[0].cursor) {
			return fmt.Errorf("%s: two listeners received different cursors", a.name)
		}
	}
	return nil
}

// fanOut measures the deliveries of a thread with many listeners at the baseline and the server.
func fanOut(ctx context.Context, o options, base, ours *process, r *report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	baseline := &audience{name: "baseline", process: base, posts: newPosts(), post: target{method: http.MethodPost, url: base.url + "/api/threads/fan/messages", token: "none"}}
	for range o.participants {
		conn, err := dialRaw(ctx, base.url, "none", "")
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		baseline.admit(ctx, conn, "")
	}
	server, crowd, err := newAudience(ctx, ours, "fanout", o.participants+1)
	if err != nil {
		return err
	}
	var ratios, baselines, rates, p99s, baselineCPU, ourCPU []float64
	for n := range o.rounds {
		a, err := baseline.pipelined(ctx, o.time, 0)
		if err != nil {
			return err
		}
		b, err := server.pipelined(ctx, o.time, 0)
		if err != nil {
			return err
		}
		half, err := server.pipelined(ctx, o.time, b.perSecond/float64(o.participants)/2)
		if err != nil {
			return err
		}
		r.note("round %d: baseline %s; server %s; ratio %.2f; half load %s", n+1, a, b, b.perSecond/a.perSecond, half)
		baselines, rates, ratios = append(baselines, a.perSecond), append(rates, b.perSecond), append(ratios, b.perSecond/a.perSecond)
		baselineCPU, ourCPU = append(baselineCPU, us(a.client+a.server)), append(ourCPU, us(b.client+b.server))
		p99s = append(p99s, ms(half.p99))
	}
	r.note("fan-out to %d, %d posts in progress: baseline %.0f deliveries/s, server %.0f/s; CPU per delivery, load generator included: baseline %.1f µs, server %.1f µs (medians of %d rounds)",
		o.participants, posters, median(baselines), median(rates), median(baselineCPU), median(ourCPU), o.rounds)
	r.least("fan-out, relative to the baseline", median(ratios), 1.5, "×")
	r.most("fan-out at half load, p99 from post to delivery", median(p99s), 15, "ms")
	return stalled(ctx, o, server, crowd, r)
}

func (r round) String() string {
	return fmt.Sprintf("%.0f/s, p50 %.1f ms, p99 %.1f ms, CPU %.1f+%.1f µs", r.perSecond, ms(r.p50), ms(r.p99), us(r.server), us(r.client))
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// newAudience creates a thread in which all participants except the last one listen.
func newAudience(ctx context.Context, p *process, name string, participants int) (*audience, *crowd, error) {
	c, err := newCrowd(ctx, p.url, name, participants)
	if err != nil {
		return nil, nil, err
	}
	thread, err := c.newThread(name)
	if err != nil {
		return nil, nil, err
	}
	a := &audience{name: "server", process: p, posts: newPosts(), post: target{method: http.MethodPost, url: p.url + "/api/threads/" + thread + "/messages", token: c.tokens[0]}}
	for _, token := range c.tokens[:participants-1] {
		conn, err := connectRaw(ctx, p.url, token, "")
		if err != nil {
			return nil, nil, fmt.Errorf("server: %w", err)
		}
		a.admit(ctx, conn, token)
	}
	return a, c, nil
}

const (
	// The kernel buffers megabytes for a connection that is not read. Large messages fill these
	// buffers and the queue of the server.
	stallSize  = 8 << 10
	stallAfter = 900 // messages in a round
	stallRead  = 750 // messages after which the stalled listener starts to read
)

// stalled measures rounds with and without a participant that does not read.
func stalled(ctx context.Context, o options, a *audience, c *crowd, r *report) error {
	a.posts.size = stallSize
	var alone, beside []float64
	for range o.rounds {
		x, err := a.run(ctx, 0, stallAfter)
		if err != nil {
			return err
		}
		token := c.tokens[len(c.tokens)-1]
		first := a.posts.count + 1
		conn, err := connectRaw(ctx, a.process.url, token, "")
		if err != nil {
			return err
		}
		stallDone := make(chan error, 1)
		l := a.listener(conn, token, int64(first-1))
		go func() { stallDone <- stall(ctx, a, l, first+stallRead) }()
		y, err := a.run(ctx, 0, stallAfter)
		if err != nil {
			return err
		}
		if err := <-stallDone; err != nil {
			return err
		}
		if err := resumed(ctx, a, l); err != nil {
			return err
		}
		alone, beside = append(alone, x.perSecond), append(beside, y.perSecond)
	}
	r.note("a participant that does not read: closed with 4008, then resumed without a gap, %d times", o.rounds)
	r.least("fan-out with a participant that does not read, relative to that without", median(beside)/median(alone), 0.9, "×")
	return nil
}

// stall starts to read when the others have the given number of messages, after the server has
// given up this connection. It reads the rest and expects the close code 4008.
func stall(ctx context.Context, a *audience, l *listener, until int) error {
	for int(a.listeners[0].got.Load()) < until && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := l.listen(ctx); !errors.Is(err, closeError(4008)) {
		return fmt.Errorf("a participant that did not read: want the close code 4008, got: %w (after %d of %d messages)", err, l.got.Load(), until)
	}
	return nil
}

// resumed resumes after the last event of a closed connection and waits for all posted messages.
func resumed(ctx context.Context, a *audience, l *listener) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if l.conn, err = connectRaw(ctx, a.process.url, l.token, string(l.cursor)); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- l.listen(ctx) }()
	for int(l.got.Load()) < a.posts.count {
		select {
		case err := <-ended:
			return fmt.Errorf("resume after 4008: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	l.conn.close()
	<-ended
	return l.wrong
}
