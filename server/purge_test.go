package server

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

// TestPruneLogs removes old events of every org, in more than one step, and keeps
// the newer ones with their positions.
func TestPruneLogs(t *testing.T) {
	ctx := context.Background()
	s, err := New(ctx, Config{DataDir: t.TempDir(), AdminSecret: "secret"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	const old, fresh = pruneAtATime + 5, 3
	limit := time.UnixMilli(1_000_000)
	for _, org := range []string{"a", "b"} {
		err := s.store.Update(ctx, "", func(tx store.Tx) error {
			return tx.CreateOrg(ctx, &store.Org{ID: org, Name: org, SecretHash: org, Status: store.OrgActive, CreatedAt: 1})
		})
		if err != nil {
			t.Fatal(err)
		}
		err = s.store.Update(ctx, org, func(tx store.Tx) error {
			for i := range old + fresh {
				at := limit.UnixMilli() - 1
				if i >= old {
					at = limit.UnixMilli()
				}
				if _, err := tx.Append(ctx, store.Event{Type: "bot_renamed", At: at, Audience: store.AudienceOrg}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.pruneLogs(ctx, limit); err != nil {
		t.Fatal(err)
	}
	for _, org := range []string{"a", "b"} {
		left, err := s.store.ReadLog(ctx, org, 0, 10)
		if err != nil || len(left) != fresh || left[0].Seq != old+1 {
			t.Errorf("org %s: %d events left, %v", org, len(left), err)
		}
	}
}
