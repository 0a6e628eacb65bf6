package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

func newTestHealth() *health { return &health{logger: slog.New(slog.DiscardHandler)} }

// B2B-SRV-030: a change is tried at most every few seconds, a failure shows until one
// succeeds, and one that does not come back shows, too.
func TestHealthTriesChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newTestHealth()
		tries := 0
		var fails error
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			return h.ask(ctx, func(context.Context) error { tries++; return fails })
		}
		for range 10 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		if tries != 1 {
			t.Errorf("%d changes were tried at once", tries)
		}
		fails = errors.New("no")
		time.Sleep(probeEvery)
		for range 10 {
			if err := ask(); !errors.Is(err, fails) {
				t.Errorf("a change fails: %v", err)
			}
		}
		if tries != 2 {
			t.Errorf("%d changes were tried", tries)
		}
		fails = nil
		time.Sleep(probeRetry)
		if err := ask(); err != nil {
			t.Errorf("a change succeeds again: %v", err)
		}
		time.Sleep(probeEvery)
		hang := make(chan struct{})
		slow := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			return h.ask(ctx, func(context.Context) error { <-hang; return nil })
		}
		if err := slow(); err != nil {
			t.Errorf("a change that is under way for a moment: %v", err)
		}
		time.Sleep(probeSlow)
		if err := slow(); err == nil {
			t.Error("a change that hangs counts as healthy")
		}
		close(hang)
		synctest.Wait()
		if err := slow(); err != nil {
			t.Errorf("it came back: %v", err)
		}
		h.note(&store.Outage{Full: true, Err: errors.New("full")})
		if err := slow(); err == nil {
			t.Error("a change found no room, and all is well")
		}
		time.Sleep(failingTime)
		if err := slow(); err != nil {
			t.Errorf("there is room again: %v", err)
		}
		h.note(fmt.Errorf("wrapped: %w", errDamaged))
		time.Sleep(time.Hour)
		if err := slow(); !errors.Is(err, errDamaged) {
			t.Errorf("damage is forgotten: %v", err)
		}
	})
}

// B2B-SRV-030: damage is found when the file is opened, and by reads.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b2b.db")
	open := func() *Store {
		s, err := Open(t.Context(), Config{URL: path})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	end := func(s *Store) {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	s := open()
	ctx := t.Context()
	if err := s.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "o", Name: "o", SecretHash: "h", Status: store.OrgActive})
	}); err != nil {
		t.Fatal(err)
	}
	payload := []byte(strings.Repeat("x", 300))
	if err := s.Update(ctx, "o", func(tx store.Tx) error {
		for range 2000 {
			if _, err := tx.Append(ctx, store.Event{Type: "e", Audience: store.AudienceOrg, Payload: payload}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("a database that is well: %v", err)
	}
	end(s)
	s = open()
	if err := s.Ping(ctx); err != nil {
		t.Errorf("opened again: %v", err)
	}
	end(s)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(whole) / 2; i < len(whole)-4096; i++ { // the rows of the log
		whole[i] = 0xa5
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer end(s)
	if err := s.Ping(ctx); !errors.Is(err, errDamaged) {
		t.Errorf("a damaged file: %v", err)
	}
	s.pool.health.damaged = nil // as if the file had been too large to be checked
	for seq := int64(0); seq < 2000; seq += 100 {
		if _, err := s.ReadLog(ctx, "o", seq, 100); err != nil {
			break
		}
	}
	if err := s.Ping(ctx); !errors.Is(err, errDamaged) {
		t.Errorf("a reader met the damage: %v", err)
	}
}

// B2B-SRV-030: a full database is unhealthy until there is room.
func TestFullDatabaseIsUnhealthy(t *testing.T) {
	t.Parallel()
	s := openShared(t)
	ctx := t.Context()
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	err := s.Update(ctx, "", func(store.Tx) error { return &store.Outage{Full: true, Err: errors.New("full")} })
	if err == nil {
		t.Fatal("the change is made")
	}
	var away *store.Outage
	if err := s.Ping(ctx); !errors.As(err, &away) || !away.Full {
		t.Errorf("without room: %v", err)
	}
}
