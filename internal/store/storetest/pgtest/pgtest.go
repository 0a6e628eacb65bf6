// Package pgtest gives tests a PostgreSQL database of their own.
//
// The first test that asks starts a private server with Debian's binaries in a
// temporary folder, reachable through a socket in it. All tests of the process share
// the server; each gets a fresh database, copied from one that is migrated. The
// server is bound to the process by a pipe: it stops and removes its folder when the
// process ends, however it ends.
//
// B2B_TEST_POSTGRES_URL names an external server to use instead; its user must be
// allowed to create databases. Where there is neither, tests are skipped with the
// reason, but with CI=true they fail.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// Env names an external server.
const Env = "B2B_TEST_POSTGRES_URL"

// URL returns the address of a fresh database with the current schema, which is
// dropped at the end of the test. The server does not flush to disk.
func URL(t testing.TB) string {
	t.Helper()
	return fast.database(t, true)
}

// EmptyURL is URL without the schema.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return fast.database(t, false)
}

// DurableURL is URL on a server that flushes to disk as in production: for benchmarks
// and for tests that kill.
func DurableURL(t testing.TB) string {
	t.Helper()
	return durable.database(t, true)
}

// The servers of this process, started when first asked for.
var (
	fast    = &server{base: memory, settings: []string{"fsync=off", "full_page_writes=off"}, copying: " STRATEGY file_copy"}
	durable = &server{base: disk}
)

// server is one PostgreSQL server and the template of its databases.
type server struct {
	base     func() string // folder of the private server
	settings []string
	copying  string // how databases are copied from the template
	start    sync.Once
	admin    string // address of a database to create others from
	err      error

	mu       sync.Mutex // one CREATE DATABASE at a time
	template string
	count    atomic.Int64
}

func (s *server) database(t testing.TB, migrated bool) string {
	t.Helper()
	s.start.Do(func() {
		if s.admin = os.Getenv(Env); s.admin == "" {
			s.admin, s.err = run(s.base(), s.settings)
		} else {
			s.copying = "" // it may be older than the word
		}
	})
	if s.err != nil {
		unavailable(t, s.err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name, err := s.create(ctx, migrated)
	if err != nil {
		t.Fatalf("make a PostgreSQL database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the PostgreSQL database: %v", err)
		}
	})
	address, err := withDatabase(s.admin, name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// unavailable skips the test, or fails it in CI.
func unavailable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("no PostgreSQL for the tests: %v", err)
	}
	t.Skipf("no PostgreSQL for the tests: %v", err)
}

// create creates a database and returns its name.
func (s *server) create(ctx context.Context, migrated bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if migrated && s.template == "" {
		name := s.name("template")
		if err := s.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
			return "", err
		}
		address, err := withDatabase(s.admin, name)
		if err != nil {
			return "", err
		}
		st, err := sqlstore.Open(ctx, sqlstore.Config{URL: address})
		if err != nil {
			return "", err
		}
		if err := st.Close(); err != nil {
			return "", err
		}
		s.template = name
	}
	template := "template0"
	if migrated {
		template = s.template
	}
	name := s.name("test")
	return name, s.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+s.copying)
}

func (s *server) name(kind string) string {
	return fmt.Sprintf("b2b_%s_%d_%d", kind, os.Getpid(), s.count.Add(1))
}

func (s *server) exec(ctx context.Context, text string) error {
	c, err := pgconn.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, text).ReadAll()
	if closeErr := c.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

// withDatabase names another database of the same server.
func withDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return "", fmt.Errorf("%s must be a postgres:// URL", Env)
	}
	u.Path = "/" + name
	return u.String(), nil
}
