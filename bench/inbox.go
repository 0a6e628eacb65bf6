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
	inboxBots    = 4 // that workers claim for, and as many without an inbox
	firstSender  = 2*inboxBots + 2
	inboxSenders = 64 // each with a channel to each of them, since a channel is handed out one at a time
	inboxWorkers = 32
	unsettled    = 100_000 // deliveries of the inbox that is full
	fewUnsettled = 10
	wakes        = 200
	leaseSeconds = 300
	workerClaims = 50 // of a worker that claims many
)

// inboxes measures how fast workers claim and settle, what they cost senders, how soon a claim that
// waits returns, on another node too, and whether an inbox with many unsettled deliveries is as fast
// as one with few.
func inboxes(ctx context.Context, o options, folder string, ours *process, r *report) error {
	c, err := newCrowd(ctx, ours.url, "inbox", firstSender+inboxSenders)
	if err != nil {
		return err
	}
	d := &desk{c}
	for i := range inboxBots + 2 {
		if _, err := d.claim(ctx, http.DefaultClient, i, 1, 0); err != nil { // opens it
			return err
		}
	}
	for _, measure := range []func(context.Context, options, *report) error{d.settling, d.sending, d.wakingHere, d.full} {
		if err := measure(ctx, o, r); err != nil {
			return err
		}
	}
	if o.postgres == "" {
		return nil
	}
	return wakingElsewhere(ctx, o, folder, r)
}

// settling measures claims of one delivery each, every one followed by its ack.
func (d *desk) settling(ctx context.Context, o options, r *report) error {
	count := max(int(4000*o.time.Seconds()), 1000)
	var rates []float64
	for range o.rounds {
		if err := d.fill(ctx, count, 0, 1, 2, 3); err != nil {
			return err
		}
		var settled atomic.Int64
		begin := time.Now()
		_, err := loadWhile(ctx, inboxWorkers, func() bool { return settled.Load() < int64(count) }, func(ctx context.Context, client *http.Client, n int) error {
			bot := n % inboxBots
			items, err := d.claim(ctx, client, bot, 1, 0)
			if err != nil || len(items) == 0 {
				return err
			}
			settled.Add(1)
			return d.ack(ctx, client, bot, items[0])
		})
		if err != nil {
			return err
		}
		rates = append(rates, float64(settled.Load())/time.Since(begin).Seconds())
	}
	r.least(fmt.Sprintf("claim and ack, %d workers of %d bots", inboxWorkers, inboxBots), median(rates), 3000, "/s")
	return nil
}

// sending measures sends while each recipient has a worker that claims and acks what it is sent,
// beside sends to bots without an inbox.
func (d *desk) sending(ctx context.Context, o options, r *report) error {
	var ratios, left []float64
	for range o.rounds {
		alone, err := d.sends(ctx, o, inboxBots+2)
		if err != nil {
			return err
		}
		working, stop := context.WithCancel(ctx)
		var acked atomic.Int64
		var all sync.WaitGroup
		errs := make([]error, inboxBots)
		for bot := range inboxBots {
			all.Go(func() { errs[bot] = d.work(working, bot, &acked) })
		}
		beside, err := d.sends(ctx, o, 0)
		left = append(left, float64(int64(beside.count)-acked.Load()))
		for err == nil && acked.Load() < int64(beside.count) && errors.Join(errs...) == nil {
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		all.Wait()
		if err := errors.Join(append(errs, err)...); err != nil {
			return err
		}
		ratios = append(ratios, beside.perSecond/alone.perSecond)
	}
	r.note("when the sends ended, the workers had %.0f deliveries left (median)", median(left))
	r.least("sends to bots whose workers claim and ack, beside bots without an inbox", median(ratios), 0.6, "×")
	return nil
}

// sends sends to inboxBots bots for the time of a round.
func (d *desk) sends(ctx context.Context, o options, first int) (result, error) {
	return loadEach(ctx, inboxWorkers, o.time, func(ctx context.Context, client *http.Client, n int) error {
		return d.send(ctx, client, n, first+n/inboxSenders%inboxBots)
	})
}

// full measures a send, a claim and its ack in turn with an inbox that has few unsettled deliveries,
// and one that has many: the number stays.
func (d *desk) full(ctx context.Context, o options, r *report) error {
	few, many := inboxBots, inboxBots+1
	for bot, count := range map[int]int{few: fewUnsettled, many: unsettled} {
		if err := d.fill(ctx, count, bot); err != nil {
			return err
		}
	}
	begin := time.Now()
	items, err := d.claim(ctx, http.DefaultClient, many, 1, 60)
	if err != nil || len(items) == 0 {
		return fmt.Errorf("claim from the full inbox: %d items, %w", len(items), err)
	}
	r.note("the first claim after %d messages: %.0f ms", unsettled, ms(time.Since(begin)))
	if err := d.ack(ctx, http.DefaultClient, many, items[0]); err != nil {
		return err
	}
	rate := func(bot int) (float64, error) {
		res, err := loadEach(ctx, fewUnsettled/2, o.time, func(ctx context.Context, client *http.Client, n int) error {
			if err := d.send(ctx, client, n, bot); err != nil {
				return err
			}
			items, err := d.claim(ctx, client, bot, 1, 10)
			if err == nil && len(items) == 0 {
				err = errors.New("a claim got nothing")
			}
			if err != nil {
				return err
			}
			return d.ack(ctx, client, bot, items[0])
		})
		return res.perSecond, err
	}
	var ratios []float64
	for range o.rounds {
		small, err := rate(few)
		if err != nil {
			return err
		}
		large, err := rate(many)
		if err != nil {
			return err
		}
		ratios = append(ratios, large/small)
	}
	r.least(fmt.Sprintf("send, claim and ack with %d unsettled, beside %d", unsettled, fewUnsettled), median(ratios), 0.8, "×")
	return nil
}
