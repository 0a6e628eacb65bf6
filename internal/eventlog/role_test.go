package eventlog_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
)

// B2B-EVT-027: a subscription uses the stored role. Its viewer was looked up before it began,
// and it gets no event for a change in between.
func TestRoleChangesBeforeSubscribe(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		for _, followed := range []bool{false, true} { // whether the log has a tail
			h := fx.hub(eventlog.Config{})
			if followed {
				fx.subscribe(h, fx.human(), nil)
			}
			from := *fx.start()
			from.Seq = fx.top()
			b := fx.bots(2)
			raised, lowered := fx.bot(b[0]), fx.bot(b[1])
			lowered.Admin = true
			fx.change(func(tx store.Tx) error {
				return errors.Join(tx.SetBotRole(context.Background(), b[0], store.AuthAdmin),
					fx.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
			})
			fx.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))
			admin, member := fx.subscribe(h, raised, &from), fx.subscribe(h, lowered, &from)
			fx.emit(store.Event{Audience: store.AudienceAdmins}, renamed("for admins"))
			wantSeqs(t, "the admin", logged(fx.seqs(admin)), from.Seq+2, from.Seq+3)
			wantSeqs(t, "the member", logged(fx.seqs(member)), from.Seq+4)
		}
	})
}

// TestAccessEndsBeforeSubscribe: a bot that was rejected after its look-up is refused.
func TestAccessEndsBeforeSubscribe(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{})
	b := fx.bots(2)
	fx.change(func(tx store.Tx) error {
		return errors.Join(tx.SetBotJoinStatus(context.Background(), b[0], store.BotRejected, nil, 0, nil),
			fx.appendEvent(tx, store.Event{Audience: store.AudienceInternal}, accessChanged(b[0])))
	})
	if s, err := h.Subscribe(t.Context(), fx.bot(b[0]), nil, eventlog.Filter{}); !errors.Is(err, eventlog.ErrAccess) {
		t.Errorf("a rejected bot: %v, %v", s, err)
	}
	fx.subscribe(h, fx.bot(b[1]), nil)
}

// logged removes the seqs of items without a position, such as a Recheck.
func logged(seqs []int64) []int64 {
	return slices.DeleteFunc(seqs, func(seq int64) bool { return seq == 0 })
}
