package sqlstore_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// meter counts what it receives.
type meter struct {
	mu         sync.Mutex
	batches    []int
	pipelines  []int
	statements map[string]int
	resolved   map[string]int
}

func (m *meter) Batch(changes int, _ time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, changes)
}

func (m *meter) Pipeline(statements int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pipelines = append(m.pipelines, statements)
}

func (m *meter) Statement(kind, table string) func(time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := kind + " " + table
	m.resolved[name]++
	return func(took time.Duration) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.statements[name]++; took <= 0 {
			m.statements["without a time"]++
		}
	}
}

// Statements are reported by kind and table with their time, and batches with their number of
// changes. What the cache of the writer has is no statement.
func TestMeter(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, url := range map[string]func(testing.TB) string{
		"sqlite": func(t testing.TB) string { return filepath.Join(t.TempDir(), "b2b.db") }, "postgres": pgtest.URL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &meter{statements: map[string]int{}, resolved: map[string]int{}}
			s, err := sqlstore.Open(ctx, sqlstore.Config{URL: url(t), Meter: m, Answer: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Update(ctx, "", func(tx store.Tx) error {
				return tx.CreateOrg(ctx, &store.Org{ID: "o", Name: "o", Status: store.OrgActive})
			}); err != nil {
				t.Fatal(err)
			}
			for range 3 { // the later two find the org in the cache
				if err := s.Update(ctx, "o", func(tx store.Tx) error {
					_, err := tx.Org(ctx, "o")
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			inChanges := m.statements["select orgs"]
			if _, err := s.Org(ctx, "o"); err != nil {
				t.Fatal(err)
			}
			if err := s.View(ctx, func(r store.Reader) error {
				_, err := r.Org(ctx, "o")
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(ctx, "o", func(tx store.Tx) error {
				_, err := tx.Append(ctx, store.Event{Type: "message", Audience: store.AudienceOrg, At: 1})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if all, most, err := s.LogBacklog(ctx); err != nil || all != 1 || most != 1 {
				t.Errorf("the index is %d events behind, %d in one log, %v; want 1", all, most, err)
			}
			if n, err := s.InboxCounts(ctx); err != nil || len(n.Deliveries) != 0 || n.OldestQueued != 0 {
				t.Errorf("without inboxes there are %v, %v", n, err)
			}
			stats := s.Stats()
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(m.batches) != 5 || m.batches[0] != 1 {
				t.Errorf("batches of %v changes, want five of 1", m.batches)
			}
			if inChanges < 1 || m.statements["select orgs"] != inChanges+2 {
				t.Errorf("%d reads of the org in changes, then %d, want two more", inChanges, m.statements["select orgs"])
			}
			hits := int64(2)
			if name == "postgres" { // the writer of an org ends when no change waits, and its cache with it
				hits = 0
			}
			if stats.CacheHits < hits || stats.CacheMisses < 1 || inChanges+int(stats.CacheHits) < 3 {
				t.Errorf("%d reads in three changes, and %+v", inChanges, stats)
			}
			if m.statements["control commit"] != 5 || m.statements["without a time"] > 0 {
				t.Errorf("the statements are %v", m.statements)
			}
			if postgres := name == "postgres"; postgres != (len(m.pipelines) > 0) || postgres && m.pipelines[0] < 2 {
				t.Errorf("pipelines of %v statements", m.pipelines)
			}
			for name, n := range m.resolved {
				if n != 1 {
					t.Errorf("%s was resolved %d times", name, n)
				}
			}
			if stats.Waiting != 0 || stats.Pool.MaxOpenConnections < 2 || stats.Reads.Slots < 2 || stats.Reads.InUse != 0 {
				t.Errorf("the numbers are %+v", stats)
			}
		})
	}
}
