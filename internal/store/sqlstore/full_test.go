package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// A full disk, for which the limit of SQLite's own pages stands in: changes are
// refused as an outage, what was acknowledged stays and can be read, and all goes on
// when there is room again.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "o", Name: "o", SecretHash: "h", Status: store.OrgActive})
	}); err != nil {
		t.Fatal(err)
	}
	conn := s.writer.(*sqliteWriter).conn
	room := func(pages int) { // while nothing is written
		rows, err := conn.ask(control(fmt.Sprintf("PRAGMA max_page_count = %d", pages)))
		if err == nil {
			rows.Next()
			err = errors.Join(rows.Err(), rows.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	payload := []byte(strings.Repeat("x", 10_000))
	add := func() error {
		return s.Update(ctx, "o", func(tx store.Tx) error {
			_, err := tx.Append(ctx, store.Event{Type: "e", Payload: payload})
			return err
		})
	}
	room(300)
	var done int64
	for err = add(); err == nil; err = add() {
		done++
	}
	for range 3 {
		var outage *store.Outage
		if err := add(); !errors.As(err, &outage) || !outage.Full || outage.Unknown {
			t.Fatalf("without room: %v", err)
		}
	}
	results := make(chan error, 8) // in batches too
	for range cap(results) {
		go func() { results <- add() }()
	}
	for range cap(results) {
		var outage *store.Outage
		if err := <-results; !errors.As(err, &outage) || !outage.Full {
			t.Errorf("without room, many at once: %v", err)
		}
	}
	count := func() int64 {
		events, err := s.ReadLog(ctx, "o", 0, 10_000)
		top, topErr := s.LogTop(ctx, "o")
		if err := errors.Join(err, topErr); err != nil || top.Seq != int64(len(events)) {
			t.Fatalf("%d events below seq %d: %v", len(events), top.Seq, err)
		}
		return top.Seq
	}
	if n := count(); n != done || done == 0 {
		t.Errorf("%d events are there, %d were acknowledged", n, done)
	}
	room(1 << 20)
	if err := add(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := count(); n != done+1 {
		t.Errorf("%d events are there, %d were acknowledged", n, done+1)
	}
}
