package eventlog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func statusChanged(bot string, ended bool) *b2bv1.Event {
	e := accessChanged(bot)
	e.GetAccessChanged().Ended = &ended
	return e
}

// reject makes other changes of a bot's access and then rejects it, in one transaction, so that
// no tail handles the first change alone. It returns the seq of the last event that the bot may
// see.
func (fx *fixture) reject(bot string) int64 {
	ctx := context.Background()
	internal, org := store.Event{Audience: store.AudienceInternal}, store.Event{Audience: store.AudienceOrg}
	fx.change(func(tx store.Tx) error {
		return errors.Join(
			fx.appendEvent(tx, internal, statusChanged(bot, false)),
			fx.appendEvent(tx, org, renamed("between")),
			tx.SetBotJoinStatus(ctx, bot, store.BotRejected, nil, 0, nil),
			fx.appendEvent(tx, org, renamed("the last visible event")),
			fx.appendEvent(tx, internal, statusChanged(bot, true)),
			fx.appendEvent(tx, org, renamed("too late")),
		)
	})
	return fx.top() - 2
}

// TestEndsAfterLastVisibleEvent: a subscription ends at the place in the log where access ended.
// It does not end at an earlier change that the tail handles later, nor during a short replay.
func TestEndsAfterLastVisibleEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		missed int
		live   bool
	}{{"live", 0, true}, {"near the end", 300, false}} {
		t.Run(c.name, func(t *testing.T) {
			fx := newFixture(t)
			h := fx.hub(eventlog.Config{})
			bot := fx.bots(1)[0]
			from := fx.start()
			fx.manyNews(c.missed)
			if c.live {
				from = nil
			}
			s := fx.subscribe(h, fx.bot(bot), from)
			end := fx.reject(bot)
			var last int64
			for {
				it, err := s.Next(context.Background())
				if errors.Is(err, eventlog.ErrAccess) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if it.Event != nil {
					last = it.Position.Seq
				}
			}
			if last != end {
				t.Errorf("the last event delivered has seq %d, want %d", last, end)
			}
		})
	}
}

// TestReactivatedBot: a rejection that the tail handles late does not end a subscription that
// began after the bot was active again.
func TestReactivatedBot(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	bots := fx.bots(2)
	first := fx.subscribe(h, fx.bot(bots[1]), nil)
	fx.reject(bots[0])
	fx.change(func(tx store.Tx) error {
		return errors.Join(tx.SetBotJoinStatus(context.Background(), bots[0], store.BotActive, nil, 0, nil),
			fx.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, statusChanged(bots[0], false)))
	})
	again := fx.subscribe(h, fx.bot(bots[0]), nil)
	fx.emit(store.Event{Audience: store.AudienceOrg}, renamed("later"))
	for {
		it := fx.next(again)
		if it.Event != nil && it.Position.Seq == fx.top() {
			break
		}
	}
	fx.next(first)
}

// TestLast: Last comes after the events of other nodes, too, without a notification.
func TestLast(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	fx := newFixtureOn(t, url)
	other := &fixture{TB: t, store: sqltest.Open(t, url), org: fx.org}
	h := fx.hub(eventlog.Config{})
	s := fx.subscribe(h, fx.bot(fx.bots(1)[0]), nil)
	other.manyNews(20)
	s.Last("end")
	for n := 0; ; n++ {
		if it := fx.next(s); it.Local != nil {
			if n != 20 {
				t.Errorf("it comes after %d of 20 events", n)
			}
			return
		}
	}
}
