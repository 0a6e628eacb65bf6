package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/sqlstate"
)

// conflicts maps the columns that an error of SQLite names, and the constraint that one of
// PostgreSQL names, to the rule.
var conflicts = map[string]store.Conflict{
	"bots.org_id, bots.name":         store.ConflictName,
	"bots_name":                      store.ConflictName,
	"bots.token_hash":                store.ConflictToken,
	"bots_token":                     store.ConflictToken,
	"bot_tokens.token_hash":          store.ConflictToken,
	"bot_tokens_token":               store.ConflictToken,
	"sessions.hash":                  store.ConflictSession,
	"sessions_pkey":                  store.ConflictSession,
	"invite_codes.code_hash":         store.ConflictInviteCode,
	"invite_codes_hash":              store.ConflictInviteCode,
	"org_tickets.code_hash":          store.ConflictTicketCode,
	"org_tickets_hash":               store.ConflictTicketCode,
	"channels.org_id, channels.pair": store.ConflictChannel,
	"channels_pair":                  store.ConflictChannel,
	"thread_participants.thread_id, thread_participants.bot_id":      store.ConflictParticipant,
	"thread_participants_pkey":                                       store.ConflictParticipant,
	"thread_join_requests.thread_id, thread_join_requests.bot_id":    store.ConflictJoinRequest,
	"thread_join_requests_pending":                                   store.ConflictJoinRequest,
	"artifacts.thread_id, artifacts.artifact_key, artifacts.version": store.ConflictArtifactKey,
	"artifacts_version":                                              store.ConflictArtifactKey,
	"idempotency.org_id, idempotency.caller, idempotency.request_id": store.ConflictRequestID,
	"idempotency_pkey":                                               store.ConflictRequestID,
}

// conflict returns the rule that an error of the database reports, if it reports one.
func conflict(err error) (store.Conflict, bool) {
	var c store.Conflict
	if errors.As(err, &c) {
		return c, true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "23505":
			if c, ok := conflicts[pg.ConstraintName]; ok {
				return c, true
			}
			if strings.HasSuffix(pg.ConstraintName, "_pkey") {
				return store.ConflictID, true
			}
			return store.ConflictOther, true
		case "23503":
			return store.ConflictReference, true
		case "23502", "23514":
			return store.ConflictOther, true
		}
		return "", false
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return sqliteUnique(lite.Error()), true
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return store.ConflictReference, true
		case sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL:
			return store.ConflictOther, true
		}
	}
	return "", false
}

// sqliteUnique reads "…UNIQUE constraint failed: table.column, table.column (2067)".
func sqliteUnique(text string) store.Conflict {
	_, cols, _ := strings.Cut(text, "constraint failed: ")
	if i := strings.LastIndex(cols, "constraint failed: "); i >= 0 {
		cols = cols[i+len("constraint failed: "):]
	}
	if i := strings.LastIndex(cols, " ("); i >= 0 {
		cols = cols[:i]
	}
	if c, ok := conflicts[cols]; ok {
		return c
	}
	if strings.HasSuffix(cols, ".id") {
		return store.ConflictID
	}
	return store.ConflictOther
}

// outage turns an error that reports a database out of order into a *store.Outage, and
// returns others as they are. Package sqlstate has the meaning of PostgreSQL's codes.
func outage(err error) error {
	if err == nil {
		return nil
	}
	var known *store.Outage
	if errors.As(err, &known) {
		return err
	}
	switch {
	case errors.Is(err, errUnknown):
		return &store.Outage{Unknown: true, Err: err}
	case errors.Is(err, pgpipe.ErrSilent):
		return &store.Outage{Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	var pg *pgconn.PgError
	var lite *sqlite.Error
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect): // the server refuses connections, for any reason
		return &store.Outage{Err: err}
	case errors.As(err, &pg):
		means := sqlstate.Of(pg.Code)
		if means.Passing || pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC" {
			return &store.Outage{Full: means.Full, Err: err}
		}
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return &store.Outage{Full: true, Err: err}
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY:
			return &store.Outage{Err: err}
		}
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, driver.ErrBadConn), errors.Is(err, net.ErrClosed):
		return &store.Outage{Err: err}
	}
	return err
}

// meaning returns the code of PostgreSQL in an error and its meaning; both are zero if the
// error has no code.
func meaning(err error) (code string, means sqlstate.Meaning) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return "", sqlstate.Meaning{}
	}
	return pg.Code, sqlstate.Of(pg.Code)
}
