package eventlog_test

import (
	"strings"
	"testing"

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
