package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// shortAnswer is the limit of the tests, where a server has 4.5 seconds. On a busy machine
// nothing that works may come near it.
const shortAnswer = 3 * time.Second

// soon is what a busy machine needs to notice that shortAnswer is over.
const soon = 10 * time.Second

// hasty opens a store that answers within shortAnswer, until the test ends, and adds orgs.
func hasty(t *testing.T, url string, orgs ...string) *sqlstore.Store {
	t.Helper()
	return opened(t, sqlstore.Config{URL: url, Answer: shortAnswer}, orgs...)
}

// opened is a store until the test ends, with these orgs.
func opened(t *testing.T, cfg sqlstore.Config, orgs ...string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, s) })
	for _, org := range orgs {
		add(t, s, org)
	}
	return s
}

func write(s *sqlstore.Store, org, name string) error {
	ctx := context.Background()
	return s.Update(ctx, org, func(tx store.Tx) error {
		_, err := tx.Append(ctx, store.Event{Type: name})
		return err
	})
}

// away asserts that an error is an outage of which it is known that nothing was done.
func away(t *testing.T, what string, err error) {
	t.Helper()
	var o *store.Outage
	if !errors.As(err, &o) || o.Unknown || o.Full {
		t.Errorf("%s: %v", what, err)
	}
}

// times counts the events of a log by type.
func times(t *testing.T, s *sqlstore.Store, org string) map[string]int {
	t.Helper()
	events, err := s.ReadLog(t.Context(), org, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range events {
		count[e.Type]++
	}
	return count
}

// session is a connection that is nobody's store.
func session(t testing.TB, url string) func(text string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return func(text string) {
		t.Helper()
		if _, err := c.Exec(ctx, text).ReadAll(); err != nil {
			t.Error(err)
		}
	}
}

// B2B-LIFE-030: connections that go silent while new ones work, as after a failover behind
// a proxy, cost no write: it is made on another connection, once. The limits are those of a
// server.
func TestPostgresSilentConnections(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.URL(t))
	s := opened(t, sqlstore.Config{URL: proxy.URL}, "org")
	var all sync.WaitGroup
	for i := range 16 { // many connections
		all.Go(func() { add(t, s, fmt.Sprint("org", i)) })
	}
	all.Wait()
	proxy.Silence(false)
	begun := time.Now()
	if err := write(s, "org", "silent"); err != nil {
		t.Error(err)
	}
	if _, err := s.LogTop(t.Context(), "org"); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("took %v", took)
	}
	proxy.Silence(false)
	begun = time.Now()
	if _, err := s.LogTop(t.Context(), "org"); err != nil { // the first one that notices
		t.Error(err)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("a read took %v", took)
	}
	proxy.Speak() // what was sent before arrives at a transaction that is over
	if err := write(s, "org", "after"); err != nil {
		t.Error(err)
	}
	if got := times(t, s, "org"); got["silent"] != 1 || got["after"] != 1 {
		t.Errorf("kept %v", got)
	}
}

// B2B-LIFE-030, 033: while the database is silent, every call has an answer in time, those
// that are too many at once, and health says so. When it speaks again, so does the store;
// what was answered with an outage was not done.
func TestPostgresSilentDatabase(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.URL(t))
	s := hasty(t, proxy.URL, "org", "other")
	proxy.Silence(true)
	const calls = 1500
	begun := time.Now()
	var all sync.WaitGroup
	var unknown, prompt atomic.Int64
	call := func(org string, fn func() error) {
		all.Go(func() {
			start := time.Now()
			err := fn()
			var o *store.Outage
			if !errors.As(err, &o) || o.Full {
				t.Errorf("%s: %v", org, err)
				return
			}
			if o.Unknown {
				unknown.Add(1)
			}
			if time.Since(start) < 100*time.Millisecond {
				prompt.Add(1)
			}
		})
	}
	call("org", func() error { return write(s, "org", "first") })
	call("ping", func() error {
		if err := s.Ping(t.Context()); err == nil {
			return errors.New("health is fine")
		}
		return &store.Outage{}
	})
	time.Sleep(1100 * time.Millisecond) // Sleeps: without any response for a second, the database counts as silent.
	for i := range calls {
		org := []string{"org", "other"}[i%2]
		call(org, func() error { return write(s, org, "more") })
		call(org, func() error { _, err := s.LogTop(context.Background(), org); return err })
	}
	all.Wait()
	if took := time.Since(begun); took > soon {
		t.Errorf("the last answer came after %v", took)
	}
	if prompt.Load() < calls {
		t.Errorf("%d of %d calls were refused at once", prompt.Load(), 2*calls)
	}
	proxy.Speak()
	if !waittest.Within(soon, func() bool { return write(s, "org", "after") == nil }) {
		t.Fatal("writes fail after the silence")
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := times(t, s, "org"); unknown.Load() == 0 && (got["first"]+got["more"] != 0 || got["after"] != 1) {
		t.Errorf("kept %v", got)
	}
}

// A commit that is not answered in time may have been made: that is said.
func TestPostgresSilentCommit(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.URL(t))
	s := hasty(t, proxy.URL, "org")
	ctx := context.Background()
	err := s.Update(ctx, "org", func(tx store.Tx) error {
		proxy.Silence(true)
		_, err := tx.Append(ctx, store.Event{Type: "e"})
		return err
	})
	var o *store.Outage
	if !errors.As(err, &o) || !o.Unknown {
		t.Errorf("a commit without an answer: %v", err)
	}
	proxy.Speak()
}

// B2B-LIFE-032: locks held on many orgs do not keep other orgs from writing.
func TestPostgresLocksOfOthers(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := hasty(t, url, "free")
	const locked = 40
	holder := session(t, url)
	holder("BEGIN")
	for i := range locked {
		org := fmt.Sprint("org", i)
		add(t, s, org)
		holder(fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockKey(org)))
	}
	var waiting sync.WaitGroup
	for i := range locked {
		waiting.Go(func() { away(t, "of a locked org", write(s, fmt.Sprint("org", i), "e")) })
	}
	var longest time.Duration
	for i := range 20 {
		begun := time.Now()
		if err := write(s, "free", "e"); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		longest = max(longest, took)
		if took > soon/4 {
			t.Errorf("write %d took %v", i, took)
		}
	}
	t.Logf("a write took %v at most", longest)
	waiting.Wait()
	holder("ROLLBACK")
	for i := range locked {
		if err := write(s, fmt.Sprint("org", i), "e"); err != nil {
			t.Error(err)
		}
	}
}

// B2B-ERR-005: a database that is read-only is an outage of writes, and no longer than it
// lasts, whatever the sessions were that began meanwhile.
func TestPostgresReadOnly(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	admin := session(t, url)
	s := hasty(t, url, "org")
	set := func(value string) {
		admin("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = " + value + "', current_database()); END $$")
	}
	admin("SET default_transaction_read_only = off")
	set("on")
	admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	for range 3 {
		away(t, "read-only", write(s, "org", "e"))
	}
	if _, err := s.LogTop(t.Context(), "org"); err != nil {
		t.Error(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("health is fine while nothing can be written")
	}
	set("off")
	if err := write(s, "org", "e"); err != nil {
		t.Errorf("right after it ended: %v", err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// B2B-ENV-051: a node makes no changes after a newer program has changed the schema.
func TestPostgresNewerSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := opened(t, sqlstore.Config{URL: url}, "org")
	admin := session(t, url)
	admin("INSERT INTO schema_migrations (version, name, applied_at) VALUES (999, 'newer', 0)")
	for _, org := range []string{"org", ""} {
		var o *store.Outage
		err := s.Update(t.Context(), org, func(store.Tx) error { t.Error("a change ran"); return nil })
		if !errors.As(err, &o) || !o.Newer {
			t.Errorf("org %q: %v", org, err)
		}
	}
	if _, err := s.LogTop(t.Context(), "org"); err != nil {
		t.Errorf("reading: %v", err)
	}
	var o *store.Outage
	if err := s.Ping(t.Context()); !errors.As(err, &o) || !o.Newer {
		t.Errorf("health: %v", err)
	}
	admin("DELETE FROM schema_migrations WHERE version = 999")
	if err := write(s, "org", "e"); err != nil {
		t.Error(err)
	}
	add(t, s, "another")
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// B2B-LIFE-034: a role with fewer connections than the pool has costs no call.
func TestPostgresFewConnections(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	admin := session(t, url)
	role := fmt.Sprintf("few_%d", time.Now().UnixNano())
	admin("CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 3")
	admin("GRANT pg_read_all_data, pg_write_all_data TO " + role)
	s := open(t, url+"&user="+role)
	t.Cleanup(func() { admin("DROP ROLE " + role) })
	defer closing(t, s)
	const orgs = 24
	var all sync.WaitGroup
	for i := range orgs {
		all.Go(func() {
			org := fmt.Sprint("org", i)
			add(t, s, org)
			for range 10 {
				if err := write(s, org, "e"); err != nil {
					t.Error(err)
				}
				if _, err := s.LogTop(context.Background(), org); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
			}
		})
	}
	all.Wait()
}

// B2B-ENV-050: a pooler for transactions is refused at the start; a way to the database
// that keeps sessions is not.
func TestPostgresPooler(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: pgtest.NewPooler(t, url)})
	if err == nil {
		closing(t, s)
		t.Fatal("a pooler for transactions was taken")
	}
	if !errors.Is(err, pgpipe.ErrShared) {
		t.Error(err)
	}
	closing(t, open(t, pgtest.NewProxy(t, url).URL))
}
