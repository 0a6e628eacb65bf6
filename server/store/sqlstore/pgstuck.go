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

// stuck finds and ends the sessions of servers that are frozen, or cut off, in the middle of
// a request (B2B-LIFE-031, 036).
//
// PostgreSQL itself ends a session that is idle between two statements of a transaction
// (idle_in_transaction_session_timeout). One that has half a pipeline or half a message, or
// answers that nobody reads, counts as active, and no limit applies: statement_timeout ends
// with each statement of a pipeline, and is not looked at while the session writes to its
// client. (transaction_timeout of PostgreSQL 17 counts the work of the session as well.) Such
// a session keeps its locks for as long as its server is frozen. So the servers that wait for
// a lock look for it.
type stuck struct {
	after  time.Duration // of silence; 0: nothing is ended
	d      *dialect
	logger *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   map[int64]sighting // by the number of the process
}

// sighting is a session that waits for its client.
type sighting struct {
	at    string    // what it waits for, and in which message
	first time.Time // when it was seen there first
}

const (
	// stuckAt changes with each message that a session begins with.
	stuckAt = "a.wait_event || ' ' || extract(epoch FROM a.state_change)::text"
	// stuckFrom are the sessions of servers that share our database and role. All that such a
	// session locks is locked under the advisory lock of an organisation.
	stuckFrom = ` FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = session_user AND a.state = 'active'
		AND a.wait_event_type = 'Client' AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)`

	findStuck = "SELECT a.pid::bigint, " + stuckAt + stuckFrom + " ORDER BY a.state_change LIMIT 100"
	// endStuck looks again: the session may have gone on.
	endStuck = "SELECT pg_terminate_backend(a.pid)" + stuckFrom + " AND a.pid = ? AND " + stuckAt + " = ?"
)

// look ends the sessions that wait for their client in one and the same message for too
// long. It asks over a connection that is in no transaction, at most once in lockWait.
func (s *stuck) look(ctx context.Context, conn *sql.Conn) {
	if s.after == 0 || !s.mu.TryLock() {
		return // another one looks
	}
	defer s.mu.Unlock()
	now := time.Now()
	last := s.looked
	if now.Sub(last) < lockWait {
		return
	}
	s.looked = now
	if now.Sub(last) > s.after {
		s.seen = nil // nobody looked, or this server was frozen itself
	}
	ctx = context.WithoutCancel(ctx) // the connection has limits
	if err := s.sight(ctx, conn, now); err != nil {
		s.logger.Warn("could not look for sessions of servers that are frozen", "error", err)
		return
	}
	for pid, g := range s.seen {
		silent := now.Sub(g.first)
		if silent < s.after {
			continue
		}
		var ended bool
		err := conn.QueryRowContext(ctx, s.d.text(endStuck), pid, g.at).Scan(&ended)
		switch {
		case errors.Is(err, sql.ErrNoRows): // it goes on
		case err != nil || !ended:
			s.logger.Warn("could not end a session that holds a lock while its server is silent", "pid", pid, "silent", silent, "error", err)
		default:
			s.logger.Warn("ended a session that held a lock while its server was silent", "pid", pid, "silent", silent)
		}
		delete(s.seen, pid)
	}
}

// sight notes the sessions that wait for their client, and forgets those that went on.
func (s *stuck) sight(ctx context.Context, conn *sql.Conn, now time.Time) (err error) {
	rows, err := conn.QueryContext(ctx, s.d.text(findStuck))
	if err != nil {
		return fmt.Errorf("find sessions that wait: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	seen := map[int64]sighting{}
	for rows.Next() {
		var pid int64
		g := sighting{first: now}
		if err := rows.Scan(&pid, &g.at); err != nil {
			return fmt.Errorf("read sessions that wait: %w", err)
		}
		if before := s.seen[pid]; before.at == g.at {
			g = before
		}
		seen[pid] = g
	}
	s.seen = seen
	return rows.Err()
}
