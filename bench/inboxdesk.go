package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// desk is an org whose bots work on their inboxes.
type desk struct {
	*crowd
}

func (d *desk) send(ctx context.Context, client *http.Client, n, to int) error {
	body, err := json.Marshal(map[string]string{"to": d.names[to], "content": "Please look at the draft of the release notes."})
	if err != nil {
		return err
	}
	sender := d.tokens[firstSender+n%inboxSenders]
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

// work claims and acks for a bot until ctx ends, many deliveries with each claim.
func (d *desk) work(ctx context.Context, bot int, acked *atomic.Int64) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		items, err := d.claim(ctx, client, bot, workerClaims, 30)
		for i := 0; i < len(items) && err == nil; i++ {
			if err = d.ack(ctx, client, bot, items[i]); err == nil {
				acked.Add(1)
			}
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}
