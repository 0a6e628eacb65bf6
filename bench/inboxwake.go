package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// wakingHere measures how soon a claim that waits returns after a send.
func (d *desk) wakingHere(ctx context.Context, _ options, r *report) error {
	return d.waking(ctx, d, "", 20, r)
}

// wakingElsewhere measures the same if the message is sent to one node and the claim waits on
// another, on PostgreSQL.
func wakingElsewhere(ctx context.Context, o options, folder string, r *report) error {
	var nodes [2]*process
	for i := range nodes {
		n, err := startServer(ctx, o, []string{fmt.Sprint("B2B_DATA_DIR=", folder, "/node", i), "B2B_DATABASE_URL=" + o.postgres})
		if err != nil {
			return err
		}
		defer n.stop()
		nodes[i] = n
	}
	c, err := newCrowd(ctx, nodes[0].url, "inbox", firstSender+inboxSenders)
	if err != nil {
		return err
	}
	there := *c
	there.url = nodes[1].url
	here := &desk{c}
	if _, err := here.claim(ctx, http.DefaultClient, 0, 1, 0); err != nil { // opens the inbox
		return err
	}
	return here.waking(ctx, &desk{&there}, " on another node", 50, r)
}

// waking measures the time from the response to a send until a claim that waits for it, perhaps on
// another node, has returned. most is the target in ms.
func (d *desk) waking(ctx context.Context, claims *desk, where string, most float64, r *report) error {
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
			items, err := claims.claim(ctx, client, 0, 1, 30)
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
		if err := claims.ack(ctx, client, 0, a.items[0]); err != nil {
			return err
		}
	}
	slices.Sort(took)
	r.note("a claim that waits%s returns after the response to the send: median %.1f ms, slowest %.1f ms of %d", where, median(took), took[len(took)-1], wakes)
	r.most("a claim that waits"+where+", p99", took[wakes*99/100], most, "ms")
	return nil
}
