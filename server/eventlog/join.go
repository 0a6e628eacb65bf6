package eventlog

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/server/store"
)

// enter makes a subscription known to the tail. top is what was read of the log.
func (t *tail) enter(s *Subscription, top store.LogTop) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	t.all[s] = struct{}{}
	s.since = top.Seq
	if top.Seq > t.end.Seq || top.Epoch != t.end.Epoch {
		t.inbox.notify(0)
	}
	return nil
}

// check reads the access state of the bot that s is for. The log tells s of changes that are
// committed after enter; one between the lookup that the viewer was made from and enter
// is seen here only. What an event of the log has set meanwhile is at least as new.
func (t *tail) check(ctx context.Context, s *Subscription) error {
	if s.viewer.human() {
		return nil
	}
	st := &accessState{bot: s.viewer.BotID}
	if err := t.lookUp(ctx, st); err != nil {
		return err
	}
	if !st.active {
		return ErrAccess
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.settled {
		s.viewer.Admin = st.admin
	}
	return nil
}

func (t *tail) leave(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, s)
	t.index.remove(s)
}

// join lets the tail give a subscription what is new, if little is left to replay.
//
// The memberships of a bot are read without holding up the tail. They are good for
// all events above the end as it was before they were read, so they are good above
// the end reached by now unless an event in between changed a membership. When that
// happens again and again they are read while the tail waits.
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
		if err == nil && t.err == nil && t.changed <= seen && !s.indexed {
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

// tryJoin joins without reading anything, or tells that there is no need to; mu is
// held.
func (t *tail) tryJoin(s *Subscription) (done bool, err error) {
	_, here := t.all[s]
	switch {
	case t.err != nil:
		return false, t.err
	case !here:
		return false, ErrClosed
	case s.indexed || t.end.Seq-s.at > pageSize:
		return true, nil
	case s.viewer.human() || t.index.bots[s.viewer.BotID] != nil:
		t.admit(s, nil)
		return true, nil
	}
	return false, nil
}

// admit puts a subscription into the index, unless it is to end; mu is held.
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
