// Package sqlstore keeps the store in SQLite or PostgreSQL.
//
// Statements are values that declare their kind and tables (statement, family), the same for both
// databases except for a few expressions. Values that callers give are always
// bound arguments of prepared statements, never part of the text.
//
// # SQLite
//
// One goroutine owns the only connection that writes. It takes all waiting changes and commits
// them together, so that one flush to disk (synchronous=FULL) serves all of them. Reads use
// other connections, and neither block it nor wait for it (WAL).
//
// # PostgreSQL
//
// Each org that has waiting changes has a goroutine that does the same. Its transaction first
// takes the advisory lock of the org: so the changes of one org are in order on all nodes, and
// its log has no gaps. Writes are deferred and sent together with the next read (package
// pgpipe). When a change fails after some of its statements were sent, the transaction is
// rolled back and the other changes run again without it.
//
// Every round trip to PostgreSQL has a time limit, and so has every wait for a share, a lock
// or a connection (timeouts). The number of waiting calls is bounded.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
	"github.com/b2b-protocol/b2b/internal/tracing"
)

// Config selects the database and its limits.
type Config struct {
	// URL is a PostgreSQL address (postgres://…) or the path of an SQLite file,
	// which is created with its folder when it is not there.
	URL string
	// Logger receives the errors that no caller gets; nil discards them.
	Logger *slog.Logger
	// Answer is how long a call waits for PostgreSQL before it fails with a store.Outage
	// (B2B-LIFE-030); 0 is 4.5 seconds.
	Answer time.Duration
	// NoTimeouts removes the time limits for PostgreSQL, for imports, which have no callers.
	NoTimeouts bool
	// MaxConns bounds the connections to the database; 0 is 8 for SQLite (its
	// readers, beside one for health) and 16 for PostgreSQL.
	MaxConns int
	// Payer returns the org that a context belongs to: the read counts against its share of
	// the connections. nil: all reads have one share.
	Payer func(context.Context) string
	// Meter receives measurements; nil: nothing is measured.
	Meter Meter
	// Tracer records a span for each change of a recorded call; nil: none.
	Tracer *tracing.Tracer
	// CacheMB is the size of the page cache of the writer of SQLite; 0 is 4. Imports need
	// more, as one change of theirs writes pages all over the file: pages that do not fit are
	// written to disk repeatedly.
	CacheMB int
	// Shared opens an SQLite file that a server may have open, for tools that only read it.
	// Without it the file is opened exclusively (B2B-ENV-006).
	Shared bool
}

// IsPostgres reports whether a URL names a PostgreSQL server.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Open connects, migrates the schema and starts the writer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.URL == "" {
		return nil, errors.New("open store: no database is configured")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	open := openSQLite
	if IsPostgres(cfg.URL) {
		open = openPostgres
	}
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.tracer = cfg.Tracer
	return s, nil
}

// batchMax bounds how many changes are committed together.
const batchMax = 128

// queueMax bounds how many changes are queued; further callers block until there is room.
const queueMax = 4096

// Store is an open database in SQLite or PostgreSQL. Its methods may be called by many goroutines.
type Store struct {
	reader
	pool     *pool
	writer   writer
	hooks    hooks
	timeouts timeouts // with PostgreSQL
	cached   lookups
	tracer   *tracing.Tracer
	closed   func() error
	once     sync.Once
}

// writer runs changes one after the other in each org.
type writer interface {
	// submit queues a change; job.done receives its result.
	submit(ctx context.Context, j *job) error
	// close waits for the submitted changes and refuses new ones.
	close()
}

func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	return outage(s.pool.view(ctx, fn))
}

func (s *Store) Update(ctx context.Context, org string, fn func(store.Tx) error) (failed error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := newJob(org, fn)
	if err := s.writer.submit(ctx, j); err != nil {
		return err
	}
	defer func() {
		s.pool.health.note(failed)
		if s.tracer.Records(ctx) && !j.began.IsZero() {
			s.traceCommit(ctx, j)
		}
	}()
	var late <-chan time.Time
	if s.timeouts.wait > 0 {
		timer := time.NewTimer(s.timeouts.wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case err := <-j.done:
		return outage(err)
	case <-ctx.Done():
		if j.cancel() {
			return ctx.Err()
		}
	case <-late:
		if j.cancel() {
			return &store.Outage{Err: errLate}
		}
	}
	return outage(<-j.done)
}

// OnCommit is [store.Store.OnCommit].
func (s *Store) OnCommit(fn func(org string, events []store.Event)) func() {
	return s.hooks.add(fn)
}

// ping shows that the database responds. PostgreSQL returns the version of the schema.
var ping = control("SELECT 1").inPostgres("SELECT coalesce(max(version), 0) FROM schema_migrations")

// Ping runs a query over a connection of its own (B2B-LIM-021). On PostgreSQL it also fails
// while changes fail.
func (s *Store) Ping(ctx context.Context) error {
	var version int64
	err := s.pool.probe.QueryRowContext(ctx, ping.text[s.pool.d.database]).Scan(&version)
	if pgpipe.IsCrowded(err) { // the server has no connection left beside those of our pool
		err = s.pool.db.QueryRowContext(ctx, ping.text[s.pool.d.database]).Scan(&version)
	}
	if err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	if w, ok := s.writer.(*pgWriter); ok {
		if err := w.health(version); err != nil {
			return err
		}
	}
	return s.pool.health.ask(ctx, s.tryChange)
}

func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.writer.close()
		s.pool.health.running.Wait()
		err = s.closed()
	})
	return err
}
