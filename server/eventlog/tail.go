package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// tail follows the end of the log of one organisation and hands every event to the
// subscriptions that may see it. One goroutine runs it.
//
// mu guards the index and the end reached. Whoever holds it keeps the tail from
// going on, so nothing slow happens under it; a subscription's own lock is taken
// inside.
type tail struct {
	hub    *Hub
	org    string
	inbox  *inbox
	ctx    context.Context
	cancel context.CancelFunc
	ready  chan struct{} // closed when the end of the log was found, or the tail has failed
	held   int           // guarded by hub.mu

	pages *pages // made by start; read when ready is closed

	known int64 // the log is known to have reached this; the goroutine's own
	fresh scope // whose members were read last, when the log had reached freshAt
	// freshAt saves reading the members again for each of the many events of the
	// creation of one thread.
	freshAt int64

	mu      sync.Mutex
	err     error                      // why the tail has ended
	all     map[*Subscription]struct{} // also those that replay
	index   index
	end     Position // behind the last event handled
	changed int64    // seq of the last event that changed a membership
}

func newTail(h *Hub, org string) *tail {
	t := &tail{
		hub: h, org: org, inbox: newInbox(), ready: make(chan struct{}),
		all: map[*Subscription]struct{}{}, index: newIndex(),
	}
	t.ctx, t.cancel = context.WithCancel(call.OnBehalf(h.ctx, org))
	return t
}

// run follows the log until the last subscription has left or the hub is closed.
func (t *tail) run() {
	defer t.cancel()
	err := t.start()
	close(t.ready)
	if err == nil {
		err = t.follow()
	}
	if t.ctx.Err() != nil {
		err = ErrClosed
	}
	t.hub.mu.Lock()
	t.hub.forget(t)
	t.hub.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	for s := range t.all {
		s.fail(err)
	}
}

func (t *tail) start() error {
	at, _, err := locate(t.ctx, t.hub.Store, t.org, nil)
	if err != nil {
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
		return err
	}
	t.mu.Lock()
	t.end = at
	t.mu.Unlock()
	t.known = at.Seq
	t.pages = &pages{store: t.hub.Store, org: t.org, epoch: at.Epoch}
	return nil
}

func (t *tail) follow() error {
	for {
		select {
		case <-t.ctx.Done():
			return ErrClosed
		case <-t.inbox.wake:
		}
		entries, behind := t.inbox.take(t.end.Seq)
		if behind {
			if err := t.retry("read the log", t.look); err != nil {
				return err
			}
		}
		for _, e := range entries {
			if err := t.accept(e); err != nil {
				return err
			}
		}
		t.pages.rest()
	}
}

// passed hears where the log ends by now. One that is gone, another or shorter is for
// the tail itself to look at.
func (t *tail) passed(top store.LogTop) {
	t.mu.Lock()
	end := t.end
	t.mu.Unlock()
	switch {
	case top.Epoch != end.Epoch || top.Seq < end.Seq:
		t.inbox.notify(0)
	case top.Seq > end.Seq:
		t.inbox.notify(top.Seq)
	}
}

// final marks an error that trying again does not cure.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// retry does something with the store until it succeeds. Meanwhile events wait in
// the inbox or, when that is full, in the store.
func (t *tail) retry(what string, do func() error) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := do()
		var f final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			return f.error
		case t.ctx.Err() != nil:
			return ErrClosed
		}
		t.hub.Logger.Error("the tail of a log has to wait: could not "+what, "org", t.org, "error", err)
		select {
		case <-t.ctx.Done():
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// look reads what the log has beyond the end reached. A log that is another one now,
// or shorter, ends the tail.
func (t *tail) look() error {
	top, err := t.hub.Store.LogTop(t.ctx, t.org)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return final{ErrAccess}
	case err != nil:
		return err
	case top.Epoch != t.end.Epoch || top.Seq < t.end.Seq:
		return final{errEpoch()}
	}
	t.known = max(t.known, top.Seq)
	return t.read()
}

// read handles what is in the store beyond the end reached.
func (t *tail) read() error {
	for t.end.Seq < t.known {
		rows, err := t.hub.Store.ReadLog(t.ctx, t.org, t.end.Seq, pageSize)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Seq != t.end.Seq+1 {
			return final{errExpired()}
		}
		t.known = max(t.known, rows[len(rows)-1].Seq)
		for i := range rows {
			if err := t.handle(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tail) accept(e entry) error {
	switch {
	case e.to != nil:
		t.mu.Lock()
		t.push(e.to, e.item)
		t.index.sweep()
		t.mu.Unlock()
		return nil
	case e.item != nil:
		t.broadcast(e.item)
		return nil
	}
	t.known = max(t.known, e.events[len(e.events)-1].Seq)
	for i := range e.events {
		row := &e.events[i]
		if row.Seq > t.end.Seq+1 { // other nodes wrote in between
			if err := t.retry("read the log", t.read); err != nil {
				return err
			}
		}
		if row.Seq != t.end.Seq+1 {
			continue
		}
		if err := t.retry("hand out an event", func() error { return t.handle(row) }); err != nil {
			return err
		}
	}
	return nil
}

// handle hands out the next event of the log.
func (t *tail) handle(e *store.Event) error {
	var changed *scope
	var members []store.Membership
	var state *accessState
	switch e.Type {
	case typeThreadCreated, typeThreadParticipant, typeChannelCreated:
		if k, ok := scopeOf(e); ok {
			changed = &k
			if t.fresh == k && e.Seq <= t.freshAt {
				break
			}
			at := t.known
			var err error
			if members, err = t.hub.Store.MembershipsOf(t.ctx, k.kind, k.id); err != nil {
				return err
			}
			t.fresh, t.freshAt = k, at
			if members == nil {
				members = []store.Membership{}
			}
		}
	case typeAccessChanged:
		var err error
		if state, err = t.ask(e); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if changed != nil {
		t.changed = e.Seq
		if members != nil {
			t.index.rebuild(*changed, members, e.Seq)
		}
	}
	behind := positionOf(t.end.Epoch, e)
	t.dispatch(behind, e)
	t.end = behind
	if state != nil {
		t.settle(state, e.Seq)
	}
	return nil
}

// broadcast gives an item that is not in the log to all who may see it.
func (t *tail) broadcast(it *Item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tellOnce(it)
}

// tellOnce is broadcast with mu held.
func (t *tail) tellOnce(it *Item) {
	for s := range t.all {
		if visible(it.row, s.viewer, nil, false) && s.filter.passes(it.row) {
			t.push(s, it)
		}
	}
	t.index.sweep()
}

// dispatch gives the event of the log in front of a position to the live subscriptions
// that may see it; mu is held.
func (t *tail) dispatch(behind Position, e *store.Event) {
	if e.Audience == store.AudiencePresence {
		event, err := decode(e)
		if err != nil {
			t.hub.Logger.Error("an event cannot be told", "error", err)
			return
		}
		if it, err := newEphemeral(e.OrgID, event); err == nil { // else of a newer node
			t.tellOnce(it)
		}
		return
	}
	var it *Item
	t.index.each(e, func(s *Subscription, spans []span, watched bool) {
		if !visible(e, s.viewer, spans, watched) || !s.filter.passes(e) {
			return
		}
		if it == nil {
			var err error
			if it, err = newItem(behind, e); err != nil {
				t.hub.Logger.Error("an event cannot be told", "error", err)
			}
			if it == nil {
				it = &Item{}
			}
		}
		if it.Event != nil {
			t.push(s, it)
		}
	})
	t.index.sweep()
}

// push adds an item to the queue of a subscription; mu is held.
func (t *tail) push(s *Subscription, it *Item) {
	if !s.push(it) {
		t.index.discard(s)
	}
}

// accessState is the access of a bot, or of the whole org when bot is empty, after a change.
type accessState struct {
	bot    string
	ended  bool // by this event
	active bool // meanwhile
	admin  bool
	why    string // see Item.Why
}

// ask finds out what an access_changed event is about. That access ended is told by
// the event, not by how things are now: the end is at its place in the log, behind
// what tells of it.
func (t *tail) ask(e *store.Event) (*accessState, error) {
	var event b2bv1.Event
	if err := proto.Unmarshal(e.Payload, &event); err != nil {
		t.hub.Logger.Error("a change of access cannot be read, it is taken for one of the whole org", "org", t.org, "seq", e.Seq, "error", err)
	}
	change := event.GetAccessChanged()
	st := &accessState{bot: change.GetBotId(), why: change.GetCloseReason()}
	if err := t.lookUp(t.ctx, st); err != nil {
		return nil, err
	}
	if st.ended = change.GetEnded(); change == nil || change.Ended == nil {
		st.ended = !st.active
	}
	return st, nil
}

// lookUp finds out how things are now.
func (t *tail) lookUp(ctx context.Context, st *accessState) error {
	if st.bot == "" {
		org, err := t.hub.Store.Org(ctx, t.org)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("look up the org: %w", err)
		}
		st.active = err == nil && org.Status == store.OrgActive
		return nil
	}
	bot, err := t.hub.Store.Bot(ctx, t.org, st.bot)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("look up a bot: %w", err)
	}
	st.active = err == nil && bot.JoinStatus == store.BotActive
	st.admin = st.active && bot.AuthRole == store.AuthAdmin
	return nil
}

// settle applies the access state after the event with this seq; mu is held. Who subscribed
// when the log had the event already was let in after it, unless by what a node
// remembered wrongly: then things are not well now either.
func (t *tail) settle(st *accessState, seq int64) {
	recheck := &Item{Recheck: true, Why: st.why}
	for s := range t.all {
		if st.bot != "" && s.viewer.BotID != st.bot {
			continue
		}
		if st.ended && !(st.active && seq <= s.since) {
			t.index.remove(s)
			s.endBehind(seq, ErrAccess)
			continue
		}
		if st.bot != "" {
			s.viewer.Admin, s.settled = st.admin, true
		}
		t.push(s, recheck)
	}
	t.index.sweep()
}
