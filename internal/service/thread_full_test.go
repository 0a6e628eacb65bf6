package service

import (
	"context"
	"fmt"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// B2B-THR-088: a thread can have participants up to the limit, and returns all of them.
func TestThreadFull(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	ann := w.bot("ann")
	made, err := w.ThreadService.CreateThread(ann, &b2bv1.CreateThreadRequest{Topic: new("x")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Thread.Id
	err = w.store.Update(t.Context(), w.org, func(tx store.Tx) error {
		for i := range limits.MaxParticipants - 2 { // ann is in it, and one may come
			bot := &store.Bot{ID: newID(), OrgID: w.org, Name: fmt.Sprint("b", i), TokenHash: newID(), AuthRole: store.AuthMember, JoinStatus: store.BotActive}
			if err := tx.CreateBot(t.Context(), bot); err != nil {
				return err
			}
			if err := tx.AddParticipant(t.Context(), &store.Participant{ThreadID: id, BotID: bot.ID, JoinedAt: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	join := func(ctx context.Context) error {
		_, err := w.ThreadService.JoinThread(ctx, &b2bv1.JoinThreadRequest{ThreadId: id})
		return err
	}
	if err := join(w.bot("last")); err != nil {
		t.Errorf("the last: %v", err)
	}
	if e, ok := call.AsError(join(w.bot("late"))); !ok || e.Code != b2bv1.ErrorCode_ERROR_CODE_THREAD_FULL || e.Status() != 409 {
		t.Errorf("one more: %v", e)
	}
	got, err := w.ThreadService.GetThread(ann, &b2bv1.GetThreadRequest{ThreadId: id})
	if err != nil || len(got.GetThread().GetParticipants().GetValues()) != limits.MaxParticipants {
		t.Errorf("%d participants, %v", len(got.GetThread().GetParticipants().GetValues()), err)
	}
}
