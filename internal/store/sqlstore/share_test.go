package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

type payerKey struct{}

func by(ctx context.Context, org string) context.Context {
	return context.WithValue(ctx, payerKey{}, org)
}

func openShared(t testing.TB) *Store {
	t.Helper()
	st, err := Open(t.Context(), Config{
		URL: filepath.Join(t.TempDir(), "b2b.db"), Logger: slog.New(slog.DiscardHandler),
		Payer: func(ctx context.Context) string { org, _ := ctx.Value(payerKey{}).(string); return org },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

var selectCount = read(0, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT count(*) FROM c")

// count is a read that keeps a processor busy for a while.
func count(ctx context.Context, r reader, n int) error {
	_, err := value[int64](ctx, r, selectCount, n)
	return err
}

// B2B-LIM-020: while one org has all the reads it may have, and more that wait, none of which end,
// another org reads and changes, and health is checked.
func TestReadsAreSharedByOrgs(t *testing.T) {
	t.Parallel()
	s := openShared(t)
	ctx := t.Context()
	if err := s.Update(ctx, "", func(tx store.Tx) error {
		return errors.Join(tx.CreateOrg(ctx, &store.Org{ID: "busy", Name: "a", SecretHash: "h", Status: store.OrgActive}),
			tx.CreateOrg(ctx, &store.Org{ID: "other", Name: "b", SecretHash: "h", Status: store.OrgActive}))
	}); err != nil {
		t.Fatal(err)
	}
	steps := func(ctx context.Context) map[string]func() error {
		return map[string]func() error{
			"read":     func() error { _, err := s.Org(ctx, "other"); return err },
			"snapshot": func() error { return s.View(ctx, func(store.Reader) error { return nil }) },
			"search":   func() error { return count(long(ctx), s.reader, 100) },
			"health":   func() error { return s.Ping(ctx) },
			"change": func() error {
				return s.Update(ctx, "other", func(tx store.Tx) error {
					_, err := tx.Append(ctx, store.Event{Type: "x", Audience: store.AudienceOrg})
					return err
				})
			},
		}
	}

	abuse, stop := context.WithCancel(by(ctx, "busy"))
	release := make(chan struct{})
	var reading atomic.Int32
	var busy sync.WaitGroup
	for range 32 {
		busy.Go(func() {
			err := s.View(abuse, func(store.Reader) error {
				reading.Add(1)
				<-release
				return nil
			})
			if err != nil && abuse.Err() == nil {
				t.Error(err)
			}
		})
	}
	waittest.Until(t, "an org has its share of 8 connections", func() bool { return reading.Load() == 4 })
	for name, step := range steps(by(ctx, "other")) {
		ended := make(chan error, 1)
		go func() { ended <- step() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(waittest.Most):
			t.Errorf("%s waits for the reads of another org", name)
		}
	}
	// The reads of its own wait.
	impatient, cancel := context.WithTimeout(abuse, 10*time.Millisecond)
	defer cancel()
	for _, name := range []string{"read", "snapshot", "search"} {
		if err := steps(impatient)[name](); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s of the busy org: %v", name, err)
		}
	}
	if n := reading.Load(); n != 4 {
		t.Errorf("an org has %d of 8 connections, 4 are its share", n)
	}
	stop()
	close(release)
	busy.Wait()
}

// A read of an org with a full queue fails with a temporary error.
func TestTooManyReads(t *testing.T) {
	t.Parallel()
	s := openShared(t)
	s.pool.shares.conns = fair.New(fair.Sizes{Slots: 2, Queue: 1, Wait: time.Millisecond})
	ctx := by(t.Context(), "busy")
	err := s.View(ctx, func(store.Reader) error {
		_, err := s.Org(ctx, "x") // waits for the place that this snapshot has
		return err
	})
	var away *store.Outage
	if !errors.As(err, &away) || !away.Busy {
		t.Fatalf("a read beyond the share: %v", err)
	}
	if message, hint, after := away.Outage(); message == "" || hint == "" || after == 0 {
		t.Error("the error has no hint")
	}
	if _, err := s.Org(by(t.Context(), "other"), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another org: %v", err)
	}
	if s.pool.shares.conns.InUse("busy") != 0 {
		t.Error(fmt.Sprint("places are left: ", s.pool.shares.conns.InUse("busy")))
	}
}

func BenchmarkPointRead(b *testing.B) {
	s := openShared(b)
	ctx := by(context.Background(), "org")
	if err := s.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "a", SecretHash: "h", Status: store.OrgActive})
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Org(ctx, "org"); err != nil {
			b.Fatal(err)
		}
	}
}
