package eventlog

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
)

// enter registers a subscription with the tail. top is the end of the log as the subscription
// read it. If access changed after the caller of the viewer was authenticated, enter returns
// call.ErrStale. The tail reports every later change to the subscription.
func (t *tail) enter(s *Subscription, top store.LogTop) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	v := s.viewer.AuthVersion
	if v != (call.AuthVersion{}) && (v.Epoch != top.Epoch || v.Access < max(top.Access, t.access)) {
		return call.ErrStale
	}
	t.all[s] = struct{}{}
	s.since = top.Seq
	if top.Seq > t.end.Seq || top.Epoch != t.end.Epoch {
		t.inbox.notify(0)
	}
	return nil
}

// check reads the current access of the bot of s, if the viewer has no auth version, as the server's
// own subscription for a webhook. Changes that are committed after enter reach s through the log. It
// does not overwrite what an event of the log has set meanwhile, which is newer.
func (t *tail) check(ctx context.Context, s *Subscription) error {
	if s.viewer.human() || s.viewer.AuthVersion != (call.AuthVersion{}) {
		return nil
	}
	st := &accessState{bot: s.viewer.BotID}
	if err := t.readAccess(ctx, st); err != nil {
		return err
	}
	if !st.active {
		return ErrAccess
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.adminFromLog {
		s.viewer.Admin = st.admin
	}
	return nil
}

// leave undoes enter and join.
func (t *tail) leave(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, s)
	t.index.remove(s)
}

// join gives a subscription a queue for new events, if at most a page is left to replay.
//
// It reads the memberships of the bot without the lock. They are valid for all events above the
// end before the read, and so above the current end, unless an event in between changed a
// membership. The third attempt reads them under the lock, which makes the tail wait.
func (t *tail) join(ctx context.Context, s *Subscription) error {
	for try := 1; ; try++ {
		t.mu.Lock()
		seen := t.end.Seq
		done, err := t.tryJoin(s)
		if done || err != nil {
			t.mu.Unlock()
			return err
		}
		if try < 3 {
			t.mu.Unlock()
		}
		rows, err := t.hub.Store.Memberships(ctx, s.viewer.BotID)
		if try < 3 {
			t.mu.Lock()
		}
		_, entered := t.all[s] // Close may have been called meanwhile
		if err == nil && t.err == nil && entered && t.changed <= seen && !s.indexed {
			t.admit(s, rows)
			done = true
		}
		t.mu.Unlock()
		if err != nil {
			return fmt.Errorf("read memberships: %w", err)
		}
		if done {
			return nil
		}
	}
}

// tryJoin joins if that needs no read of the store. done reports whether there is nothing left
// to do. mu is held.
func (t *tail) tryJoin(s *Subscription) (done bool, err error) {
	_, entered := t.all[s]
	switch {
	case t.err != nil:
		return false, t.err
	case !entered:
		return false, ErrClosed
	case s.indexed || t.end.Seq-s.at > pageSize:
		return true, nil
	case s.viewer.human() || t.index.bots[s.viewer.BotID] != nil:
		t.admit(s, nil)
		return true, nil
	}
	return false, nil
}

// admit adds a subscription to the index, unless it is ending. mu is held.
func (t *tail) admit(s *Subscription, memberships []store.Membership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending != nil {
		return
	}
	t.index.add(s, memberships, t.end.Seq+1)
	s.indexed = true
	s.joined, s.target = true, max(s.at, t.end.Seq)
	s.live = s.at == s.target
}
