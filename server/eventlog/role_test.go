package eventlog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

// B2B-EVT-027: the role that counts is the stored one. The viewer of a subscription was
// looked up before the subscription began, and the change in between is no event of it.
func TestRoleChangesBeforeSubscribe(t *testing.T) {
	backends(t, func(t *testing.T, w *world) {
		for _, followed := range []bool{false, true} { // whether the log has a tail already
			h := w.hub(eventlog.Config{})
			if followed {
				w.subscribe(h, w.human(), nil)
			}
			from := *w.start()
			from.Seq = w.top()
			b := w.bots(2)
			raised, lowered := w.bot(b[0]), w.bot(b[1])
			lowered.Admin = true
			w.change(func(tx store.Tx) error {
				return errors.Join(tx.SetBotRole(context.Background(), b[0], store.AuthAdmin),
					w.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
			})
			w.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))
			admin, member := w.subscribe(h, raised, &from), w.subscribe(h, lowered, &from)
			w.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))
			wantSeqs(t, "the admin", logged(w.seqs(admin)), from.Seq+2, from.Seq+3)
			wantSeqs(t, "the member", logged(w.seqs(member)), from.Seq+4)
		}
	})
}

// A bot that lost its access after it was looked up gets no subscription.
func TestAccessEndsBeforeSubscribe(t *testing.T) {
	w := newWorld(t)
	h := w.hub(eventlog.Config{})
	b := w.bots(2)
	w.change(func(tx store.Tx) error {
		return errors.Join(tx.SetBotJoinStatus(context.Background(), b[0], store.BotRejected, nil, 0, nil),
			w.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
	})
	if s, err := h.Subscribe(t.Context(), w.bot(b[0]), nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("a rejected bot: %v, %v", s, err)
	}
	w.subscribe(h, w.bot(b[1]), nil)
}

// logged leaves out the items without a position, such as those that say to check again.
func logged(seqs []int64) []int64 {
	return slices.DeleteFunc(seqs, func(seq int64) bool { return seq == 0 })
}
