package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// The server drops connections all the time. What Update reported as done is there
// once; nothing is there twice; the store recovers by itself.
func TestPostgresLostConnections(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := pgtest.URL(t)
	s := open(t, url)
	defer closing(t, s)
	add(t, s, "org")

	each := 100
	if testing.Short() {
		each = 25
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { dropConnections(t, url, stop) })
	var mu sync.Mutex
	done := map[string]bool{}
	var callers sync.WaitGroup
	for c := range 8 {
		callers.Go(func() {
			for n := range each {
				name := fmt.Sprintf("%d-%d", c, n)
				err := s.Update(ctx, "org", func(tx store.Tx) error { return appendMany(ctx, tx, name) })
				mu.Lock()
				done[name] = err == nil
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	close(stop)
	killer.Wait()

	add(t, s, "after")
	events, err := s.ReadLog(ctx, "org", 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("seq %d at place %d", e.Seq, i+1)
		}
		count[e.Type]++
	}
	succeeded := 0
	for name, ok := range done {
		if n := count[name]; n != 0 && n != eventsEach || ok && n == 0 {
			t.Errorf("%s: reported %v, %d events", name, ok, n)
		}
		if ok {
			succeeded++
		}
	}
	if succeeded == 0 {
		t.Error("no change succeeded")
	}
	t.Logf("%d of %d changes succeeded", succeeded, len(done))
}

const eventsEach = 10

// appendMany writes enough to be sent ahead, and reads in between.
func appendMany(ctx context.Context, tx store.Tx, name string) error {
	for i := range eventsEach {
		if _, err := tx.Append(ctx, store.Event{Type: name}); err != nil {
			return err
		}
		if i == eventsEach/2 {
			if _, err := tx.ReadLog(ctx, "org", 0, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func dropConnections(t *testing.T, url string, stop chan struct{}) {
	ctx := context.Background()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	for {
		select {
		case <-stop:
			return
		case <-time.After(15 * time.Millisecond):
		}
		_, err := c.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).ReadAll()
		if err != nil {
			t.Error(err)
			return
		}
	}
}
