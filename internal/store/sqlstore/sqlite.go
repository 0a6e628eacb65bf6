package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
	counts "github.com/b2b-protocol/b2b/internal/tally"
)

// sqliteAddress returns the data source name of a file. Its settings do not change the file.
// The page caches are small, so that an idle server is; the system caches the file anyway.
func sqliteAddress(path string, cacheKB int, pragmas ...string) string {
	v := url.Values{"_pragma": append([]string{
		"busy_timeout(10000)", "synchronous(FULL)", "foreign_keys(1)", "wal_autocheckpoint(4000)",
		fmt.Sprintf("cache_size(-%d)", cacheKB),
	}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

func openSQLite(ctx context.Context, cfg Config) (_ *Store, err error) {
	path := cfg.URL
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	release := func() error { return nil }
	if !cfg.Shared {
		if release, err = claim(ctx, path); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, release())
		}
	}()
	writeDB, err := sql.Open("sqlite", sqliteAddress(path, cmp.Or(cfg.CacheMB, 4)<<10))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, writeDB.Close())
		}
	}()
	writeDB.SetMaxOpenConns(1)
	conn, err := writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := prepareSQLite(ctx, conn, path, cfg.Logger); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	readDB, err := sql.Open("sqlite", sqliteAddress(path, 1024, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close())
	}
	conns := cfg.MaxConns
	if conns <= 0 {
		conns = 8 // one org may use half of them
	}
	readDB.SetMaxOpenConns(conns)
	readDB.SetMaxIdleConns(conns)
	probe, err := sql.Open("sqlite", sqliteAddress(path, 64, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), readDB.Close(), conn.Close())
	}
	probe.SetMaxOpenConns(1)

	d := newDialect(readDB, forSQLite)
	d.clock = newStopwatch(cfg.Meter)
	p := &pool{db: readDB, probe: probe, d: d, shares: newShares(cfg.Payer, conns), health: &health{logger: cfg.Logger}}
	s := &Store{reader: reader{c: p, d: d}, pool: p}
	s.hooks.versions.seed = maphash.MakeSeed()
	w := &sqliteWriter{
		conn: &sqliteConn{
			conn: conn, stmts: map[*statement]*sql.Stmt{}, changing: map[*statement]driver.StmtExecContext{}, cache: cache{lookups: &s.cached}, clock: d.clock,
		}, d: d, hooks: &s.hooks, logger: cfg.Logger, undone: undone(cfg.Logger),
		queue: make(chan *job, queueMax), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.writer = w
	checked := p.health.check(ctx, path, sqliteAddress(path, 1024, "query_only(1)"))
	s.closed = func() error {
		checked()
		return errors.Join(p.close(), w.conn.close(), writeDB.Close(), release())
	}
	go w.run()
	return s, nil
}

// journal turns the write-ahead log on.
var journal = controlOf(forSQLite, "PRAGMA journal_mode = WAL")

// prepareSQLite checks that a file is ours or new, removes the access of other users, turns
// the write-ahead log on, and migrates the schema.
func prepareSQLite(ctx context.Context, conn *sql.Conn, path string, log *slog.Logger) error {
	if err := checkOwner(ctx, conn, path); err != nil {
		return err
	}
	if err := restrictMode(path, log); err != nil {
		return fmt.Errorf("remove the access of other users: %w", err)
	}
	if _, err := conn.ExecContext(ctx, journal.text[forSQLite]); err != nil {
		return fmt.Errorf("set the write-ahead log: %w", err)
	}
	return migrate(ctx, conn, forSQLite)
}

// The commands of a batch.
var (
	begin         = control("BEGIN IMMEDIATE").inPostgres("BEGIN")
	commit        = control("COMMIT")
	rollback      = control("ROLLBACK")
	saveChange    = controlOf(forSQLite, "SAVEPOINT change")
	undoChange    = controlOf(forSQLite, "ROLLBACK TO change")
	releaseChange = controlOf(forSQLite, "RELEASE change")
	selectVersion = controlOf(forSQLite, "PRAGMA data_version")
)

// sqliteConn implements conn for the connection that writes.
type sqliteConn struct {
	conn     *sql.Conn
	stmts    map[*statement]*sql.Stmt              // those that return rows
	changing map[*statement]driver.StmtExecContext // those that do not
	values   []driver.NamedValue                   // buffer for the arguments of one statement
	cache    cache
	org      string // of the change that is running
	wrote    bool   // it has written
	changes  *changes
	deferred deferred
	clock    *stopwatch
}

// stmt prepares a statement that returns rows.
func (c *sqliteConn) stmt(q *statement) (*sql.Stmt, error) {
	if s := c.stmts[q]; s != nil {
		return s, nil
	}
	s, err := c.conn.PrepareContext(context.Background(), q.text[forSQLite])
	if err == nil {
		c.stmts[q] = s
	}
	return s, err
}

// query ignores ctx: the cancellation of one caller must not end the shared transaction.

func (c *sqliteConn) query(ctx context.Context, q *statement, args ...any) (rowSet, error) {
	return c.cache.query(q, args, func() (*sql.Rows, error) { return c.rows(ctx, q, args...) })
}

func (c *sqliteConn) rows(_ context.Context, q *statement, args ...any) (*sql.Rows, error) {
	if err := c.before(q); err != nil {
		return nil, err
	}
	if q.changes() { // … RETURNING
		c.writes(q, args)
	}
	return c.ask(q, args...)
}

// ask runs a query of the batch itself.
func (c *sqliteConn) ask(q *statement, args ...any) (*sql.Rows, error) {
	s, err := c.stmt(q)
	if err != nil {
		return nil, err
	}
	begun := c.clock.start()
	defer func() { c.clock.stop(q, begun) }()
	return s.QueryContext(context.Background(), args...)
}

func (c *sqliteConn) exec(_ context.Context, q *statement, args ...any) error {
	if c.deferred.add(q, args) {
		c.wrote = true
		c.changes.note(q, args)
		if q == touchThread {
			c.cache.touch(args, c.org)
		}
		if c.deferred.full() {
			return c.flush()
		}
		return nil
	}
	if err := c.before(q); err != nil {
		return err
	}
	c.writes(q, args)
	_, err := c.run(q, args)
	return err
}

func (c *sqliteConn) execNow(_ context.Context, q *statement, args ...any) (int64, error) {
	if err := c.before(q); err != nil {
		return 0, err
	}
	c.writes(q, args)
	res, err := c.run(q, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// before runs the deferred statements if q reads or changes one of their tables.
func (c *sqliteConn) before(q *statement) error {
	if c.deferred.before(q) {
		return c.flush()
	}
	return nil
}

// flush runs the deferred statements.
func (c *sqliteConn) flush() error {
	return c.deferred.write(func(q *statement, args []any) error {
		c.wrote = true
		c.cache.write(q)
		if _, err := c.run(q, args); err != nil {
			return failure(q, err)
		}
		return nil
	})
}

func (c *sqliteConn) writes(q *statement, args []any) {
	c.wrote = true
	c.changes.note(q, args)
	c.cache.write(q)
}

// run runs a statement that returns no rows. It calls the driver directly: package sql would take a
// microsecond for each to support cancellation and concurrent use.
func (c *sqliteConn) run(q *statement, args []any) (res driver.Result, err error) {
	c.values = c.values[:0]
	for i, arg := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.values = append(c.values, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	err = c.conn.Raw(func(conn any) error {
		s := c.changing[q]
		if s == nil {
			if s, err = prepare(conn, q); err != nil {
				return err
			}
			c.changing[q] = s
		}
		begun := c.clock.start()
		defer func() { c.clock.stop(q, begun) }()
		exec := s.ExecContext // of a prepared statement: it takes no text
		res, err = exec(context.Background(), c.values)
		return err
	})
	return res, err
}

// prepare prepares a statement on a connection of the driver.
func prepare(conn any, q *statement) (driver.StmtExecContext, error) {
	c, ok := conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, fmt.Errorf("%T prepares no statements", conn)
	}
	s, err := c.PrepareContext(context.Background(), q.text[forSQLite])
	if err != nil {
		return nil, err
	}
	if s, ok := s.(driver.StmtExecContext); ok {
		return s, nil
	}
	return nil, errors.Join(fmt.Errorf("%T runs no statements", s), s.Close())
}

// plain runs a statement without arguments.
func (c *sqliteConn) plain(q *statement) error {
	_, err := c.run(q, nil)
	return err
}

func (c *sqliteConn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	if len(c.changing) > 0 {
		errs = append(errs, c.conn.Raw(func(any) (err error) {
			for _, s := range c.changing {
				err = errors.Join(err, s.(driver.Stmt).Close())
			}
			return err
		}))
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

// sqliteWriter commits waiting changes together.
type sqliteWriter struct {
	conn    *sqliteConn
	d       *dialect
	hooks   *hooks
	logger  *slog.Logger
	undone  *counts.Log // batches that could not be committed as one
	queue   chan *job
	turns   fairQueue    // changes that do not fit into the batch
	held    atomic.Int64 // those that wait in turns
	mu      sync.RWMutex // read-locked while a job is submitted
	closing bool
	stop    chan struct{}
	stopped chan struct{}
}

func (w *sqliteWriter) submit(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closing {
		return store.ErrClosed
	}
	select {
	case w.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *sqliteWriter) close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	close(w.stop)
	<-w.stopped
}

// run commits the waiting changes, up to batchMax at a time.
func (w *sqliteWriter) run() {
	batch := make([]*job, 0, batchMax)
	finished := false
	defer func() {
		if finished {
			close(w.stopped)
			return
		}
		w.conn.cache.reset()
		w.conn.deferred = deferred{}
		if err := w.conn.plain(rollback); err != nil {
			w.logger.Error("roll back a change that called runtime.Goexit", "error", err)
		}
		fail(batch, errExit)
		go w.run()
	}()
	for {
		batch = batch[:0]
		if w.turns.n == 0 {
			j, more := w.first()
			if !more {
				finished = true
				return
			}
			batch = append(batch, j)
		}
		// Let other goroutines submit their changes first: a commit costs the same for many
		// as for one. When no goroutine is ready to run, this costs nothing.
		for waiting := -1; waiting < len(w.queue) && len(w.queue) < batchMax; {
			waiting = len(w.queue)
			runtime.Gosched()
		}
		batch = w.fill(batch)
		w.held.Store(int64(w.turns.n))
		if batch = taken(batch); len(batch) > 0 {
			w.commit(batch)
		}
	}
}

// first waits for a change. It returns false when the writer is closed and none is left.
func (w *sqliteWriter) first() (*job, bool) {
	select {
	case j := <-w.queue:
		return j, true
	case <-w.stop:
	}
	select {
	case j := <-w.queue:
		return j, true
	default:
		return nil, false
	}
}

// fill adds waiting changes to a batch: all of them if they fit, else one of each org in turn.
func (w *sqliteWriter) fill(batch []*job) []*job {
	if w.turns.n == 0 && len(w.queue) <= batchMax-len(batch) {
		for len(batch) < batchMax {
			select {
			case j := <-w.queue:
				batch = append(batch, j)
			default:
				return batch
			}
		}
		return batch
	}
	for _, j := range batch {
		w.turns.add(j)
	}
	for w.turns.n < fairQueueMax {
		select {
		case j := <-w.queue:
			w.turns.add(j)
			continue
		default:
		}
		break
	}
	return w.turns.take(batch[:0], batchMax)
}

// commit runs the jobs in one transaction, and if that cannot be committed, in one each.
func (w *sqliteWriter) commit(jobs []*job) {
	results := make([]error, len(jobs))
	begun := w.d.clock.start()
	b := &sqliteBatch{w: w, logs: map[string]*orgLog{}, changes: map[string]*changes{}}
	err := b.run(jobs, results)
	if errors.Is(err, errUndo) {
		b = &sqliteBatch{w: w, logs: map[string]*orgLog{}, changes: map[string]*changes{}, savepoints: true}
		err = b.run(jobs, results)
	}
	switch {
	case err == nil:
		w.d.clock.batch(len(jobs), begun)
		w.undone.Flush()
		for _, org := range b.order {
			w.hooks.committed(org, b.changes[org])
			w.hooks.call(org, b.logs[org].events)
		}
		for i, j := range jobs {
			j.done <- results[i]
		}
	case len(jobs) == 1:
		jobs[0].done <- err
	default:
		w.undone.Count("commit", "changes", len(jobs), "error", err)
		for _, j := range jobs {
			w.commit([]*job{j})
		}
	}
}

// sqliteBatch is one transaction of several changes. A change rarely fails after it has
// written, so a batch first runs without savepoints. When one does, the batch is rolled back
// and run again with a savepoint for each change.
type sqliteBatch struct {
	w          *sqliteWriter
	logs       map[string]*orgLog
	changes    map[string]*changes
	order      []string // orgs in order of appearance
	savepoints bool
}

// errUndo reports that a change failed after it had written, in a batch without savepoints.
var errUndo = errors.New("store: one change of the batch must be undone")

// run sets the result of each job. An error means that nothing was committed.
func (b *sqliteBatch) run(jobs []*job, results []error) error {
	c := b.w.conn
	if err := c.plain(begin); err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	err := b.w.begin()
	if err == nil {
		err = b.runAll(jobs, results)
	}
	if err == nil {
		if err = c.plain(commit); err == nil {
			return nil
		}
		err = fmt.Errorf("store: commit: %w", err)
	}
	c.cache.reset()
	c.deferred = deferred{}
	if failed := c.plain(rollback); failed != nil {
		b.w.logger.Debug("rollback", "error", failed) // SQLite has already rolled back
	}
	return err
}

func (b *sqliteBatch) runAll(jobs []*job, results []error) error {
	c := b.w.conn
	for i, j := range jobs {
		l := b.logs[j.org]
		if l == nil {
			l = &orgLog{}
			b.logs[j.org] = l
			b.changes[j.org] = &changes{}
			b.order = append(b.order, j.org)
		}
		if len(jobs) == 1 {
			if err := b.change(j, l); err != nil {
				return err
			}
			return b.save()
		}
		if b.savepoints {
			if err := c.plain(saveChange); err != nil {
				return err
			}
		}
		m, held := l.mark(), c.deferred.mark()
		results[i] = b.change(j, l)
		switch {
		case results[i] == nil:
		case !b.savepoints && c.wrote:
			return errUndo
		default:
			l.reset(m)
			c.deferred.reset(held)
			if b.savepoints {
				if err := c.plain(undoChange); err != nil {
					return err
				}
			}
		}
		if b.savepoints {
			if err := c.flush(); err != nil { // else the rollback of a later change would discard them
				return err
			}
			if err := c.plain(releaseChange); err != nil {
				return err
			}
		}
	}
	return b.save()
}

func (b *sqliteBatch) change(j *job, l *orgLog) error {
	c := b.w.conn
	c.org, c.wrote, c.changes = j.org, false, b.changes[j.org]
	t := newTx(c, b.w.d, j.org, l, &c.cache)
	defer func() { t.dead = true }()
	err := call(j.fn, t)
	if err != nil && c.wrote {
		c.cache.drop() // it may hold rows that are about to be rolled back
	}
	return err
}

// begin empties the cache if another process has written to the file.
func (w *sqliteWriter) begin() error {
	rows, err := w.conn.ask(selectVersion)
	if err != nil {
		return fmt.Errorf("store: data version: %w", err)
	}
	version := int64(noVersion)
	if rows.Next() {
		err = rows.Scan(&version)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("store: data version: %w", err)
	}
	if known := w.conn.cache.version; known != noVersion && known != version && w.conn.cache.results != nil {
		w.hooks.committed("", &everything) // another program changed the file
	}
	w.conn.cache.begin(version, 0)
	return nil
}

// save writes the state of the logs.
func (b *sqliteBatch) save() error {
	b.w.conn.changes = nil
	if err := b.w.conn.flush(); err != nil {
		return fmt.Errorf("store: run deferred statements: %w", err)
	}
	for _, org := range b.order {
		if err := b.logs[org].save(context.Background(), reader{c: b.w.conn, d: b.w.d}, org, &b.w.conn.cache.waiting); err != nil {
			return fmt.Errorf("store: end of log: %w", err)
		}
	}
	return nil
}
