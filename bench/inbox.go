package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	inboxBots    = 4  // that workers claim for
	inboxSenders = 64 // each with a channel to each of them, since a channel is handed out one at a time
	inboxWorkers = 32
	unsettled    = 100_000 // deliveries of the inbox that is full
	fewUnsettled = 10
	wakes        = 200
	leaseSeconds = 300
)

// desk is an org whose bots work on their inboxes.
type desk struct {
	*crowd
}

// inboxes measures how fast workers claim and settle, how soon a claim that waits returns, and
// whether an inbox with many unsettled deliveries is as fast as one with few.
func inboxes(ctx context.Context, o options, ours *process, r *report) error {
	c, err := newCrowd(ctx, ours.url, "inbox", inboxBots+2+inboxSenders)
	if err != nil {
		return err
	}
	d := &desk{c}
	for i := range inboxBots + 2 {
		if _, err := d.claim(ctx, http.DefaultClient, i, 1, 0); err != nil { // opens it
			return err
		}
	}
	if err := d.settling(ctx, o, r); err != nil {
		return err
	}
	if err := d.waking(ctx, r); err != nil {
		return err
	}
	return d.full(ctx, o, r)
}

func (d *desk) send(ctx context.Context, client *http.Client, n, to int) error {
	body, err := json.Marshal(map[string]string{"to": d.names[to], "content": "Please look at the draft of the release notes."})
	if err != nil {
		return err
	}
	sender := d.tokens[inboxBots+2+n%inboxSenders]
	return once(ctx, client, target{method: http.MethodPost, url: d.url + "/api/send", token: sender, body: body})
}

// claimed is a delivery as its worker needs it.
type claimed struct {
	ID    string `json:"id"`
	Lease string `json:"lease"`
}

func (d *desk) claim(ctx context.Context, client *http.Client, bot, most, wait int) ([]claimed, error) {
	body, err := json.Marshal(map[string]int{"max": most, "lease_seconds": leaseSeconds, "wait_seconds": wait})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Items []claimed `json:"items"`
	}
	var text bytes.Buffer
	if err := fetch(ctx, client, target{method: http.MethodPost, url: d.url + "/api/inbox/claim", token: d.tokens[bot], body: body}, &text); err != nil {
		return nil, err
	}
	err = json.Unmarshal(text.Bytes(), &answer)
	return answer.Items, err
}

func (d *desk) ack(ctx context.Context, client *http.Client, bot int, c claimed) error {
	body, err := json.Marshal(map[string]string{"lease": c.Lease})
	if err != nil {
		return err
	}
	return once(ctx, client, target{method: http.MethodPost, url: d.url + "/api/inbox/" + c.ID + "/ack", token: d.tokens[bot], body: body})
}

// fill sends a number of messages to bots, one after the other.
func (d *desk) fill(ctx context.Context, count int, to ...int) error {
	var sent atomic.Int64
	_, err := loadWhile(ctx, inboxWorkers, func() bool { return sent.Add(1) <= int64(count) }, func(ctx context.Context, client *http.Client, n int) error {
		return d.send(ctx, client, n, to[n/inboxSenders%len(to)])
	})
	return err
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

// waking measures the time from the response to a send until a claim that waits for it has returned.
func (d *desk) waking(ctx context.Context, r *report) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	defer client.CloseIdleConnections()
	var took []float64
	for n := range wakes {
		type answer struct {
			items []claimed
			at    time.Time
			err   error
		}
		answers := make(chan answer, 1)
		go func() {
			items, err := d.claim(ctx, client, 0, 1, 30)
			answers <- answer{items, time.Now(), err}
		}()
		time.Sleep(20 * time.Millisecond) // until it waits
		if err := d.send(ctx, client, n, 0); err != nil {
			return err
		}
		sent := time.Now()
		a := <-answers
		if a.err == nil && len(a.items) != 1 {
			a.err = errors.New("a claim that waited got nothing")
		}
		if a.err != nil {
			return a.err
		}
		took = append(took, max(ms(a.at.Sub(sent)), 0))
		if err := d.ack(ctx, client, 0, a.items[0]); err != nil {
			return err
		}
	}
	slices.Sort(took)
	r.note("a claim that waits returns after the response to the send: median %.1f ms, slowest %.1f ms of %d", median(took), took[len(took)-1], wakes)
	r.most("the same, p99", took[wakes*99/100], 20, "ms")
	return nil
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
