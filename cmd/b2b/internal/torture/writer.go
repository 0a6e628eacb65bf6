package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// change is one change that a writer makes.
type change struct {
	who    opening
	method string
	path   string
	body   map[string]any
	text   string                      // what it writes and nothing else does; or empty
	done   func(answer map[string]any) // takes in that it was acknowledged
}

// The outcomes of a change.
const (
	unknown = iota // given up without a response: at most once in the log
	acknowledged
	refused
)

// sent is a change that wrote a text.
type sent struct {
	text string
	id   string // of the message or version, as acknowledged
	fate int
}

// Write lets writers make changes until enough are acknowledged or enough is closed, and finishes
// those in progress. It stops at once if ctx ends.
func (w *Scenario) Write(ctx context.Context, enough <-chan struct{}) {
	var all sync.WaitGroup
	for i := range w.Writers {
		all.Go(func() {
			r := w.rand(1 + uint64(i))
			for n := 0; w.Done() < w.Changes && ctx.Err() == nil; n++ {
				select {
				case <-enough:
					return
				default:
				}
				w.make(ctx, r, w.draw(r), fmt.Sprintf("%d-%d", i, n))
			}
		})
	}
	all.Wait()
}

// make makes a change: with one request_id, on any node, until there is a response. It ignores some
// responses; such a change is mostly repeated and sometimes given up.
func (w *Scenario) make(ctx context.Context, r *rand.Rand, c *change, id string) {
	c.body["request_id"] = id
	record := &sent{text: c.text}
	if c.text != "" {
		w.mu.Lock()
		w.sent = append(w.sent, record)
		w.mu.Unlock()
	}
	for ctx.Err() == nil {
		patience, givesUp, forgets := answerTime, false, false
		switch r.IntN(50) {
		case 0, 1:
			patience = time.Duration(r.IntN(8000)) * time.Microsecond
		case 2:
			patience, givesUp = time.Duration(r.IntN(8000))*time.Microsecond, true
		case 3, 4:
			forgets = true // the answer is lost on its last bit
		}
		_, c.who.url = w.servers.Pick(r)
		wait, cancel := context.WithTimeout(ctx, patience)
		status, answer, err := send(wait, c.who, c.method, c.path, c.body)
		cancel()
		switch {
		case err != nil || status >= 500:
			if givesUp {
				return
			}
			sleep(ctx, pause)
		case status > 299:
			record.fate = refused
			return
		case forgets:
			sleep(ctx, pause)
		default:
			record.fate, record.id = acknowledged, idOf(answer)
			w.done.Add(1)
			if c.done != nil {
				c.done(answer)
			}
			return
		}
	}
}

// idOf returns the id of the message or version in a response.
func idOf(answer map[string]any) string {
	if m, ok := answer["message"].(map[string]any); ok {
		answer = m
	}
	id, _ := answer["id"].(string)
	return id
}

// draw returns a random change.
func (w *Scenario) draw(r *rand.Rand) *change {
	switch n := r.IntN(100); {
	case n < 38:
		return w.directMessage(r)
	case n < 72:
		return w.threadMessage(r)
	case n < 80:
		return w.artifact(r)
	case n < 86:
		return w.invite(r)
	case n < 91:
		return w.leave(r)
	case n < 94:
		return w.join(r)
	case n < 96:
		return w.createThread(r)
	case n < 98:
		return w.setStatus(r)
	case n < 99:
		return w.rename(r)
	}
	return w.makeToken(r)
}

func (w *Scenario) directMessage(r *rand.Rand) *change {
	w.mu.Lock()
	pair := w.pairs[r.IntN(len(w.pairs))]
	w.mu.Unlock()
	if r.IntN(20) == 0 {
		pair = [2]int{r.IntN(len(w.bots)), r.IntN(len(w.bots))}
	}
	from, to := pair[0], pair[1]
	if r.IntN(2) == 0 {
		from, to = to, from
	}
	text := w.text("dm")
	return &change{who: w.bots[from].who, method: http.MethodPost, path: "/api/send", text: text,
		body: map[string]any{"to": w.bots[to].id, "content": text}}
}

func (w *Scenario) threadMessage(r *rand.Rand) *change {
	t, member := w.seat(r)
	text := w.text("thread")
	return &change{who: w.bots[member].who, method: http.MethodPost, path: "/api/threads/" + t.id + "/messages", text: text,
		body: map[string]any{"content": text}}
}

// artifact writes the next version of one of a few artifacts, or the first.
func (w *Scenario) artifact(r *rand.Rand) *change {
	t, member := w.seat(r)
	text := w.text("artifact")
	c := &change{who: w.bots[member].who, method: http.MethodPost, path: "/api/threads/" + t.id + "/artifacts", text: text,
		body: map[string]any{"artifact_key": "a" + text[len(text)-3:], "type": "text", "content": text}}
	if r.IntN(2) == 0 {
		c.body["artifact_key"] = fmt.Sprintf("shared-%d", r.IntN(3))
	}
	return c
}

func (w *Scenario) invite(r *rand.Rand) *change {
	t, member := w.seat(r)
	guest := r.IntN(len(w.bots))
	return &change{who: w.bots[member].who, method: http.MethodPost, path: "/api/threads/" + t.id + "/participants",
		body: map[string]any{"bot_id": w.bots[guest].id}, done: func(map[string]any) { w.seated(t, guest, true) }}
}

func (w *Scenario) join(r *rand.Rand) *change {
	t, _ := w.seat(r)
	guest := r.IntN(len(w.bots))
	return &change{who: w.bots[guest].who, method: http.MethodPost, path: "/api/threads/" + t.id + "/join",
		body: map[string]any{}, done: func(map[string]any) { w.seated(t, guest, true) }}
}

// leave makes a bot leave, or be removed by another.
func (w *Scenario) leave(r *rand.Rand) *change {
	t, goes := w.seat(r)
	by := goes
	if r.IntN(2) == 0 {
		by = w.memberOf(r, t)
	}
	return &change{who: w.bots[by].who, method: http.MethodDelete, path: "/api/threads/" + t.id + "/participants/" + w.bots[goes].id,
		body: map[string]any{}, done: func(map[string]any) { w.seated(t, goes, false) }}
}

func (w *Scenario) createThread(r *rand.Rand) *change {
	members := r.Perm(len(w.bots))[:2+r.IntN(6)]
	var ids []string
	for _, m := range members[1:] {
		ids = append(ids, w.bots[m].id)
	}
	return &change{who: w.bots[members[0]].who, method: http.MethodPost, path: "/api/threads",
		body: map[string]any{"topic": w.text("topic"), "participants": ids, "join_policy": "open"},
		done: func(answer map[string]any) {
			t := &thread{id: idOf(answer), members: map[int]bool{}}
			for _, m := range members {
				t.members[m] = true
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.threads = append(w.threads, t)
		}}
}

func (w *Scenario) setStatus(r *rand.Rand) *change {
	t, member := w.seat(r)
	status := []string{"active", "blocked", "reviewing"}[r.IntN(3)]
	return &change{who: w.bots[member].who, method: http.MethodPatch, path: "/api/threads/" + t.id, body: map[string]any{"status": status}}
}

func (w *Scenario) rename(r *rand.Rand) *change {
	b := w.bots[1+r.IntN(len(w.bots)-1)]
	return &change{who: b.who, method: http.MethodPatch, path: "/api/me/name", body: map[string]any{"name": w.text("name")}}
}

// makeToken changes the access of a bot, on all nodes.
func (w *Scenario) makeToken(r *rand.Rand) *change {
	b := w.bots[r.IntN(len(w.bots))]
	return &change{who: b.who, method: http.MethodPost, path: "/api/me/tokens", body: map[string]any{"scopes": []string{"read"}, "expires_in": 3_600_000}}
}

// text returns a unique text.
func (w *Scenario) text(kind string) string {
	return fmt.Sprintf("%s-%06d", kind, w.texts.Add(1))
}

// seat returns a random thread and a bot that is believed to be in it.
func (w *Scenario) seat(r *rand.Rand) (*thread, int) {
	w.mu.Lock()
	t := w.threads[r.IntN(len(w.threads))]
	w.mu.Unlock()
	return t, w.memberOf(r, t)
}

func (w *Scenario) memberOf(r *rand.Rand, t *thread) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for try := r.IntN(len(w.bots)); ; try = (try + 1) % len(w.bots) {
		if t.members[try] || len(t.members) == 0 {
			return try
		}
	}
}

// seated records that a bot has joined or left a thread.
func (w *Scenario) seated(t *thread, member int, in bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if in {
		t.members[member] = true
	} else if len(t.members) > 2 { // keep members who can write
		delete(t.members, member)
	}
}
