package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/store"
)

// membershipsHook is a store that calls a function before it returns the memberships of a bot.
type membershipsHook struct {
	Store
	before func()
}

func (h membershipsHook) Memberships(context.Context, string) ([]store.Membership, error) {
	h.before()
	return nil, nil
}

// TestCloseDuringJoin: a subscription that is closed while it joins does not stay in the index,
// where nothing would remove it before the next event of its bot. One that stays open is there.
func TestCloseDuringJoin(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		hub := &Hub{Config: Config{Queue: 4, Grace: time.Hour}, streams: map[string]int{}, places: fair.New(fair.Sizes{Slots: 1})}
		tl := &tail{
			hub: hub, inbox: newInbox(), all: map[*Subscription]struct{}{}, index: newIndex(), cancel: func() {}, users: 1,
			end: Position{Seq: 100},
		}
		s := newSubscription(tl, Viewer{OrgID: "o", BotID: "b"}, Position{}, Filter{})
		tl.all[s] = struct{}{}
		hub.Store = membershipsHook{before: func() {
			if closes {
				s.Close()
			}
		}}
		want, bots := error(nil), 1
		if closes {
			want, bots = ErrClosed, 0
		}
		if err := tl.join(t.Context(), s); !errors.Is(err, want) || len(tl.index.bots) != bots {
			t.Errorf("closed: %t; join returns %v and leaves %d bots in the index", closes, err, len(tl.index.bots))
		}
	}
}
