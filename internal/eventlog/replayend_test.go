package eventlog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
)

// handled waits until the tail has handled everything in the log and in its inbox.
func (fx *fixture) handled(h *eventlog.Hub) {
	fx.Helper()
	s := fx.subscribe(h, fx.human(), nil)
	s.Last("handled")
	for {
		if it := fx.next(s); it.Local != nil {
			return
		}
	}
}

// replaying returns the subscription of a bot that has read one of 1,700 events.
func (fx *fixture) replaying(h *eventlog.Hub, bot string) *eventlog.Subscription {
	fx.Helper()
	from := fx.start()
	fx.manyNews(1700)
	s := fx.subscribe(h, fx.bot(bot), from)
	if it := fx.next(s); it.Event == nil {
		fx.Fatalf("%+v is no event", it)
	}
	return s
}

// TestAccessEndsReplay: a bot that is rejected reads no more of the older events that its
// subscription replays (B2B-WS-006).
func TestAccessEndsReplay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	bots := fx.bots(2)
	gone, stays := fx.replaying(h, bots[0]), fx.replaying(h, bots[1])
	fx.reject(bots[0])
	fx.handled(h)
	if it, err := gone.Next(context.Background()); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("the rejected bot: %+v, %v", it, err)
	}
	if it := fx.next(stays); it.Event == nil {
		t.Errorf("the other bot: %+v", it)
	}
}

// TestRecheckDuringReplay: a change of access is checked before the rest of a replay, so that a
// revoked token reads no more of it. The replay goes on if the credential is still accepted.
func TestRecheckDuringReplay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	bots := fx.bots(2)
	s, other := fx.replaying(h, bots[0]), fx.replaying(h, bots[1])
	revoked := accessChanged(bots[0])
	why := "Token revoked"
	revoked.GetAccessChanged().CloseReason = &why
	for range 3 { // they are not gathered without limit
		fx.emit(store.Event{Audience: store.AudienceInternal}, revoked)
	}
	fx.handled(h)
	if it := fx.next(s); !it.Recheck || it.Why != why {
		t.Errorf("%+v is no request to check the credential", it)
	}
	for _, s := range []*eventlog.Subscription{s, other} {
		if it := fx.next(s); it.Event == nil {
			t.Errorf("%+v is no event", it)
		}
	}
}

// TestLastDuringReplay: a replay ends where the reader has learned otherwise that access ended.
func TestLastDuringReplay(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	s := fx.replaying(h, fx.bots(1)[0])
	s.Last("end")
	fx.handled(h)
	if it := fx.next(s); it.Local != "end" {
		t.Errorf("%+v is not the end", it)
	}
}

// TestRecheckWhenReplayFallsBehind: a request to check the credential that waits behind a short
// replay comes first when the subscription falls behind and so has much to replay.
func TestRecheckWhenReplayFallsBehind(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Queue: 4})
	bot := fx.bots(1)[0]
	from := fx.start()
	fx.manyNews(300)
	s := fx.subscribe(h, fx.bot(bot), from)
	fx.emit(store.Event{Audience: store.AudienceInternal}, accessChanged(bot))
	fx.manyNews(900)
	fx.handled(h)
	if it := fx.next(s); !it.Recheck {
		t.Errorf("%+v is no request to check the credential", it)
	}
}
