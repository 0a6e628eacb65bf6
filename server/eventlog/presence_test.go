package eventlog_test

import (
	"strings"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

// Presence in the log is told once: live, to everybody but the bot, without a
// position; a replay passes over it.
func TestLoggedPresence(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	about, other := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil)
	w.change(func(tx store.Tx) error {
		return w.appendEvent(tx, store.Event{Audience: store.AudiencePresence, BotID: &b[0]}, presence(b[0], true))
	})
	it := w.next(other)
	if !strings.HasPrefix(string(it.Wire), `{"type":"bot_online"`) || strings.Contains(string(it.Wire), "cursor") || !it.Ephemeral {
		t.Errorf("got %s", it.Wire)
	}
	again := w.subscribe(h, w.bot(b[1]), w.start())
	w.manyNews(1)
	for _, s := range []*eventlog.Subscription{about, again} {
		if it := w.next(s); it.Ephemeral || it.Event.GetBotOnline() != nil {
			t.Errorf("told again, or to the bot itself: %s", it.Wire)
		}
	}
}

func TestRecheckTellsWhy(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	s := w.subscribe(h, w.bot(w.bots(1)[0]), nil)
	w.change(func(tx store.Tx) error {
		why := "Credential rotated"
		return w.appendEvent(tx, store.Event{Audience: store.AudienceInternal},
			&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{CloseReason: &why}}})
	})
	it, err := s.Next(t.Context())
	if err != nil || !it.Recheck || it.Why != "Credential rotated" {
		t.Errorf("got %+v, %v", it, err)
	}
}
