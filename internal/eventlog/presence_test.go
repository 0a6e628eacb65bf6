package eventlog_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestLoggedPresence: presence in the log is delivered live, to all but the bot itself, without a
// position. It is not replayed.
func TestLoggedPresence(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	about, other := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
	fx.change(func(tx store.Tx) error {
		return fx.appendEvent(tx, store.Event{Audience: store.AudiencePresence, BotID: &b[0]}, presence(b[0], true))
	})
	it := fx.next(other)
	if !strings.HasPrefix(string(it.Wire), `{"type":"bot_online"`) || strings.Contains(string(it.Wire), "cursor") || !it.Ephemeral {
		t.Errorf("got %s", it.Wire)
	}
	again := fx.subscribe(h, fx.bot(b[1]), fx.start())
	fx.manyNews(1)
	for _, s := range []*eventlog.Subscription{about, again} {
		if it := fx.next(s); it.Ephemeral || it.Event.GetBotOnline() != nil {
			t.Errorf("delivered again, or to the bot itself: %s", it.Wire)
		}
	}
}

// announce appends the presence events of a bot, in one change.
func (fx *fixture) announce(bot string, states ...bool) {
	fx.Helper()
	fx.change(func(tx store.Tx) error {
		for _, online := range states {
			if err := fx.appendEvent(tx, store.Event{Audience: store.AudiencePresence, BotID: &bot}, presence(bot, online)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestPresenceOfSlowReaders: presence events do not end the subscription of a reader that takes
// nothing, nor of one that replays, and take no space of other events (B2B-PRES-011).
func TestPresenceOfSlowReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		const queue = 4
		h := fx.hub(eventlog.Config{Queue: queue, Grace: time.Second})
		b := fx.bots(100)
		fx.manyNews(40)
		slow, replays := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[0]), fx.start())
		for _, bot := range b[1:] {
			fx.announce(bot, true)
			time.Sleep(time.Second) // a window for each
		}
		for range queue {
			fx.news()
		}
		if it := fx.next(replays); it.Ephemeral {
			t.Error("presence in the middle of a replay")
		}
		for name, s := range map[string]*eventlog.Subscription{"slow": slow, "replays": replays} {
			online, news := 0, 0
			for online < len(b)-1 || s == slow && news < queue {
				if it := fx.next(s); it.Ephemeral {
					online++
				} else {
					news++
				}
			}
			if s == slow && news != queue {
				t.Errorf("%s received %d other events", name, news)
			}
		}
	})
}

// TestPresenceWindow: an event after a quiet time is delivered at once. Those of the window after it
// come together, at its end (B2B-PRES-009).
func TestPresenceWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		h := fx.hub(eventlog.Config{})
		b := fx.bots(12)
		s := fx.subscribe(h, fx.bot(b[0]), nil)
		take := func() (n int) {
			ready := make(chan struct{})
			it, err := s.Poll(t.Context(), func() { close(ready) })
			if it == nil && err == nil {
				<-ready
				it, err = s.Poll(t.Context(), nil)
			}
			if err != nil || it.Presence == nil {
				t.Fatalf("got %+v, %v", it, err)
			}
			it.Presence.Each(func(*eventlog.Item) { n++ })
			return n
		}
		for range 2 {
			begin := time.Now()
			fx.announce(b[1], true, false)
			if n := take(); n != 2 || time.Since(begin) != 0 {
				t.Errorf("%d events after %v, want both at once", n, time.Since(begin))
			}
			for _, bot := range b[2:] {
				fx.announce(bot, true, false, true)
			}
			fx.announce(b[0], true) // its own
			if n := take(); n != 10 || time.Since(begin) != 20*time.Millisecond {
				t.Errorf("%d events after %v, want 10 after 20 ms", n, time.Since(begin))
			}
			for _, bot := range b[2:] {
				fx.announce(bot, false)
			}
			take()
			time.Sleep(time.Second)
		}
	})
}

func TestRecheckHasReason(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	s := fx.subscribe(h, fx.bot(fx.bots(1)[0]), nil)
	fx.change(func(tx store.Tx) error {
		why := "Credential rotated"
		return fx.appendEvent(tx, store.Event{Audience: store.AudienceInternal},
			&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{CloseReason: &why}}})
	})
	it, err := s.Next(t.Context())
	if err != nil || !it.Recheck || it.Why != "Credential rotated" {
		t.Errorf("got %+v, %v", it, err)
	}
}
