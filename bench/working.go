package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	workingBots    = 8  // of the org at work
	workingCallers = 32 // of its bots together: connections
	workingPart    = 3  // the rate of a call is this part of the server's capacity
	capacityTime   = time.Second
)

// workingOrg is an org as it usually is: several bots call at once, and the time of a call does not
// depend on the end of others. One kind of call is measured at a time.
type workingOrg struct {
	probes []probe
	tokens []string  // of its bots
	rates  []float64 // calls a second of each probe
}

// newWorkingOrg creates the bots in the org of w, and measures how many calls of each kind a second
// the server handles when nobody else calls.
func newWorkingOrg(ctx context.Context, w *fixture, probes []probe) (*workingOrg, error) {
	org := &workingOrg{probes: probes}
	s := &setup{ctx: ctx, url: w.url}
	for i := range workingBots {
		bot, _ := s.call("POST", "/api/auth/register", "", map[string]any{
			"org_id": w.org, "org_secret": w.secret, "name": fmt.Sprint("worker-", i),
		})
		id, _ := bot["bot_id"].(string)
		token, _ := bot["token"].(string)
		s.call("POST", "/api/threads/"+w.thread+"/participants", w.token, map[string]any{"bot_id": id})
		org.tokens = append(org.tokens, token)
	}
	if s.err != nil {
		return nil, s.err
	}
	for _, p := range probes {
		capacity, err := org.capacity(ctx, p)
		if err != nil {
			return nil, err
		}
		org.rates = append(org.rates, capacity/workingPart)
	}
	return org, nil
}

// capacity returns the calls a second of callers that each make the next call at once.
func (org *workingOrg) capacity(ctx context.Context, p probe) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, capacityTime+30*time.Second)
	defer cancel()
	begin := time.Now()
	var calls atomic.Int64
	err := org.callers(func(client *http.Client, token string) error {
		for time.Since(begin) < capacityTime {
			if err := p.once(ctx, client, token); err != nil {
				return err
			}
			calls.Add(1)
		}
		return nil
	})
	return float64(calls.Load()) / time.Since(begin).Seconds(), err
}

// run measures each call in turn.
func (org *workingOrg) run(ctx context.Context, length time.Duration) ([]latencies, error) {
	took := make([]latencies, len(org.probes))
	for i := range org.probes {
		var err error
		if took[i], err = org.measure(ctx, i, length/time.Duration(len(org.probes))); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// measure makes the calls of one kind at its rate. The time of a call counts from its planned
// start: a call that waits for a caller because others take long counts this wait, too.
func (org *workingOrg) measure(ctx context.Context, i int, length time.Duration) (latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	count := max(int(length.Seconds()*org.rates[i]), 1)
	begin := time.Now()
	timer, err := newTimer(time.Duration(float64(time.Second) / org.rates[i]))
	if err != nil {
		return nil, err
	}
	defer timer.stop()
	planned := make(chan int, count) // never full
	took := make(latencies, count)
	var wg sync.WaitGroup
	var timed error
	wg.Go(func() {
		defer close(planned)
		for n := 0; n < count; {
			var due int
			if due, timed = timer.wait(); timed != nil {
				return
			}
			for range min(due, count-n) {
				planned <- n
				n++
			}
		}
	})
	err = org.callers(func(client *http.Client, token string) error {
		for n := range planned {
			if err := org.probes[i].once(ctx, client, token); err != nil {
				return err
			}
			plan := begin.Add(time.Duration(float64(n+1) / org.rates[i] * float64(time.Second)))
			took[n] = time.Since(plan)
		}
		return nil
	})
	wg.Wait()
	return took, errors.Join(timed, err)
}

// callers runs do for each caller at once, and returns their errors.
func (org *workingOrg) callers(do func(client *http.Client, token string) error) error {
	client, closeIdle := newClient(workingCallers)
	defer closeIdle()
	errs := make([]error, workingCallers)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = do(client, org.tokens[i%len(org.tokens)]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
