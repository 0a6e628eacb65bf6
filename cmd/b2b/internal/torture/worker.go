package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// worker is one worker of a bot.
type worker struct {
	crew *Crew
	bot  *bot
	rng  *rand.Rand
}

// delivery is what a worker has claimed.
type delivery struct {
	id, lease, thread, channel, question, by string
	asked, got                               time.Time // when it was claimed at the earliest, and at the latest
}

// live claims and answers until the worker is killed or ctx ends. name is part of its request ids.
func (w *worker) live(ctx context.Context, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		items, alive := w.claim(ctx, fmt.Sprint(name, "-", n))
		for _, d := range items {
			if alive = alive && w.handle(ctx, d); !alive {
				w.crew.note("killed")
				break
			}
		}
		if !alive {
			return
		}
	}
}

// call makes a call on any node, with some patience, and sometimes ignores the response.
func (w *worker) call(ctx context.Context, path string, body map[string]any) (status int, answer map[string]any, err error) {
	patience := answerTime
	if w.rng.IntN(25) == 0 {
		patience = time.Duration(w.rng.IntN(8000)) * time.Microsecond
	}
	who := w.bot.who
	_, who.url = w.crew.servers.Pick(w.rng)
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, answer, err = send(wait, who, http.MethodPost, path, body)
	if err == nil && w.rng.IntN(40) == 0 {
		return 0, nil, fmt.Errorf("%s: the response is lost", path)
	}
	return status, answer, err
}

// claim repeats a claim with its request id until it has a response. It returns false if the worker is
// killed meanwhile, perhaps after the server has handed something out.
func (w *worker) claim(ctx context.Context, request string) (items []delivery, alive bool) {
	body := map[string]any{"max": 1 + w.rng.IntN(crewMost), "lease_seconds": int(crewLease / time.Second), "wait_seconds": w.rng.IntN(3), "request_id": request}
	begun := time.Now()
	for {
		status, answer, err := w.call(ctx, "/api/inbox/claim", body)
		if ctx.Err() != nil {
			return nil, true
		}
		if err == nil && status == http.StatusOK {
			list, _ := answer["items"].([]any)
			for _, item := range list {
				items = append(items, w.took(item, begun))
			}
			return items, true
		}
		if err == nil && status < 500 && status != http.StatusTooManyRequests {
			w.crew.fault("a claim of %s is refused: %d %v", w.bot.name, status, answer)
			return nil, false
		}
		if w.rng.IntN(10) == 0 {
			w.crew.note("killed at a claim")
			return nil, false
		}
		sleep(ctx, pause)
	}
}

func (w *worker) took(item any, asked time.Time) delivery {
	object, _ := item.(map[string]any)
	text := func(of map[string]any, key string) string { s, _ := of[key].(string); return s }
	event, _ := object["event"].(map[string]any)
	message, _ := event["message"].(map[string]any)
	return delivery{
		id: text(object, "id"), lease: text(object, "lease"), thread: text(object, "thread_id"), channel: text(object, "channel_id"),
		question: text(message, "content"), by: text(message, "sender_id"), asked: asked, got: time.Now(),
	}
}

// handle answers a delivery, sooner or later, or does not. It returns false if the worker is killed.
func (w *worker) handle(ctx context.Context, d delivery) (alive bool) {
	h := hold{delivery: d.id, lease: d.lease, scope: d.thread + d.channel, bot: w.bot.id, from: time.Now(), until: d.asked.Add(crewLease)}
	defer func() { w.crew.held(h) }()
	ended := d.got.Add(crewLease) // the lease, at the latest
	sleep(ctx, time.Duration(w.rng.IntN(60))*time.Millisecond)
	switch n := w.rng.IntN(60); {
	case n < 3:
		return false
	case n < 8:
		h.until = earlier(h.until, time.Now())
		w.settle(ctx, "given back", "/api/inbox/"+d.id+"/nack", map[string]any{"lease": d.lease, "retry_in_seconds": 0})
		return true
	case n < 12:
		asked := time.Now()
		if w.settle(ctx, "extended", "/api/inbox/"+d.id+"/extend", map[string]any{"lease": d.lease, "lease_seconds": int(crewLease / time.Second)}) {
			h.until, ended = asked.Add(crewLease), time.Now().Add(crewLease)
		}
	case n < 13:
		sleep(ctx, crewLease+crewLease/4)
	}
	h.until = earlier(h.until, time.Now())
	question, _, _ := strings.Cut(d.question, " ")
	path, answer := "/api/send", map[string]any{
		"content": answerTo(question, w.bot.name), "request_id": d.lease, "settles": map[string]any{"delivery_id": d.id, "lease": d.lease},
	}
	if d.thread != "" {
		path = "/api/threads/" + d.thread + "/messages"
	} else {
		answer["to"] = d.by
	}
	late := time.Now().After(ended)
	if w.settle(ctx, "answered", path, answer) && late {
		w.crew.fault("%s answered %s when its lease had ended", w.bot.name, d.id)
	}
	return true
}

// answerTo is the text that answers a question.
func answerTo(question, bot string) string { return "re " + question + " by " + bot }

// settle repeats a call until it has a response, or gives up. It reports whether it succeeded.
func (w *worker) settle(ctx context.Context, what, path string, body map[string]any) bool {
	for ctx.Err() == nil {
		status, answer, err := w.call(ctx, path, body)
		switch {
		case err == nil && status == http.StatusOK:
			w.crew.note(what)
			return true
		case err == nil && status == http.StatusConflict && answer["code"] == "LEASE_LOST":
			w.crew.note("lost")
			return false
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			w.crew.fault("%s of %s is refused: %d %v", path, w.bot.name, status, answer)
			return false
		case w.rng.IntN(8) == 0:
			w.crew.note("killed at an answer")
			return false
		}
		sleep(ctx, pause)
	}
	return false
}

func (c *Crew) held(h hold) {
	if !h.from.Before(h.until) {
		return // it may have ended before the worker knew of it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds = append(c.holds, h)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
