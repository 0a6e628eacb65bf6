package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore/pgpipe"
)

func openPostgres(ctx context.Context, cfg Config) (_ store.Store, err error) {
	connector, err := pgpipe.NewConnector(cfg.URL)
	if err != nil {
		return nil, err
	}
	conns := cfg.MaxConns
	if conns <= 0 {
		conns = 16
	}
	conns = max(conns, 2) // one to read while one writes
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if err := errors.Join(migrate(ctx, conn, true), conn.Close()); err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	d := newDialect(db, true)
	p := &pool{db: db, d: d}
	s := &database{reader: reader{c: p, d: d}, pool: p}
	s.writer = &pgWriter{
		db: db, d: d, hooks: &s.hooks, logger: cfg.Logger, orgs: map[string]*pgOrg{},
		places: make(chan struct{}, queueMax), conns: make(chan struct{}, max(conns/2, 1)),
	}
	s.closed = p.close
	return s, nil
}

// pgWriter has a writer for each organisation with changes waiting.
type pgWriter struct {
	db     *sql.DB
	d      *dialect
	hooks  *hooks
	logger *slog.Logger
	places chan struct{} // bounds what waits
	conns  chan struct{} // bounds the connections that write

	platform atomic.Uint64 // changes of the platform made here

	mu      sync.Mutex
	orgs    map[string]*pgOrg
	closing bool
	running sync.WaitGroup
}

// pgOrg is the queue of one organisation; its writer ends when it is empty.
type pgOrg struct {
	waiting []*job
	cache   cache // of the writer
}

func (w *pgWriter) submit(ctx context.Context, j *job) error {
	select {
	case w.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		<-w.places
		return store.ErrClosed
	}
	q := w.orgs[j.org]
	if q == nil {
		q = &pgOrg{cache: cache{d: w.d}}
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
// organisation has ended.
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

// run commits what waits until nothing does.
func (w *pgWriter) run(org string, q *pgOrg) {
	var batch []*job
	finished := false
	defer func() {
		if !finished { // a change ended this goroutine
			fail(batch, errExit)
			go w.run(org, q)
			return
		}
		w.running.Done()
	}()
	for {
		w.conns <- struct{}{}
		batch = w.take(org, q)
		if batch == nil {
			<-w.conns
			finished = true
			return
		}
		func() {
			defer func() { <-w.conns }()
			if batch = taken(batch); len(batch) > 0 {
				w.commit(org, &q.cache, batch)
			}
		}()
	}
}

// commit runs the jobs in as few transactions as it can. A job that fails after
// something of it was sent spoils the transaction: then those before it run again
// together, it alone, and those after it together. So each job runs at most three
// times.
func (w *pgWriter) commit(org string, cache *cache, jobs []*job) {
	for len(jobs) > 0 {
		b := &pgBatch{w: w, org: org, cache: cache}
		spoiler, err := b.run(jobs)
		switch {
		case err == nil:
			if org == "" {
				w.platform.Add(1)
			}
			w.hooks.call(org, b.log.events)
			for i, j := range jobs {
				j.done <- b.results[i]
			}
			return
		case errors.Is(err, errUnknown):
			fail(jobs, err)
			return
		case len(jobs) == 1 || spoiler < 0:
			if len(jobs) == 1 {
				jobs[0].done <- err
				return
			}
			w.logger.Warn("a batch could not be committed, running its changes alone", "changes", len(jobs), "error", err)
			for _, j := range jobs {
				w.commit(org, cache, []*job{j})
			}
			return
		}
		if spoiler > 0 {
			w.commit(org, cache, jobs[:spoiler])
		}
		w.commit(org, cache, jobs[spoiler:spoiler+1])
		jobs = jobs[spoiler+1:]
	}
}
