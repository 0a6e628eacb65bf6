package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// frozenSessions finds and ends the PostgreSQL sessions of nodes that are frozen, or cut off
// from the network, in the middle of a request (B2B-LIFE-031, 036).
//
// PostgreSQL itself ends a session that is idle between two statements of a transaction
// (idle_in_transaction_session_timeout). But a session that has received part of a pipeline
// or of a message, or cannot send its results, counts as active, and no limit ends it:
// statement_timeout starts anew with each statement of a pipeline, and is not checked while
// the session writes to its client. (transaction_timeout of PostgreSQL 17 would also end
// sessions that are at work.) Such a session keeps its locks as long as its node is frozen.
// So nodes that wait for a lock look for it.
type frozenSessions struct {
	after  time.Duration // of silence; 0: nothing is ended
	logger *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   map[int64]waitingSession // by process id
}

// waitingSession is a session that waits for its client.
type waitingSession struct {
	at    string    // its wait event and the begin of its state (waitState)
	first time.Time // when it was first seen in this state
}

const (
	// waitState changes with each message that a session begins to process.
	waitState = "a.wait_event || ' ' || extract(epoch FROM a.state_change)::text"
	// waitingSessions are the sessions of nodes that share our database and role, hold an
	// advisory lock, and wait for their client. All other locks of such a session are taken
	// under the advisory lock of an org.
	waitingSessions = ` FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = session_user AND a.state = 'active'
		AND a.wait_event_type = 'Client' AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)`
)

var (
	findWaiting = controlOf(forPostgres, "SELECT a.pid::bigint, "+waitState+waitingSessions+" ORDER BY a.state_change LIMIT 100")
	// endWaiting compares the state again, because the session may have continued.
	endWaiting = controlOf(forPostgres, "SELECT pg_terminate_backend(a.pid)"+waitingSessions+" AND a.pid = ? AND "+waitState+" = ?")
)

// end ends the sessions that have waited for their client in the same message for too long.
// It queries at most once in lockWait, over conn, which must not be in a transaction.
func (s *frozenSessions) end(ctx context.Context, conn *sql.Conn) {
	if s.after == 0 || !s.mu.TryLock() {
		return // another goroutine is at it
	}
	defer s.mu.Unlock()
	now := time.Now()
	last := s.looked
	if now.Sub(last) < lockWait {
		return
	}
	s.looked = now
	if now.Sub(last) > s.after {
		s.seen = nil // no writer waited for a lock meanwhile, or this node itself was frozen
	}
	ctx = context.WithoutCancel(ctx) // the connection has time limits of its own
	if err := s.find(ctx, conn, now); err != nil {
		s.logger.Warn("could not list the sessions of frozen nodes", "error", err)
		return
	}
	for pid, g := range s.seen {
		silent := now.Sub(g.first)
		if silent < s.after {
			continue
		}
		var ended bool
		err := conn.QueryRowContext(ctx, endWaiting.text[forPostgres], pid, g.at).Scan(&ended)
		switch {
		case errors.Is(err, sql.ErrNoRows): // the session has continued
		case err != nil || !ended:
			s.logger.Warn("could not end a session that holds a lock while its node is silent", "pid", pid, "silent", silent, "error", err)
		default:
			s.logger.Warn("ended a session that held a lock while its node was silent", "pid", pid, "silent", silent)
		}
		delete(s.seen, pid)
	}
}

// find records the sessions that wait for their client, and removes those that continued.
func (s *frozenSessions) find(ctx context.Context, conn *sql.Conn, now time.Time) (err error) {
	rows, err := conn.QueryContext(ctx, findWaiting.text[forPostgres])
	if err != nil {
		return fmt.Errorf("list waiting sessions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	seen := map[int64]waitingSession{}
	for rows.Next() {
		var pid int64
		g := waitingSession{first: now}
		if err := rows.Scan(&pid, &g.at); err != nil {
			return fmt.Errorf("read waiting sessions: %w", err)
		}
		if before := s.seen[pid]; before.at == g.at {
			g = before
		}
		seen[pid] = g
	}
	s.seen = seen
	return rows.Err()
}
