package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

const (
	players   = 256     // operations in progress
	playQueue = 1 << 16 // operations that wait for a player
	playTick  = time.Millisecond
	playDrain = 20 * time.Second // for operations that were due in time
)

// performer does an operation.
type performer func(ctx context.Context, op scenario.Op) error

// played is the result of a load.
type played struct {
	offered  int // operations that were due
	lost     int // of them, those for which the queue had no room
	took     map[scenario.Kind]latencies
	failed   int
	firstErr error
	length   time.Duration // until the last operation ended
}

// play does the operations of a load when they are due, whether or not earlier ones have ended, for
// the given time. The time of an operation counts from when it was due, so that a pause of the
// server counts for all operations that it delays.
func play(ctx context.Context, load *scenario.Load, length time.Duration, do performer) (*played, error) {
	ctx, cancel := context.WithTimeout(ctx, length+playDrain)
	defer cancel()
	timer, err := newTimer(playTick)
	if err != nil {
		return nil, err
	}
	defer timer.stop()
	p := &played{took: map[scenario.Kind]latencies{}}
	queue := make(chan scenario.Op, playQueue)
	begin := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	for range players {
		all.Go(func() {
			took, failed, first := map[scenario.Kind]latencies{}, 0, error(nil)
			for op := range queue {
				if err := do(ctx, op); err != nil {
					failed++
					if first == nil {
						first = fmt.Errorf("%s: %w", op.Kind, err)
					}
					continue
				}
				took[op.Kind] = append(took[op.Kind], time.Since(begin)-op.At)
			}
			mu.Lock()
			defer mu.Unlock()
			for kind, l := range took {
				p.took[kind] = append(p.took[kind], l...)
			}
			p.failed += failed
			if p.firstErr == nil {
				p.firstErr = first
			}
		})
	}
	for op := load.Next(); op.At < length && err == nil; {
		_, err = timer.wait()
		for now := time.Since(begin); op.At <= now && op.At < length; op = load.Next() {
			p.offered++
			select {
			case queue <- op:
			default:
				p.lost++
			}
		}
		err = errors.Join(err, ctx.Err())
	}
	close(queue)
	all.Wait()
	p.length = time.Since(begin)
	return p, err
}

// all returns the times of all operations.
func (p *played) all() (l latencies) {
	for _, took := range p.took {
		l = append(l, took...)
	}
	return l
}

// done is the number of operations that succeeded.
func (p *played) done() int { return p.offered - p.lost - p.failed }

// perSecond is the rate of the operations that succeeded.
func (p *played) perSecond() float64 { return float64(p.done()) / p.length.Seconds() }

// held reports whether all operations succeeded, and 99 of 100 within the bound.
func (p *played) held(bound time.Duration) bool {
	return p.lost == 0 && p.failed == 0 && p.done() > 0 && p.all().at(99) <= bound
}

// writes is the number of operations that stored something.
func (p *played) writes() (n int) {
	for kind, took := range p.took {
		if kind.Writes() {
			n += len(took)
		}
	}
	return n
}

// kinds returns the kinds of operations, those of the mix in its order.
func (p *played) kinds() (kinds []scenario.Kind) {
	for _, s := range scenario.Mix {
		if len(p.took[s.Kind]) > 0 {
			kinds = append(kinds, s.Kind)
		}
	}
	return kinds
}

// highest returns the highest rate that holds, to within a tenth: it doubles the rate while it
// holds, from first on, and then halves the interval. It returns 0 if none holds.
func highest(first float64, holds func(rate float64) (bool, error)) (float64, error) {
	good, bad := 0.0, 0.0
	for rate := first; ; {
		ok, err := holds(rate)
		if err != nil {
			return 0, err
		}
		if ok {
			good = rate
		} else {
			bad = rate
		}
		switch {
		case bad == 0:
			rate = 2 * good
		case good == 0 && bad < first/64:
			return 0, nil
		case good == 0:
			rate = bad / 2
		case bad < good*1.1:
			return good, nil
		default:
			rate = (good + bad) / 2
		}
	}
}

// slowest returns the longest time.
func (l latencies) slowest() time.Duration {
	if len(l) == 0 {
		return 0
	}
	return slices.Max(l)
}
