package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// tail follows the end of the log of one org and delivers every event to the subscriptions that
// may see it. One goroutine runs it.
//
// mu guards the index and the end. The tail waits for it, so nothing slow runs under it. The
// lock of a subscription is taken after it.
type tail struct {
	hub    *Hub
	org    string
	inbox  *inbox
	ctx    context.Context
	cancel context.CancelFunc
	ready  chan struct{} // closed when the end of the log was found, or that failed
	users  int           // calls of hub.acquire without release; guarded by hub.mu

	pages *pages // set by start; read after ready is closed

	// Used by the goroutine of the tail alone.
	known int64 // the log has reached this seq
	// membersOf is the scope with members that were read last, when the log had reached
	// membersAt. It saves a read for each of the many events of a new thread.
	membersOf scope
	membersAt int64

	mu      sync.Mutex
	err     error                      // why the tail ended
	all     map[*Subscription]struct{} // live and replaying
	index   index
	end     Position // after the last event handled
	changed int64    // seq of the last event that changed a membership
	access  int64    // seq of the last access_changed event up to the end
	window  presenceWindow
}

func newTail(h *Hub, org string) *tail {
	t := &tail{
		hub: h, org: org, inbox: newInbox(), ready: make(chan struct{}),
		all: map[*Subscription]struct{}{}, index: newIndex(), window: newPresenceWindow(),
	}
	t.ctx, t.cancel = context.WithCancel(call.OnBehalf(h.ctx, org))
	return t
}

// run follows the log until the last subscription or the hub is closed.
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

// start finds the end of the log.
func (t *tail) start() error {
	at, top, err := locate(t.ctx, t.hub.Store, t.org, nil)
	if err != nil {
		t.mu.Lock()
		t.err = err
		t.mu.Unlock()
		return err
	}
	t.mu.Lock()
	t.end, t.access = at, top.Access
	t.mu.Unlock()
	t.known = at.Seq
	t.pages = &pages{store: t.hub.Store, org: t.org, epoch: at.Epoch}
	return nil
}

// follow handles the inbox until the tail ends.
func (t *tail) follow() error {
	defer t.window.end.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return ErrClosed
		case <-t.window.end.C:
			t.closeWindow()
			continue
		case <-t.inbox.wake:
		}
		entries, behind := t.inbox.take(t.end.Seq)
		if behind {
			if err := t.retry("read the log", t.readNew); err != nil {
				return err
			}
		}
		for _, e := range entries {
			if err := t.accept(e); err != nil {
				return err
			}
		}
		t.openWindow()
		t.pages.evictIdle()
	}
}

// polled takes the end of the log that a poll has read, and wakes the tail when it differs from
// the tail's.
func (t *tail) polled(top store.LogTop) {
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

// final wraps an error that a retry does not cure.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// retry repeats a use of the store until it succeeds or fails with a final error. Meanwhile
// events wait in the inbox or, when that is full, in the store.
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
		t.hub.Logger.Error("delivery of events is delayed: cannot "+what, "org", t.org, "error", err)
		select {
		case <-t.ctx.Done():
			return ErrClosed
		case <-time.After(pause):
		}
	}
}

// readNew handles all events after the end. A log that was replaced or is shorter ends the tail.
func (t *tail) readNew() error {
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

// read handles the events after the end, up to known.
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
			t.delivered(&rows[i], false)
		}
	}
	return nil
}

// accept handles an entry of the inbox.
func (t *tail) accept(e entry) error {
	switch {
	case e.to != nil:
		t.mu.Lock()
		t.push(e.to, e.item)
		t.index.sweep()
		t.mu.Unlock()
		return nil
	}
	t.known = max(t.known, e.events[len(e.events)-1].Seq)
	for i := range e.events {
		row := &e.events[i]
		if row.Seq > t.end.Seq+1 { // other nodes committed in between
			if err := t.retry("read the log", t.read); err != nil {
				return err
			}
		}
		if row.Seq != t.end.Seq+1 {
			continue
		}
		if err := t.retry("deliver an event", func() error { return t.handle(row) }); err != nil {
			return err
		}
		t.delivered(row, true)
	}
	return nil
}

// delivered reports the time since the commit of an event.
func (t *tail) delivered(e *store.Event, here bool) {
	if t.hub.Lag != nil {
		t.hub.Lag(max(0, time.Duration(time.Now().UnixMilli()-e.At)*time.Millisecond), here)
	}
}

// handle delivers the next event of the log and moves the end.
func (t *tail) handle(e *store.Event) error {
	var changed *scope
	var members []store.Membership
	var state *accessState
	switch e.Type {
	case eventtype.ThreadCreated, eventtype.ThreadParticipant, eventtype.ChannelCreated:
		if k, ok := scopeOf(e); ok {
			changed = &k
			if t.membersOf == k && e.Seq <= t.membersAt {
				break
			}
			at := t.known
			var err error
			if members, err = t.hub.Store.MembershipsOf(t.ctx, k.kind, k.id); err != nil {
				return err
			}
			t.membersOf, t.membersAt = k, at
			if members == nil { // none: rebuild removes all members
				members = []store.Membership{}
			}
		}
	case eventtype.AccessChanged:
		var err error
		if state, err = t.accessAfter(e); err != nil {
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
	after := positionOf(t.end.Epoch, e)
	t.dispatch(after, e)
	t.end = after
	switch {
	case state != nil:
		t.access = e.Seq
		t.applyAccess(state, e.Seq)
	case e.Type == eventtype.WebhookChanged && e.BotID != nil:
		t.webhookChanged(*e.BotID)
	}
	return nil
}

// webhookChanged informs the reader of the webhook of a bot. mu is held.
func (t *tail) webhookChanged(bot string) {
	for s := range t.all {
		if s.viewer.Webhook && s.viewer.BotID == bot {
			t.push(s, &Item{WebhookChanged: true})
		}
	}
	t.index.sweep()
}

// dispatch delivers the event of the log before a position to the live subscriptions that may
// see it. mu is held.
func (t *tail) dispatch(after Position, e *store.Event) {
	if e.Audience == store.AudiencePresence {
		t.addPresence(e)
		return
	}
	if followsPresence(e) {
		t.flushPresence()
	}
	var it *Item
	t.index.each(e, func(s *Subscription, spans []span, watched bool) {
		if !visible(e, s.viewer, spans, watched) || !s.filter.passes(e) {
			return
		}
		if it == nil {
			var err error
			if it, err = newItem(after, e); err != nil {
				t.hub.Logger.Error("an event cannot be delivered", "error", err)
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

// push adds an item to the queue of a subscription. mu is held.
func (t *tail) push(s *Subscription, it *Item) {
	if !s.push(it) {
		t.index.discard(s)
	}
}

// accessState is the access of a bot, or of the whole org when bot is empty, after a change.
type accessState struct {
	bot    string
	ended  bool   // by the event
	active bool   // in the store
	admin  bool   // in the store
	why    string // see Item.Why
}

// accessAfter returns the access after an access_changed event. Whether access ended comes from the
// event, because the store may have a later state, in which it was restored. The store decides
// for an event without that field.
func (t *tail) accessAfter(e *store.Event) (*accessState, error) {
	var event b2bv1.Event
	if err := proto.Unmarshal(e.Payload, &event); err != nil {
		t.hub.Logger.Error("cannot decode an access_changed event, so it applies to the whole org", "org", t.org, "seq", e.Seq, "error", err)
	}
	change := event.GetAccessChanged()
	st := &accessState{bot: change.GetBotId(), why: change.GetCloseReason()}
	if err := t.readAccess(t.ctx, st); err != nil {
		return nil, err
	}
	if st.ended = change.GetEnded(); change == nil || change.Ended == nil {
		st.ended = !st.active
	}
	return st, nil
}

// readAccess sets active and admin from the store.
func (t *tail) readAccess(ctx context.Context, st *accessState) error {
	if st.bot == "" {
		org, err := t.hub.Store.Org(ctx, t.org)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read the org: %w", err)
		}
		st.active = err == nil && org.Status == store.OrgActive
		return nil
	}
	bot, err := t.hub.Store.Bot(ctx, t.org, st.bot)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read a bot: %w", err)
	}
	st.active = err == nil && bot.JoinStatus == store.BotActive
	st.admin = st.active && bot.AuthRole == store.AuthAdmin
	return nil
}

// applyAccess applies the access after the event with this seq, which is the end. mu is held.
//
// A subscription that began after the event (seq <= s.since) goes on if the bot and its org are
// active now. If one of them is not, a node has admitted the subscription from an outdated cache.
func (t *tail) applyAccess(st *accessState, seq int64) {
	recheck := &Item{Recheck: true, Change: t.end, Why: st.why}
	for s := range t.all {
		if st.bot != "" && s.viewer.BotID != st.bot {
			continue
		}
		if st.ended && !(st.active && seq <= s.since) {
			t.index.remove(s)
			s.endAfter(seq, ErrAccess)
			continue
		}
		if st.bot != "" {
			s.viewer.Admin, s.adminFromLog = st.admin, true
		}
		t.push(s, recheck)
	}
	t.index.sweep()
}
