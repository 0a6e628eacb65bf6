package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

func accessChanged(bot string) *b2bv1.Event {
	e := &b2bv1.AccessChangedEvent{}
	if bot != "" {
		e.BotId = &bot
	}
	return &b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: e}}
}

func TestAccessChanges(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(3)
	var subs []*eventlog.Subscription
	for _, id := range b {
		subs = append(subs, w.subscribe(h, w.bot(id), nil))
	}
	human := w.subscribe(h, w.human(), nil)
	internal := store.Event{Audience: store.AudienceInternal}
	ctx := context.Background()
	w.change(func(tx store.Tx) error { // a becomes admin, b is rejected, and nothing is with c
		return errors.Join(tx.SetBotRole(ctx, b[0], store.AuthAdmin), w.appendEvent(tx, internal, accessChanged(b[0])))
	})
	w.change(func(tx store.Tx) error {
		return errors.Join(w.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, renamed("before")),
			tx.SetBotJoinStatus(ctx, b[1], store.BotRejected, nil, 0, nil), w.appendEvent(tx, internal, accessChanged(b[1])))
	})
	w.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins")) // 4
	if it := w.next(subs[0]); !it.Recheck {
		t.Error("a is not told to check again")
	}
	wantSeqs(t, "a, an admin now", w.seqs(subs[0]), 2, 4) // 5
	if it := w.next(subs[1]); it.Position.Seq != 2 {
		t.Error("b does not get what came before")
	}
	if _, err := subs[1].Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("b: %v", err)
	}
	wantSeqs(t, "c", w.seqs(subs[2]), 2, 5) // 6
	wantSeqs(t, "human", w.seqs(human), 2, 4, 5, 6)

	w.change(func(tx store.Tx) error { return w.appendEvent(tx, internal, accessChanged("")) })
	w.next(subs[0]) // 6
	w.next(subs[0]) // 7, the news for the human
	for _, s := range []*eventlog.Subscription{subs[0], human} {
		if it := w.next(s); !it.Recheck {
			t.Errorf("got %s instead of a recheck", it.Wire)
		}
	}
	w.change(func(tx store.Tx) error {
		return errors.Join(tx.UpdateOrg(ctx, &store.Org{ID: w.org, Name: "o", Status: store.OrgSuspended}), w.appendEvent(tx, internal, accessChanged("")))
	})
	for _, s := range []*eventlog.Subscription{subs[0], human} {
		if _, err := s.Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
			t.Errorf("of a suspended org: %v", err)
		}
	}
}

func TestDeletedBot(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	thread := w.thread(b...)
	gone, stays := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil)
	ctx := context.Background()
	w.change(func(tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, w.org, b[0], "session", 1)
		return errors.Join(err, w.appendEvent(tx, toThread(thread), participant(thread, b[0], "org:o", left)),
			w.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, presence(b[0], false)),
			w.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
	})
	if it, err := gone.Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("the deleted bot: %v, %v", it, err)
	}
	wantSeqs(t, "who stays", w.seqs(stays), 4, 5)
}

func presence(bot string, online bool) *b2bv1.Event {
	brief := &b2bv1.BotBrief{Id: bot, Name: bot}
	if online {
		return &b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: brief}}}
	}
	return &b2bv1.Event{Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: brief}}}
}

func TestPresence(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	if err := h.Publish(w.org, presence(b[0], true)); err != nil {
		t.Errorf("with nobody there: %v", err)
	}
	w.manyNews(600)
	about, other, far := w.subscribe(h, w.bot(b[0]), nil), w.subscribe(h, w.bot(b[1]), nil), w.subscribe(h, w.bot(b[1]), w.start())
	if err := errors.Join(h.Publish(w.org, presence(b[0], true)), h.Publish(w.org, presence(b[0], false))); err != nil {
		t.Fatal(err)
	}
	for range 600 {
		if it := w.next(far); it.Ephemeral {
			t.Fatal("presence in the middle of a replay")
		}
	}
	for _, s := range []*eventlog.Subscription{other, far} {
		for _, want := range []string{`{"type":"bot_online","bot":{"id":"` + b[0], `{"type":"bot_offline"`} {
			it := w.next(s)
			if !strings.HasPrefix(string(it.Wire), want) || !it.Ephemeral || it.Position.Seq != 0 {
				t.Errorf("got %s, want %s", it.Wire, want)
			}
		}
	}
	wantSeqs(t, "who it is about", w.seqs(about))
	if err := h.Publish(w.org, &b2bv1.Event{}); err == nil {
		t.Error("an empty event is published")
	}
}
