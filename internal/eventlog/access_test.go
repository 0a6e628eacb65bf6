package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func accessChanged(bot string) *b2bv1.Event {
	e := &b2bv1.AccessChangedEvent{}
	if bot != "" {
		e.BotId = &bot
	}
	return &b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: e}}
}

func TestAccessChanges(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(3)
	var subs []*eventlog.Subscription
	for _, id := range b {
		subs = append(subs, fx.subscribe(h, fx.bot(id), nil))
	}
	human := fx.subscribe(h, fx.human(), nil)
	internal := store.Event{Audience: store.AudienceInternal}
	ctx := context.Background()
	fx.change(func(tx store.Tx) error { // a becomes admin, b is rejected, c is unchanged
		return errors.Join(tx.SetBotRole(ctx, b[0], store.AuthAdmin), fx.appendEvent(tx, internal, accessChanged(b[0])))
	})
	fx.change(func(tx store.Tx) error {
		return errors.Join(fx.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, renamed("before")),
			tx.SetBotJoinStatus(ctx, b[1], store.BotRejected, nil, 0, nil), fx.appendEvent(tx, internal, accessChanged(b[1])))
	})
	fx.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins")) // 4
	if it := fx.next(subs[0]); !it.Recheck {
		t.Error("a gets no recheck")
	}
	wantSeqs(t, "a, an admin now", fx.seqs(subs[0]), 2, 4) // 5
	if it := fx.next(subs[1]); it.Position.Seq != 2 {
		t.Error("b does not get the event before the change")
	}
	if _, err := subs[1].Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("b: %v", err)
	}
	wantSeqs(t, "c", fx.seqs(subs[2]), 2, 5) // 6
	wantSeqs(t, "human", fx.seqs(human), 2, 4, 5, 6)

	fx.change(func(tx store.Tx) error { return fx.appendEvent(tx, internal, accessChanged("")) })
	fx.next(subs[0]) // 6
	fx.next(subs[0]) // 7, the news for the human
	for _, s := range []*eventlog.Subscription{subs[0], human} {
		if it := fx.next(s); !it.Recheck {
			t.Errorf("got %s instead of a recheck", it.Wire)
		}
	}
	fx.change(func(tx store.Tx) error {
		return errors.Join(tx.UpdateOrg(ctx, &store.Org{ID: fx.org, Name: "o", Status: store.OrgSuspended}), fx.appendEvent(tx, internal, accessChanged("")))
	})
	for _, s := range []*eventlog.Subscription{subs[0], human} {
		if _, err := s.Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
			t.Errorf("of a suspended org: %v", err)
		}
	}
}

func TestDeletedBot(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	thread := fx.thread(b...)
	gone, stays := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
	ctx := context.Background()
	fx.change(func(tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, fx.org, b[0], "session", 1)
		return errors.Join(err, fx.appendEvent(tx, toThread(thread), participant(thread, b[0], "org:o", left)),
			fx.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, presence(b[0], false)),
			fx.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
	})
	if it, err := gone.Next(ctx); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("the deleted bot: %v, %v", it, err)
	}
	wantSeqs(t, "the other bot", fx.seqs(stays), 4, 5)
}

func presence(bot string, online bool) *b2bv1.Event {
	brief := &b2bv1.BotBrief{Id: bot, Name: bot}
	if online {
		return &b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: brief}}}
	}
	return &b2bv1.Event{Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: brief}}}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	fx.manyNews(600)
	about, other, far := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil), fx.subscribe(h, fx.bot(b[1]), fx.start())
	fx.announce(b[0], true, false)
	for range 600 {
		if it := fx.next(far); it.Ephemeral {
			t.Fatal("presence in the middle of a replay")
		}
	}
	for _, s := range []*eventlog.Subscription{other, far} {
		for _, want := range []string{`{"type":"bot_online","bot":{"id":"` + b[0], `{"type":"bot_offline"`} {
			it := fx.next(s)
			if !strings.HasPrefix(string(it.Wire), want) || !it.Ephemeral || it.Position.Seq != 0 {
				t.Errorf("got %s, want %s", it.Wire, want)
			}
		}
	}
	wantSeqs(t, "the bot itself", fx.seqs(about))
}
