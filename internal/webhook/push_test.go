package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// work is the one task of a test, as Tasks reads it.
type work struct {
	mu    sync.Mutex
	text  string
	last  bool
	early time.Duration // once
	err   error
}

func (*work) Types() []string {
	return []string{eventtype.ThreadMessage, eventtype.ThreadStatusChanged}
}

func (w *work) Notification(context.Context, *store.PushConfig, string) (Notification, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := Notification{Body: fmt.Appendf(nil, `{"message":{"content":%q}}`, w.text), Last: w.last, Early: w.early}
	return n, w.err
}

func (w *work) set(fn func(*work)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn(w)
}

// pushing is a fixture with a thread of ann, the client, and bob.
type pushing struct {
	*fixture
	work work
	to   *receiver
	next int
}

func newPushing(t *testing.T) *pushing {
	fx := newFixture(t)
	fx.bot("bob", "", "")
	fx.change(fx.org, func(ctx context.Context, tx store.Tx) error {
		thread := &store.Thread{ID: "thread", OrgID: fx.org, Topic: "task", Status: "active", InitiatorID: &fx.ann, Revision: 1, Visibility: "private", JoinPolicy: "invite_only"}
		return tx.CreateThread(ctx, thread, []store.Participant{{BotID: fx.ann}, {BotID: "bob"}})
	})
	return &pushing{fixture: fx, to: fx.receiver()}
}

// node runs a dispatcher that reads the task of the test.
func (p *pushing) node(name string, edit ...func(*setup)) (d *Dispatcher, stop func()) {
	p.Helper()
	return p.fixture.node(name, append([]func(*setup){func(s *setup) { s.Tasks = &p.work }}, edit...)...)
}

// push adds a push config to the receiver.
func (p *pushing) push(id string, edit ...func(*seal.PushTarget)) {
	p.Helper()
	target := seal.PushTarget{URL: p.to.URL, Token: "tok", Scheme: "Bearer", Credentials: "cred", Base: "http://b2b.test"}
	for _, e := range edit {
		e(&target)
	}
	sealed, err := keys.SealPush(id, target)
	if err != nil {
		p.Fatal(err)
	}
	p.add(id, sealed)
}

func (p *pushing) add(id, sealed string) {
	p.Helper()
	p.change(p.org, func(ctx context.Context, tx store.Tx) error {
		top, err := tx.LogTop(ctx, p.org)
		if err != nil {
			return err
		}
		err = tx.PutPushConfig(ctx, &store.PushConfig{
			ID: id, OrgID: p.org, BotID: p.ann, ThreadID: "thread", ConfigID: id, AgentID: "bob", TokenHash: "h", Sealed: sealed, Seq: top.Seq,
		})
		_, failed := tx.Append(ctx, store.WebhookChanged(p.ann, 1))
		return errors.Join(err, failed)
	})
}

// happens changes the task to a text, by a message of a bot.
func (p *pushing) happens(sender, text string, edit ...func(*work)) {
	p.Helper()
	p.work.set(func(w *work) {
		w.text = text
		for _, e := range edit {
			e(w)
		}
	})
	p.next++
	id, thread := fmt.Sprint("tm", p.next), "thread"
	p.emit(store.Event{Audience: store.AudienceThread, ThreadID: &thread, ActorID: &sender}, &b2bv1.Event{
		Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
			ThreadId: thread, Message: &b2bv1.ThreadMessage{Id: id, ThreadId: thread, SenderId: &sender, Content: text},
		}},
	})
}

// passes advances the clock, and then waits until the receiver has got n requests. The pusher may have
// read the clock before it moved, and wait on: so it moves on, too.
func (p *pushing) passes(d time.Duration, n int) {
	p.Helper()
	p.clock.advance(d)
	p.await(fmt.Sprintf("%d requests", n), 10*time.Millisecond, func() bool { return len(p.to.got()) >= n })
}

func ends(w *work) { w.last = true }

// config returns a push config; nil: it is gone.
func (p *pushing) config(id string) *store.PushConfig {
	p.Helper()
	c, err := p.store.PushConfig(context.Background(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		p.Fatal(err)
	}
	return c
}

func (p *pushing) gone(id string, step time.Duration) {
	p.Helper()
	p.await(id+" is gone", step, func() bool { return p.config(id) == nil })
}

func (p *pushing) want(want ...string) {
	p.Helper()
	if got := texts(p.to.got()); !slices.Equal(got, want) {
		p.Errorf("received %q, want %q", got, want)
	}
}

// A change of a task is posted with the headers of its config, the client's own messages are no change,
// and the config ends with its task (B2B-A2A-018, 020).
func TestPush(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n")
	p.push("one")
	p.happens(p.ann, "own")
	p.happens("bob", "answer")
	got := p.receives(p.to, 1)
	if h := got[0].header; h.Get("Authorization") != "Bearer cred" || h.Get("A2A-Notification-Token") != "tok" ||
		h.Get("X-A2A-Notification-Token") != "tok" || h.Get("Content-Type") != "application/json" || h.Get("webhook-id") != "" {
		t.Errorf("the headers are %v", h)
	}
	p.await("it is saved", 0, func() bool { return p.config("one").NextAt == nil && p.config("one").Seq >= 2 })
	p.happens("bob", "done", ends)
	p.receives(p.to, 2)
	p.gone("one", 0)
	p.happens("bob", "more")
	p.push("two", func(t *seal.PushTarget) { t.Token, t.Credentials = "", "" })
	p.happens("bob", "last")
	got = p.receives(p.to, 3)
	p.want("answer", "done", "last")
	if h := got[2].header; len(h.Values("Authorization"))+len(h.Values("A2A-Notification-Token")) != 0 {
		t.Errorf("the headers are %v", h)
	}
}

// A notification that fails is sent again, three times, with the task as it is then; what happens
// meanwhile has all its attempts (B2B-A2A-019).
func TestPushRetries(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n")
	p.to.respond(status(503))
	p.push("one")
	p.happens("bob", "a")
	p.receives(p.to, 1)
	p.await("it waits", 0, func() bool { return p.config("one").Attempts == 1 })
	at := *p.config("one").NextAt
	if d := time.Duration(at-p.clock.Now().UnixMilli()) * time.Millisecond; d != time.Second {
		t.Errorf("the second attempt is after %v", d)
	}
	p.happens("bob", "b")
	for n, d := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second} {
		p.passes(d, n+2)
		p.await("it is saved", 0, func() bool { c := p.config("one"); return c.Attempts == int64(n+2) || c.Failures == 1 })
	}
	p.receives(p.to, 5) // of b alone, at once
	p.await("it is saved", 0, func() bool { return p.config("one").Attempts == 1 })
	p.want("a", "b", "b", "b", "b")
	p.to.respond(nil)
	p.passes(time.Second, 6)
	p.await("it is saved", 0, func() bool { c := p.config("one"); return c.Attempts == 0 && c.NextAt == nil && c.Failures == 0 })
}

// After ten notifications in a row that were given up, the config ends; so does one whose task has ended
// (B2B-A2A-020).
func TestPushIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n")
	p.to.respond(status(500))
	p.push("one")
	for i := range mostFailures {
		p.happens("bob", fmt.Sprint(i))
		p.await("it is given up", time.Second, func() bool { c := p.config("one"); return c == nil || c.Failures == int64(i+1) })
	}
	if p.config("one") != nil {
		t.Errorf("after %d failures there is %+v", mostFailures, p.config("one"))
	}
	before := len(p.to.got())
	if before != 4*mostFailures {
		t.Errorf("%d attempts, want %d", before, 4*mostFailures)
	}
	p.push("two")
	p.happens("bob", "end", ends)
	p.gone("two", time.Second)
	if n := len(p.to.got()) - before; n != 4 {
		t.Errorf("%d attempts at the last notification, want 4", n)
	}
}

// Nothing is posted after the config was removed, or its rights are gone (B2B-A2A-020).
func TestPushEnds(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n")
	p.push("one")
	p.happens("bob", "a")
	p.receives(p.to, 1)
	p.change(p.org, func(ctx context.Context, tx store.Tx) error { return tx.DeletePushConfig(ctx, "one") })
	p.happens("bob", "b")
	p.push("two")
	p.happens("bob", "c")
	p.receives(p.to, 2)
	p.happens("bob", "d", func(w *work) { w.err = ErrEnded })
	p.gone("two", 0)
	p.work.set(func(w *work) { w.err = nil })
	p.push("three")
	p.happens("bob", "e")
	p.receives(p.to, 3)
	p.happens("bob", "f", func(w *work) { w.err = ErrPaused })
	p.await("it is saved", 0, func() bool { return p.config("three").NextAt != nil })
	p.work.set(func(w *work) { w.err = nil })
	p.await("it goes on", time.Second, func() bool { return len(p.to.got()) >= 4 })
	p.want("a", "c", "e", "f")
}

// An address that may not be used gets nothing, and one that is not readable neither: its config waits for
// the key.
func TestPushIsRefused(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n", func(s *setup) { s.Policy = webhookurl.Policy{Resolver: noNames{}} })
	p.push("one", func(t *seal.PushTarget) { t.URL = "ftp://127.0.0.1/" })
	p.add("two", seal.New(seal.NewKey()).Seal(seal.Push("two"), "{}"))
	p.happens("bob", "a")
	for failures := range int64(2) {
		p.await("one is given up", time.Second, func() bool { return p.config("one").Failures == failures+1 })
		if got := p.config("two"); got == nil || got.Failures != 0 {
			t.Errorf("the config whose key is missing: %+v", got)
		}
		p.happens("bob", "b")
	}
	p.want()
}

// A task that may be about to change is read again, once, and what is no change is not posted again.
func TestPushWaitsForWhatFollows(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("n")
	p.push("one")
	p.happens("bob", "answer", func(w *work) { w.early = 10 * time.Second })
	p.await("it waits", 0, func() bool { return p.clock.has(10 * time.Second) })
	p.happens("bob", "resolved")
	p.passes(10*time.Second, 1)
	p.happens("bob", "resolved", func(w *work) { w.early = 0 })
	p.happens("bob", "more")
	p.await("2 requests", time.Second, func() bool { return len(p.to.got()) >= 2 })
	p.want("resolved", "more")
}

// What happened before a crash, or while no node served the config, is posted by another node
// (B2B-A2A-019).
func TestPushAfterACrash(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	_, stop := p.node("one")
	p.push("one")
	p.to.respond(status(500))
	p.happens("bob", "a")
	p.receives(p.to, 1)
	p.await("it is saved", 0, func() bool { return p.config("one").Attempts == 1 })
	stop()
	p.to.respond(nil)
	p.happens("bob", "b")
	p.node("two")
	p.await("it is delivered", time.Second, func() bool { return len(p.to.got()) >= 2 })
	p.await("it is saved", 0, func() bool { return p.config("one").NextAt == nil })
	p.happens("bob", "c")
	p.receives(p.to, 3)
	p.want("a", "b", "c")
}

// A node without Tasks serves webhooks and leaves push configs alone.
func TestPushIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.fixture.node("n")
	hook := p.receiver()
	p.push("one")
	p.bot("eve", hook.URL, "")
	p.happens("bob", "a")
	p.say(p.ann, "eve", 1)
	p.receives(hook, 1)
	p.want()
	if held, err := p.store.HeldWebhooks(t.Context(), "n"); err != nil || !slices.Equal(held, []string{"eve"}) {
		t.Errorf("the node holds %v, %v", held, err)
	}
}

// has reports whether something is due within a time that is not due at once.
func (c *clock) has(within time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.timers {
		if d := t.at.Sub(c.now); d > within-time.Second && d <= within {
			return true
		}
	}
	return false
}

// Two nodes divide webhooks and push configs.
func TestPushesAreShared(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.node("one")
	p.node("two")
	for i := range 6 {
		p.push(fmt.Sprint("push-", i))
	}
	held := func(node string) int {
		ids, err := p.store.HeldWebhooks(context.Background(), node)
		if err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	p.await("both have three", time.Second, func() bool { return held("one") == 3 && held("two") == 3 })
	p.happens("bob", "a")
	waittest.Until(t, "six notifications", func() bool { p.clock.advance(time.Millisecond); return len(p.to.got()) >= 6 })
}
