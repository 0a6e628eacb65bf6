package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

var smallOrg = scenario.Size{Seed: 1, Bots: 20, Threads: 30, Messages: 200}

// TestPlay: the operations come at their times though none ends before the last, and the time of an
// operation counts from when it was due.
func TestPlay(t *testing.T) {
	t.Parallel()
	const length = 300 * time.Millisecond
	org := scenario.New(smallOrg)
	want := 0
	for l := org.Load("play", 400, scenario.Mix); l.Next().At < length; {
		want++
	}
	if want >= players {
		t.Fatalf("%d operations need more players", want)
	}
	release := make(chan struct{})
	var began atomic.Int64
	p, err := play(t.Context(), org.Load("play", 400, scenario.Mix), length, func(ctx context.Context, op scenario.Op) error {
		if began.Add(1) == int64(want) {
			close(release)
		}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil || p.failed != 0 || p.lost != 0 || p.offered != want || p.done() != want {
		t.Fatalf("%+v, %v; want %d operations", p, err, want)
	}
	if slowest := p.all().slowest(); slowest < length/2 {
		t.Errorf("the first operation took %v, though it waited for the last", slowest)
	}
	if p.held(time.Millisecond) || !p.held(time.Hour) {
		t.Error("held does not compare the 99th percentile with the bound")
	}
	failing, err := play(t.Context(), org.Load("play", 400, scenario.Mix), length, func(_ context.Context, op scenario.Op) error {
		if op.N == 3 {
			return errors.New("a fault")
		}
		return nil
	})
	if err != nil || failing.failed != 1 || failing.done() != want-1 || failing.firstErr == nil || failing.held(time.Hour) {
		t.Errorf("one failure: %+v, %v", failing, err)
	}
}

func TestHighest(t *testing.T) {
	t.Parallel()
	for _, limit := range []float64{0, 2, 30, 100, 101, 799, 12_345} {
		tries := 0
		got, err := highest(100, func(rate float64) (bool, error) {
			tries++
			return rate <= limit, nil
		})
		if err != nil || got > limit || got < limit/1.1 || tries > 20 {
			t.Errorf("limit %v: %v after %d tries, %v", limit, got, tries, err)
		}
	}
	fault := errors.New("a fault")
	if _, err := highest(100, func(float64) (bool, error) { return false, fault }); !errors.Is(err, fault) {
		t.Errorf("an error of a try: %v", err)
	}
}

// TestWriteOld: the database to import has each object of the org once.
func TestWriteOld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	org := scenario.New(smallOrg)
	if err := writeOld(t.Context(), org, path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	participants := 0
	for i := range org.Threads {
		participants += len(org.Participants(i))
	}
	for table, want := range map[string]int{
		"orgs": 1, "bots": org.Bots, "threads": org.Threads, "thread_messages": org.Messages, "thread_participants": participants, "artifacts": org.Threads,
	} {
		var got, distinct int
		id := "id"
		if table == "thread_participants" {
			id = "thread_id || bot_id"
		}
		if err := db.QueryRow("SELECT count(*), count(DISTINCT "+id+") FROM "+table).Scan(&got, &distinct); err != nil {
			t.Fatal(err)
		}
		if got != want || distinct != want {
			t.Errorf("%s: %d rows, %d of them different, want %d", table, got, distinct, want)
		}
	}
	var alone int
	err = db.QueryRow(`SELECT count(*) FROM thread_messages m LEFT JOIN thread_participants p ON p.thread_id = m.thread_id AND p.bot_id = m.sender_id
		WHERE p.bot_id IS NULL`).Scan(&alone)
	if err != nil || alone != 0 {
		t.Errorf("%d messages of bots that are not in their thread, %v", alone, err)
	}
}
