package eventlog_test

import (
	"context"
	"errors"
	"testing"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
)

func statusChanged(bot string, ended bool) *b2bv1.Event {
	e := accessChanged(bot)
	e.GetAccessChanged().Ended = &ended
	return e
}

// reject makes other changes of a bot's access, then rejects it, before anybody can
// have handled the first of them. It tells the seq of the last event that the bot may
// see.
func (w *world) reject(bot string) int64 {
	ctx := context.Background()
	internal, org := store.Event{Audience: store.AudienceInternal}, store.Event{Audience: store.AudienceOrg}
	w.change(func(tx store.Tx) error {
		return errors.Join(
			w.appendEvent(tx, internal, statusChanged(bot, false)),
			w.appendEvent(tx, org, renamed("between")),
			tx.SetBotJoinStatus(ctx, bot, store.BotRejected, nil, 0, nil),
			w.appendEvent(tx, org, renamed("told of the rejection")),
			w.appendEvent(tx, internal, statusChanged(bot, true)),
			w.appendEvent(tx, org, renamed("too late")),
		)
	})
	return w.top() - 2
}

// A subscription ends at the place in the log where access ended: not at an earlier
// change that is looked at when it has ended already, and not in the middle of what is
// still to be replayed.
func TestEndsWhereAccessEnded(t *testing.T) {
	for _, c := range []struct {
		name   string
		missed int
		live   bool
	}{{"live", 0, true}, {"near the end", 300, false}, {"far behind", 1700, false}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			h := w.hub(eventlog.Config{})
			bot := w.bots(1)[0]
			from := w.start()
			w.manyNews(c.missed)
			if c.live {
				from = nil
			}
			s := w.subscribe(h, w.bot(bot), from)
			end := w.reject(bot)
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
				t.Errorf("the last event told has seq %d, want %d", last, end)
			}
		})
	}
}

// Who was let in again before it subscribed is not put out by a change that the tail
// handles later.
func TestLetInAgain(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	bots := w.bots(2)
	first := w.subscribe(h, w.bot(bots[1]), nil)
	w.reject(bots[0])
	w.change(func(tx store.Tx) error {
		return errors.Join(tx.SetBotJoinStatus(context.Background(), bots[0], store.BotActive, nil, 0, nil),
			w.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, statusChanged(bots[0], false)))
	})
	again := w.subscribe(h, w.bot(bots[0]), nil)
	w.emit(store.Event{Audience: store.AudienceOrg}, renamed("later"))
	for {
		it := w.next(again)
		if it.Event != nil && it.Position.Seq == w.top() {
			break
		}
	}
	w.next(first)
}

// TestLast: Last comes after the events of other nodes, too, without a notification.
func TestLast(t *testing.T) {
	url := pgtest.URL(t)
	w := worldOver(t, url)
	other := &world{TB: t, store: sqltest.Open(t, url), org: w.org}
	h := w.hub(eventlog.Config{})
	s := w.subscribe(h, w.bot(w.bots(1)[0]), nil)
	other.manyNews(20)
	s.Last("end")
	for n := 0; ; n++ {
		if it := w.next(s); it.Local != nil {
			if n != 20 {
				t.Errorf("it comes behind %d of 20 events", n)
			}
			return
		}
	}
}
