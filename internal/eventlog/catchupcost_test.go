package eventlog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// TestCatchUpCost: what a catch-up and its count read does not grow with the log (B2B-CATCH-009),
// by the databases' own counters, also when clocks were set and an import left rows, and on
// PostgreSQL with statistics of a log that was smaller.
func TestCatchUpCost(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		for _, clocks := range []string{"steady", "set"} {
			t.Run(name+"/"+clocks, func(t *testing.T) {
				t.Parallel()
				// A third of the large log is fewer than store.LogTailMax: as many events PostgreSQL
				// expects above a seq that it does not know.
				small := costs(t, url(t), 1200, clocks == "set")
				large := costs(t, url(t), 3600, clocks == "set")
				for what, cost := range large {
					plain, _ := strings.CutSuffix(what, oldStatistics)
					was := small[plain]
					t.Logf("%s: %d, with 3 times the events %d", what, was, cost)
					if what == "control" {
						if cost < 2*was {
							t.Errorf("the meter does not see that a whole log is read: %d, then %d", was, cost)
						}
						continue
					}
					// A binary search has 2 more steps in the larger log.
					if limit := was + was/4 + 60*steps(name); cost > limit {
						t.Errorf("%s costs %d, and with 3 times the events %d, more than %d", what, was, cost, limit)
					}
				}
			})
		}
	}
}

const (
	oldStatistics = ", with old statistics"
	oldEvents     = 1000 // events of the log when they were gathered
)

// steps is about how many steps of SQLite, or rows of PostgreSQL, one look into an index takes.
func steps(database string) int64 {
	if database == "sqlite" {
		return 12
	}
	return 1
}

// costs returns what questions cost in a log with a number of messages.
func costs(t *testing.T, url string, events int, set bool) map[string]int64 {
	fx := newFixtureOn(t, url)
	if sqlstore.IsPostgres(url) {
		sqltest.Execute(t, url, withoutAutovacuum)
	}
	fx.named = true
	c := fx.crowd()
	me := fx.bot(c.me)
	if set {
		for i := range 3 {
			fx.importRow(c.me, fmt.Sprint("i", i), int64(100-i), messagesOf("gone", 2, 100))
		}
		fx.importMany(c.bots[2], events/8)
	}
	old := sqlstore.IsPostgres(url) && events > oldEvents
	if old {
		fx.fill(c, oldEvents)
		analyze(t, url)
		events -= oldEvents
	}
	fx.fill(c, events/2)
	if set { // ahead by a month for a moment, then back by an hour
		fx.clock.Add(30 * 24 * time.Hour.Milliseconds())
		fx.post(c.threads[0], c.bots[3], "ahead")
		fx.clock.Add(-(30*24 + 1) * time.Hour.Milliseconds())
	}
	middle := fx.clock.Load()
	fx.fill(c, events/2)
	if err := fx.store.IndexLog(t.Context(), fx.org, 1<<20); err != nil {
		t.Fatal(err)
	}
	fx.fill(c, 200) // behind the index
	if err := fx.store.Close(); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	meter := sqltest.NewMeter(t, url)
	measure := func(what string, do func(s *sqlstore.Store) error) {
		t.Helper()
		out[what] = meter.Work(func(s *sqlstore.Store) {
			if err := do(s); err != nil {
				t.Error(err)
			}
		})
	}
	all := func(when string) {
		for what, since := range map[string]int64{"all": 0, "half": middle, "none": fx.clock.Load()} {
			measure("count "+what+when, func(s *sqlstore.Store) error {
				_, err := eventlog.Count(t.Context(), s, me, since)
				return err
			})
			measure("list "+what+when, func(s *sqlstore.Store) error {
				page, err := eventlog.CatchUp(t.Context(), s, me, since, "", 50)
				if err == nil && (len(page.Rows) == 0) != (what == "none" && !set) {
					err = fmt.Errorf("%d rows", len(page.Rows))
				}
				return err
			})
		}
	}
	if old {
		all(oldStatistics)
	}
	if sqlstore.IsPostgres(url) {
		analyze(t, url)
	}
	all("")
	measure("control", func(s *sqlstore.Store) error {
		_, err := s.ReadLog(t.Context(), fx.org, 0, 1<<20)
		return err
	})
	return out
}

// withoutAutovacuum keeps PostgreSQL from gathering statistics in the middle of a test: those of a
// part of the tables, or of a log that was small then, would decide how the large one is read, until
// the next time.
const withoutAutovacuum = `DO $$
DECLARE name regclass;
BEGIN
	FOR name IN SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace LOOP
		EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name);
	END LOOP;
END $$`

func analyze(t *testing.T, url string) {
	t.Helper()
	sqltest.Execute(t, url, "ANALYZE")
}

// TestCatchUpOfOlderLog: the log of an older version has no index. Each change indexes a part of
// it, and a catch-up what is left, except for a bounded part.
func TestCatchUpOfOlderLog(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url(t)
			fx := newFixtureOn(t, url)
			c := fx.crowd()
			fx.fill(c, 9000)
			me, since := fx.bot(c.me), fx.clock.Load()-5000
			answers := func() string {
				n, err := eventlog.Count(t.Context(), fx.store, me, since)
				if err != nil {
					t.Fatal(err)
				}
				page, err := eventlog.CatchUp(t.Context(), fx.store, me, since, "", 100)
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("%+v", n)
				for _, r := range page.Rows {
					text += fmt.Sprintf("\n%s x%d at %d", r.EventID, r.Count, r.OccurredAt)
				}
				return text
			}
			want := answers()
			if err := fx.store.Close(); err != nil {
				t.Fatal(err)
			}
			sqltest.Execute(t, url, "DELETE FROM log_index", "DELETE FROM log_streams", "DELETE FROM log_heads", "DELETE FROM log_runs",
				"UPDATE org_logs SET indexed_seq = 0, run_seq = 0, last_at = 0, skew = 0, ahead_at = 0")
			fx.store = sqltest.Open(t, url)
			behind := func(least int64) bool {
				orgs, err := fx.store.LogsBehind(t.Context(), least, "", 10)
				if err != nil {
					t.Fatal(err)
				}
				return len(orgs) > 0
			}
			top := fx.top()
			if !behind(top) {
				t.Error("there is an index before the first change")
			}
			fx.news()
			if behind(top-500) || !behind(top/2) {
				t.Error("a change did not index a part")
			}
			if got := answers(); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if behind(store.LogTailMax+1) || !behind(1) {
				t.Error("a catch-up did not index what it needs alone")
			}
		})
	}
}

// importMany appends rows of an old catch-up in one change.
func (fx *fixture) importMany(bot string, n int) {
	fx.update(fx.org, func(tx store.Tx) error {
		for i := range n {
			row := messagesOf("gone", 2, 100)
			row.EventId, row.OccurredAt = fmt.Sprint("m", i), timestamppb.New(time.UnixMilli(int64(i)))
			e, err := eventlog.ImportedRow(bot, row)
			if err != nil {
				return err
			}
			if _, err := tx.Append(context.Background(), e); err != nil {
				return err
			}
		}
		return nil
	})
}
