package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

const sessionColumns = "hash, ref, role, org_id, bot_id, owner_name, scopes, is_scoped_token, created_at, expires_at, token_id, secret_mark"

var sessions scanner[store.Session] = func(rows rowSet, s *store.Session) error {
	return rows.Scan(&s.Hash, &s.Ref, &s.Role, &s.OrgID, &s.BotID, &s.OwnerName, &s.Scopes, &s.IsScopedToken, &s.CreatedAt, &s.ExpiresAt, &s.TokenID, &s.SecretFingerprint)
}

var selectSessionByHash = read(onSessions, "SELECT "+sessionColumns+" FROM sessions WHERE hash = ?")

func (r reader) SessionByHash(ctx context.Context, hash string) (*store.Session, error) {
	return sessions.one(ctx, r, selectSessionByHash, hash)
}

var selectSessionByRef = read(onSessions, "SELECT "+sessionColumns+" FROM sessions WHERE org_id = ? AND ref = ?")

func (r reader) SessionByRef(ctx context.Context, org, ref string) (*store.Session, error) {
	return sessions.one(ctx, r, selectSessionByRef, org, ref)
}

var selectSessions = read(onSessions, "SELECT "+sessionColumns+` FROM sessions
		WHERE org_id = ? AND expires_at > ? AND role IN ('bot_owner', 'org_admin')
		ORDER BY created_at DESC, hash DESC LIMIT ? + 0 OFFSET ? + 0`)

func (r reader) Sessions(ctx context.Context, org string, now int64, limit, offset int) ([]store.Session, error) {
	return sessions.list(ctx, r, selectSessions, org, now, max(limit, 0), max(offset, 0))
}

// sessionScope are the conditions of a store.SessionScope.
var sessionScope = []string{sessionsOfBot: "bot_id = ?", sessionsOfOrg: "org_id = ?"}

const (
	sessionsOfBot = iota
	sessionsOfOrg
)

var (
	sessionsOf = readBetween(onSessions, "SELECT "+sessionColumns+" FROM sessions", " ORDER BY created_at, hash LIMIT ? + 0",
		"role = ? AND expires_at > ?", sessionScope...).only(sessionsOfBot, sessionsOfOrg)
	deleteSessionsOf = (&family{
		kind: deletes, writes: onSessions, query: between("DELETE FROM sessions", " RETURNING "+sessionColumns),
		given: "role = ?", may: sessionScope,
	}).only(sessionsOfBot, sessionsOfOrg)
	insertSession = insertRow[store.Session](onSessions, "")
)

// inScope adds the condition of a store.SessionScope.
func (c *choice) inScope(s store.SessionScope) *choice {
	switch s.Role {
	case store.RoleBotOwner:
		c.and(sessionsOfBot, s.BotID)
	case store.RoleOrgAdmin:
		c.and(sessionsOfOrg, s.OrgID)
	}
	return c
}

func (r reader) SessionsOf(ctx context.Context, s store.SessionScope, now int64, limit int) ([]store.Session, error) {
	c := sessionsOf.choose(s.Role, now).inScope(s)
	return sessions.list(ctx, r, c.statement(r.d, limit), c.all(max(limit, 0))...)
}

func (t *tx) CreateSession(ctx context.Context, s *store.Session) error {
	return put(ctx, t, insertSession, s)
}

var extendSession = update(onSessions, "UPDATE sessions SET expires_at = ? WHERE hash = ?")

func (t *tx) ExtendSession(ctx context.Context, hash string, expiresAt int64) error {
	return t.c.exec(ctx, extendSession, expiresAt, hash)
}

var deleteSession = remove(onSessions, "DELETE FROM sessions WHERE hash = ? RETURNING "+sessionColumns)

func (t *tx) DeleteSession(ctx context.Context, hash string) (*store.Session, error) {
	return sessions.one(ctx, t.reader, deleteSession, hash)
}

func (t *tx) DeleteSessionsOf(ctx context.Context, s store.SessionScope) ([]store.Session, error) {
	c := deleteSessionsOf.choose(s.Role).inScope(s)
	return sessions.list(ctx, t.reader, c.statement(t.d, 0), c.all()...)
}

var deleteSessionsOfOtherSecrets = remove(onSessions, "DELETE FROM sessions WHERE role = 'super_admin' AND (secret_mark IS NULL OR secret_mark <> ?)")

func (t *tx) DeleteSessionsOfOtherSecrets(ctx context.Context, fingerprint string) (int64, error) {
	return t.c.execNow(ctx, deleteSessionsOfOtherSecrets, fingerprint)
}

var deleteOrgSessions = remove(onSessions, "DELETE FROM sessions WHERE org_id = ? RETURNING "+sessionColumns)

func (t *tx) DeleteOrgSessions(ctx context.Context, org string) ([]store.Session, error) {
	return sessions.list(ctx, t.reader, deleteOrgSessions, org)
}

var purgeSessions = remove(onSessions, "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= ? LIMIT ? + 0)")

func (t *tx) PurgeSessions(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeSessions, now, max(limit, 0))
}
