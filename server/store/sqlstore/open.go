// Package sqlstore keeps the store in SQLite or PostgreSQL.
//
// The SQL is the same for both but for a handful of words (dialect). Rows are mapped
// by bun; values always travel as bound arguments of prepared statements, never
// inside the text, so that they arrive byte for byte.
//
// # SQLite
//
// One goroutine owns the one connection that writes. It takes all changes that wait,
// runs each under a savepoint and commits them together, so that one flush to disk
// (synchronous=FULL) serves all of them. Reads use other connections and are never
// in its way (WAL).
//
// # PostgreSQL
//
// Each organisation that has changes waiting has a writer, which does the same in a
// transaction that first takes the advisory lock of the organisation: so the changes
// of one organisation are in order on all nodes, and its log has no holes. Writes are
// held back and sent together with the next read (package pgpipe). When one of the
// changes fails after something of it was sent, the transaction is undone and the
// others run again without it.
//
// No caller waits for PostgreSQL for long (patience): every round trip is bounded, so is
// every wait for a turn, a lock or a connection, and what waits is bounded in number.
package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore/pgpipe"
)

// Config says what to open.
type Config struct {
	// URL is a PostgreSQL address (postgres://…) or the path of an SQLite file,
	// which is created with its folder when it is not there.
	URL string
	// Logger hears of what no caller is told; nil is silent.
	Logger *slog.Logger
	// Answer is how long PostgreSQL may leave a caller without an answer before the call
	// fails with a store.Outage (B2B-LIFE-030); 0 is 4.5 seconds.
	Answer time.Duration
	// Patient lifts the limits on time of PostgreSQL, for imports: nobody waits for them.
	Patient bool
	// MaxConns bounds the connections to the database; 0 is 8 for SQLite (its
	// readers, beside one for health) and 16 for PostgreSQL.
	MaxConns int
	// Payer names whose share of the connections a read takes: the organisation that the
	// context belongs to. nil: all reads are of one.
	Payer func(context.Context) string
	// CacheMB is how much the writer of SQLite keeps in memory; 0 is 4. Imports, which
	// write all over the file in one change, want more: what does not fit goes to disk
	// again and again.
	CacheMB int
	// Beside opens an SQLite file that a server may have, for tools which look at what it
	// does and write nothing. Others have the file alone (B2B-ENV-006).
	Beside bool
}

// IsPostgres tells whether a URL names a PostgreSQL server.
func IsPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Open connects, brings the schema up to date and starts the writer.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	if cfg.URL == "" {
		return nil, errors.New("open store: no database named")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if IsPostgres(cfg.URL) {
		return openPostgres(ctx, cfg)
	}
	return openSQLite(ctx, cfg)
}

// batchMax bounds how many changes are committed together.
const batchMax = 128

// queueMax bounds how many changes may wait; more callers wait for their turn to wait.
const queueMax = 4096

// database is a store over one of the dialects.
type database struct {
	reader
	pool     *pool
	writer   writer
	hooks    hooks
	patience patience // with PostgreSQL
	closed   func() error
	once     sync.Once
}

// writer runs changes one after the other in each organisation.
type writer interface {
	// submit hands a change over; job.done gets its result.
	submit(ctx context.Context, j *job) error
	// close waits for what was submitted and refuses more.
	close()
}

func (s *database) View(ctx context.Context, fn func(store.Reader) error) error {
	return outage(s.pool.view(ctx, fn))
}

func (s *database) Update(ctx context.Context, org string, fn func(store.Tx) error) (failed error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := newJob(org, fn)
	if err := s.writer.submit(ctx, j); err != nil {
		return err
	}
	defer func() { s.pool.health.note(failed) }()
	var late <-chan time.Time
	if s.patience.wait > 0 {
		timer := time.NewTimer(s.patience.wait)
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

func (s *database) OnCommit(fn func(org string, events []store.Event)) func() {
	return s.hooks.add(fn)
}

// Ping asks for something, over a connection of its own (B2B-LIM-021). On PostgreSQL it fails as well while changes fail.
func (s *database) Ping(ctx context.Context) error {
	q := "SELECT 1"
	if s.pool.d.postgres {
		q = "SELECT coalesce(max(version), 0) FROM schema_migrations"
	}
	var version int64
	err := s.pool.probe.QueryRowContext(ctx, q).Scan(&version)
	if pgpipe.IsCrowded(err) { // there is no connection left for us beside those of the pool
		err = s.pool.db.QueryRowContext(ctx, q).Scan(&version)
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

func (s *database) Close() error {
	var err error
	s.once.Do(func() {
		s.writer.close()
		s.pool.health.running.Wait()
		err = s.closed()
	})
	return err
}
