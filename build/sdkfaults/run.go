package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// run is a server with a pair of agents for each language.
type run struct {
	settings
	seed   uint64
	folder string
	server *server
	pairs  []*pair
	rng    *rand.Rand
	begun  time.Time

	mu     sync.Mutex
	counts counts
}

func newRun(s settings, seed uint64, languages []string) (*run, error) {
	folder, err := os.MkdirTemp("", "sdkfaults")
	if err != nil {
		return nil, err
	}
	r := &run{settings: s, seed: seed, folder: folder, counts: counts{}, begun: time.Now(), rng: rand.New(rand.NewPCG(seed, 1)),
		server: &server{binary: s.server, folder: folder, verbose: s.verbose}}
	for i, language := range languages {
		p := &pair{
			language: language, settings: s, seed: seed, to: language + "-listener", positions: positionsFile(folder, language),
			rng: rand.New(rand.NewPCG(seed, 100+uint64(i))), sends: map[int]sending{}, changed: make(chan struct{}),
			token: map[string]string{}, lanes: map[string]*lane{},
		}
		p.count = func(fault string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.counts.count(language, fault, 1)
		}
		p.transport = []string{"auto", "sse", "ws"}[p.rng.IntN(3)]
		if p.transport == "ws" && language != "typescript" {
			p.transport = "auto"
		}
		p.count("over " + p.transport)
		for j, role := range []string{sender, listener} {
			lane, err := newLane(newSchedule(seed, uint64(2*i+j), language, s.thorough, r.counts, &r.mu), r.server.address)
			if err != nil {
				return nil, err
			}
			p.lanes[role] = lane
		}
		r.pairs = append(r.pairs, p)
	}
	return r, nil
}

func (r *run) close() error {
	for _, p := range r.pairs {
		for _, l := range p.lanes {
			l.close()
		}
	}
	r.server.kill()
	return os.RemoveAll(r.folder)
}

// parts is how many times the messages are sent and awaited: between two parts, and before the last
// one, positions become invalid.
const parts = 3

func (r *run) execute(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.most)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	listeners := make([]*running, len(r.pairs))
	err := r.each(func(i int, p *pair) (err error) {
		listeners[i], err = p.run()
		return err
	})
	defer func() {
		for _, l := range listeners {
			if l != nil && l.agent != nil {
				_ = l.stop(true) // what it did is known
			}
		}
	}()
	if err != nil {
		return err
	}
	for part := range parts {
		from, until := part*r.events/parts, (part+1)*r.events/parts
		if err := r.part(ctx, listeners, from, until); err != nil {
			return err
		}
		if err := r.invalidate(ctx, listeners, part); err != nil {
			return err
		}
	}
	return r.each(func(_ int, p *pair) error { return r.judge(ctx, p) })
}

// each calls a function for all languages at the same time.
func (r *run) each(do func(int, *pair) error) error {
	errs := make([]error, len(r.pairs))
	var all sync.WaitGroup
	for i, p := range r.pairs {
		all.Go(func() {
			if err := do(i, p); err != nil {
				errs[i] = fmt.Errorf("%s: %w", p.language, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// prepare starts the server and makes the bots.
func (r *run) prepare(ctx context.Context) error {
	if err := r.server.start(); err != nil {
		return err
	}
	var names []string
	for _, p := range r.pairs {
		names = append(names, p.language+"-sender", p.to)
	}
	tokens, err := r.server.team(ctx, names...)
	if err != nil {
		return err
	}
	return r.each(func(_ int, p *pair) error {
		p.token[sender], p.token[listener] = tokens[p.language+"-sender"], tokens[p.to]
		var err error
		p.start, err = r.server.present(ctx, p.token[listener])
		return err
	})
}

// part has all messages from one number to another sent and handled, while agents and the server
// are killed.
func (r *run) part(ctx context.Context, listeners []*running, from, until int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var kill sync.WaitGroup
	var killed error
	after := time.Duration(200+r.rng.IntN(2000)) * time.Millisecond
	down := time.Duration(r.rng.IntN(500)) * time.Millisecond
	kill.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(after):
		}
		killed = r.restart(down, func() error { return nil })
	})
	err := r.each(func(i int, p *pair) error {
		env := p.env(sender, "B2B_TO="+p.to, fmt.Sprintf("B2B_SEED=%d", p.seed))
		rng := rand.New(rand.NewPCG(p.rng.Uint64(), 0))
		var both sync.WaitGroup
		var sent error
		both.Go(func() { sent = p.send(ctx, rng, env, from, until) })
		err := listeners[i].disturb(ctx, from+1+p.rng.IntN((until-from)/2))
		if err != nil {
			cancel()
		}
		both.Wait()
		if err = errors.Join(err, sent); err != nil {
			return err
		}
		r.report(p, "has sent", until)
		last := fmt.Sprint(until - 1)
		defer r.report(p, "has handled", until)
		return listeners[i].until(ctx, "message "+last, func() bool { return p.last == last })
	})
	cancel()
	kill.Wait()
	return errors.Join(err, killed)
}

// restart kills the server, does something, and starts it again.
func (r *run) restart(down time.Duration, between func() error) error {
	for _, p := range r.pairs {
		p.count("server killed")
	}
	r.server.kill()
	time.Sleep(down)
	if err := between(); err != nil {
		return err
	}
	return r.server.start()
}

// invalidate makes the positions invalid that listeners have, when they have handled everything.
func (r *run) invalidate(ctx context.Context, listeners []*running, part int) error {
	reason := [parts]string{"EPOCH_CHANGED", "CURSOR_EXPIRED", ""}[part]
	if reason == "" {
		return nil
	}
	again := make([]bool, len(listeners)) // the listener starts with such a position
	for i, l := range listeners {
		again[i] = l.rng.IntN(2) == 0
	}
	err := r.each(func(i int, p *pair) error {
		if again[i] {
			return listeners[i].stop(false)
		}
		if r.thorough {
			return nil
		}
		// The next pauses of a listener that runs are as long as after many faults in a row.
		if err := errors.Join(listeners[i].stop(false), listeners[i].begin()); err != nil {
			return err
		}
		return p.lanes[listener].open(ctx)
	})
	if err != nil {
		return err
	}
	if reason == "EPOCH_CHANGED" {
		if err := r.restart(0, r.server.replaceLogs); err != nil {
			return err
		}
	} else {
		for _, p := range r.pairs {
			p.lanes[listener].expireNext()
			p.lanes[listener].cut()
		}
	}
	return r.each(func(i int, p *pair) error {
		if again[i] {
			if err := listeners[i].begin(); err != nil {
				return err
			}
		}
		p.count("resync after " + reason)
		err := listeners[i].resynced(ctx, reason)
		r.report(p, "has learned of "+reason+" after", (part+1)*r.events/parts)
		if err != nil || again[i] || r.thorough {
			return err
		}
		// Otherwise its next pauses are as long as after so many faults in a row.
		return errors.Join(listeners[i].stop(false), listeners[i].begin())
	})
}

// report prints how far a pair is.
func (r *run) report(p *pair, what string, messages int) {
	if r.verbose {
		fmt.Printf("%s %s %d messages after %.1f s\n", p.language, what, messages, time.Since(r.begun).Seconds())
	}
}

func (r *run) judge(ctx context.Context, p *pair) error {
	log, err := r.server.messages(ctx, p.token[listener], p.to)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(judgeSends(log, p.sends), judge(log, p.lives, []string{"EPOCH_CHANGED", "CURSOR_EXPIRED"}))
}
