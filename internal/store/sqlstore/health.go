package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	probeEvery = 5 * time.Second  // how long the result of a successful change is valid
	probeRetry = time.Second      // how long that of a failed one is
	probeSlow  = 10 * time.Second // a change that takes longer counts as failed

	checkMaxBytes = 512 << 20        // size in bytes up to which a file is checked when it is opened
	checkTimeout  = 30 * time.Second // limit of the check
	checkWait     = 2 * time.Second  // how long Open waits for the check
)

// health records whether the database takes changes, and whether it is damaged (B2B-SRV-030).
type health struct {
	logger *slog.Logger

	mu      sync.Mutex
	damaged error // the first error that reported damage; it stays until the next start
	full    error // of the last change that failed because the disk was full
	fullAt  time.Time
	probe   chan struct{} // closed when the running probe ends; nil: none runs
	begun   time.Time     // when the last probe began
	done    time.Time
	failed  error // why it failed
	running sync.WaitGroup
}

// errDamaged is wrapped by every error that reports a damaged database.
var errDamaged = errors.New("store: the database is damaged")

// note records an error that reports a damaged database or a full disk.
func (h *health) note(err error) {
	if err == nil {
		return
	}
	var away *store.Outage
	full := errors.As(err, &away) && away.Full
	if !full && !corrupt(err) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if full {
		h.full, h.fullAt = err, time.Now()
		return
	}
	if h.damaged == nil {
		h.damaged = fmt.Errorf("%w: %w", errDamaged, err)
		h.logger.Error("the database is damaged: stop the server, keep a copy, restore a backup", "error", err)
	}
}

// corrupt reports whether an error means that stored data is damaged.
func corrupt(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite):
		code := lite.Code() & 0xff
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	case errors.As(err, &pg):
		return pg.Code == "XX001" || pg.Code == "XX002" // data_corrupted, index_corrupted
	}
	return false
}

// ask returns an error unless the database is known to be healthy. When the last result has
// become invalid it runs a probe, and waits for it until ctx ends.
func (h *health) ask(ctx context.Context, change func(context.Context) error) error {
	h.mu.Lock()
	if h.damaged != nil {
		defer h.mu.Unlock()
		return h.damaged
	}
	every := probeEvery
	if h.failed != nil {
		every = probeRetry
	}
	if h.probe == nil && time.Since(h.done) >= every {
		h.probe, h.begun = make(chan struct{}), time.Now()
		h.running.Add(1)
		go h.try(change)
	}
	probe := h.probe
	h.mu.Unlock()
	if probe != nil {
		select {
		case <-probe:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.damaged != nil:
		return h.damaged
	case h.full != nil && time.Since(h.fullAt) < failingTime:
		return h.full
	case h.probe != nil && time.Since(h.begun) > probeSlow:
		return fmt.Errorf("a change has not ended after %v", time.Since(h.begun).Round(time.Second))
	}
	return h.failed
}

// try runs the probe.
func (h *health) try(change func(context.Context) error) {
	defer h.running.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 3*probeSlow)
	defer cancel()
	err := change(ctx)
	if err != nil {
		err = fmt.Errorf("try a change: %w", err)
	}
	h.note(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed, h.done = err, time.Now()
	close(h.probe)
	h.probe = nil
}

// tryChange writes a row of no meaning through Update. It tries twice, because the first
// attempt may use a connection that was lost while idle.
func (s *Store) tryChange(ctx context.Context) error {
	err := s.writeNothing(ctx)
	var away *store.Outage
	if errors.As(err, &away) && !away.Full && !away.Newer {
		err = s.writeNothing(ctx)
	}
	return err
}

var writeHealth = insert(onUpkeepJobs, `INSERT INTO upkeep_jobs (name, holder, done_at) VALUES ('health', '', ?)
			ON CONFLICT (name) DO UPDATE SET done_at = excluded.done_at`)

func (s *Store) writeNothing(ctx context.Context) error {
	return s.Update(ctx, "", func(t store.Tx) error {
		return t.(*tx).c.exec(ctx, writeHealth, time.Now().UnixMilli())
	})
}

// check looks for damage in an SQLite file, over a connection of its own. It waits up to
// checkWait for the result, which is enough for small files, and then continues in the
// background until checkTimeout. Files larger than checkMaxBytes are not checked.
func (h *health) check(ctx context.Context, path, address string) (stop func()) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > checkMaxBytes {
		h.logger.Info("the database is too large for a check for damage at the start: run PRAGMA integrity_check on a copy", "path", path)
		return func() {}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := quickCheck(ctx, address); err != nil && ctx.Err() == nil {
			h.note(err)
		}
	}()
	wait := time.NewTimer(checkWait)
	defer wait.Stop()
	select {
	case <-done:
	case <-wait.C:
	}
	return func() {
		cancel()
		<-done
	}
}

// quickCheckOne returns the first damage of a file.
var quickCheckOne = controlOf(forSQLite, "PRAGMA quick_check(1)")

func quickCheck(ctx context.Context, address string) (err error) {
	db, err := sql.Open("sqlite", address)
	if err != nil {
		return fmt.Errorf("open the database to check it: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var found string
	if err := db.QueryRowContext(ctx, quickCheckOne.text[forSQLite]).Scan(&found); err != nil {
		return fmt.Errorf("check the database: %w", err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, found)
	}
	return nil
}
