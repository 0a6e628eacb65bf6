package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
	counts "github.com/b2b-protocol/b2b/internal/tally"
)

// connectionsDefault is the number of a node's connections, without the two of its notifier
// and the one for its health.
const connectionsDefault = 16

func openPostgres(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := preparePostgres(ctx, cfg.URL); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	timeouts := newTimeouts(cfg)
	connector, err := pgpipe.NewConnector(cfg.URL, timeouts.session())
	if err != nil {
		return nil, err
	}
	schema, err := schemaVersion()
	if err != nil {
		return nil, err
	}
	conns := cfg.MaxConns
	if conns <= 0 {
		conns = connectionsDefault
	}
	conns = max(conns, 2) // one to read while one writes
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	probe := sql.OpenDB(connector)
	probe.SetMaxOpenConns(1)
	d := newDialect(db, forPostgres)
	if d.clock = newStopwatch(cfg.Meter); d.clock != nil {
		connector.Sent = cfg.Meter.Pipeline
	}
	p := &pool{db: db, probe: probe, d: d, reads: &pgReads{timeouts: timeouts, connector: connector},
		shares: newShares(cfg.Payer, max(conns*3/4, 1)), health: &health{logger: cfg.Logger}} // changes have the rest at least
	s := &Store{reader: reader{c: p, d: d}, pool: p, timeouts: timeouts}
	s.hooks.versions.seed = maphash.MakeSeed()
	s.writer = &pgWriter{
		db: db, d: d, lookups: &s.cached, hooks: &s.hooks, logger: cfg.Logger, undone: undone(cfg.Logger), orgs: map[string]*pgOrg{}, timeouts: timeouts, connector: connector, schema: schema,
		places: make(chan struct{}, queueMax), conns: make(chan struct{}, max(conns/2, 1)), blocked: make(chan struct{}, max(conns/8, 1)),
		failing: map[string]time.Time{},
		frozen:  frozenSessions{after: timeouts.silence, logger: cfg.Logger},
	}
	s.closed = p.close
	return s, nil
}

// preparePostgres checks that no pooler shares sessions between connections, and migrates the
// schema, without a time limit.
func preparePostgres(ctx context.Context, url string) error {
	connector, err := pgpipe.NewConnector(url, pgpipe.Limits{})
	if err != nil {
		return err
	}
	checking, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if _, err := retryCrowded(checking, func() (struct{}, error) { return struct{}{}, connector.CheckSessions(checking) }); err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(migrate(ctx, conn, forPostgres), conn.Close(), db.Close())
}

// checkTime bounds the check of sessions.
const checkTime = 15 * time.Second

// pgWriter runs a goroutine for each org that has changes waiting.
type pgWriter struct {
	db        *sql.DB
	d         *dialect
	hooks     *hooks
	logger    *slog.Logger
	lookups   *lookups
	undone    *counts.Log // batches that could not be committed as one
	timeouts  timeouts
	connector *pgpipe.Connector
	schema    int64         // the version of the schema that this program knows
	places    chan struct{} // bounds the waiting changes
	conns     chan struct{} // bounds the connections that write
	blocked   chan struct{} // bounds the connections that try a lock again

	platform atomic.Uint64  // counts the batches of the platform that this node committed
	outdated atomic.Bool    // the schema is newer
	frozen   frozenSessions // sessions that hold locks and do not go on

	mu      sync.Mutex
	orgs    map[string]*pgOrg
	closing bool
	running sync.WaitGroup
	failed  time.Time            // of the last failed change; zero once another succeeds
	failing map[string]time.Time // the same for orgs that could not be locked
}

// pgOrg is the queue of one org; its writer ends when it is empty.
type pgOrg struct {
	waiting []*job
	cache   cache // of the writer
}

// submit queues a change. It fails with a store.Outage when the queue is full, which is at
// silentMax changes while the database is silent (B2B-LIFE-033).
func (w *pgWriter) submit(ctx context.Context, j *job) error {
	if w.timeouts.answer > 0 && len(w.places) >= silentMax && w.connector.Silent(silentAfter) {
		return &store.Outage{Err: errManyPG}
	}
	select {
	case w.places <- struct{}{}:
	default:
		if w.timeouts.answer > 0 {
			return &store.Outage{Err: errManyPG}
		}
		select {
		case w.places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		<-w.places
		return store.ErrClosed
	}
	q := w.orgs[j.org]
	if q == nil {
		q = &pgOrg{cache: cache{lookups: w.lookups}}
		w.orgs[j.org] = q
		w.running.Add(1)
		go w.run(j.org, q)
	}
	q.waiting = append(q.waiting, j)
	return nil
}

func (w *pgWriter) close() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.running.Wait()
}

// take removes up to batchMax waiting jobs; none means that the writer of the
// org has ended.
func (w *pgWriter) take(org string, q *pgOrg) []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(q.waiting), batchMax)
	if n == 0 {
		delete(w.orgs, org)
		return nil
	}
	batch := append([]*job(nil), q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	for range n {
		<-w.places
	}
	return batch
}

// run commits the waiting changes until the queue is empty.
func (w *pgWriter) run(org string, q *pgOrg) {
	var batch []*job
	finished := false
	defer func() {
		if !finished { // a change called runtime.Goexit
			fail(batch, errExit)
			go w.run(org, q)
			return
		}
		w.running.Done()
	}()
	for {
		place := place{w: w}
		place.take(context.Background(), w.conns)
		batch = w.take(org, q)
		if batch == nil {
			place.leave()
			finished = true
			return
		}
		func() {
			defer place.leave()
			if batch = taken(batch); len(batch) > 0 {
				c := &pgCommit{w: w, org: org, cache: &q.cache, place: &place, deadline: w.deadline(batch)}
				c.commit(batch)
			}
		}()
	}
}

// deadline returns when changes that begin now must end; zero means never.
func (w *pgWriter) deadline(jobs []*job) time.Time {
	if w.timeouts.answer == 0 {
		return time.Time{}
	}
	end := time.Now().Add(w.timeouts.run)
	if first := jobs[0].since.Add(w.timeouts.answer); first.After(end) {
		end = first
	}
	return end
}

// place is a slot of one of the channels that bound the connections of writers, or none.
type place struct {
	w  *pgWriter
	of chan struct{}
}

// take waits for a slot. It returns false when ctx has ended.
func (p *place) take(ctx context.Context, of chan struct{}) bool {
	select {
	case of <- struct{}{}:
		p.of = of
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *place) leave() {
	if p.of != nil {
		<-p.of
		p.of = nil
	}
}

// pgCommit commits the changes that were taken from the queue together, until one deadline.
type pgCommit struct {
	w        *pgWriter
	org      string
	cache    *cache
	place    *place
	deadline time.Time
}

// commit runs the jobs in as few transactions as possible. When a job fails after some of its
// statements were sent, the whole transaction fails: then the jobs before it run again
// together, that job alone, and those after it together. So each job runs at most three times.
// When the database is out of order, or the deadline has passed, the remaining jobs fail.
func (c *pgCommit) commit(jobs []*job) {
	for len(jobs) > 0 {
		b := &pgBatch{pgCommit: c}
		begun := c.w.d.clock.start()
		offender, err := b.run(jobs)
		c.w.note(c.org, err)
		switch {
		case err == nil:
			c.w.d.clock.batch(len(jobs), begun)
			c.w.undone.Flush()
			if c.org == "" {
				c.w.platform.Add(1)
			}
			c.w.hooks.committed(c.org, &b.changes)
			c.w.hooks.call(c.org, b.log.events)
			for i, j := range jobs {
				j.done <- b.results[i]
			}
			return
		case len(jobs) == 1 || c.over(err):
			if errors.Is(err, errUnknown) {
				c.w.hooks.committed(c.org, &b.changes) // perhaps
			}
			giveUp(jobs, offender, err)
			return
		case offender < 0:
			c.w.undone.Count("commit", "changes", len(jobs), "error", err)
			for _, j := range jobs {
				c.commit([]*job{j})
			}
			return
		}
		if offender > 0 {
			c.commit(jobs[:offender])
		}
		c.commit(jobs[offender : offender+1])
		jobs = jobs[offender+1:]
	}
}

// giveUp fails changes that were tried together. The offender gets its own error; the others
// were undone with it, and get errLate.
func giveUp(jobs []*job, offender int, err error) {
	if offender < 0 || errors.Is(err, errUnknown) {
		fail(jobs, err)
		return
	}
	for i, j := range jobs {
		if i == offender {
			j.done <- err
		} else {
			j.done <- &store.Outage{Err: errLate}
		}
	}
}

// over reports whether changes that failed together are given up: their result is unknown,
// the deadline has passed, or the database is out of order and its error names no statement.
func (c *pgCommit) over(err error) bool {
	if errors.Is(err, errUnknown) || !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return true
	}
	var away *store.Outage
	code, _ := meaning(err)
	return code == "" && errors.As(outage(err), &away)
}
