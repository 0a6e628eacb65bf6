package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// SessionTTL returns the idle lifetime of a session of a role (B2B-AUTH-021).
func SessionTTL(role string) time.Duration {
	switch role {
	case store.RoleBotOwner:
		return 24 * time.Hour
	case store.RoleOrgAdmin:
		return 8 * time.Hour
	}
	return 4 * time.Hour
}

// SessionCap returns the absolute lifetime of a session of a role, however often it is extended
// (B2B-AUTH-061).
func SessionCap(role string) time.Duration {
	switch role {
	case store.RoleBotOwner:
		return 7 * 24 * time.Hour
	case store.RoleOrgAdmin:
		return 48 * time.Hour
	}
	return 24 * time.Hour
}

// MaxSessions returns how many sessions of a role may be live at once: per bot for bot owners,
// per org for org admins, in all for super admins (B2B-AUTH-025).
func MaxSessions(role string) int {
	if role == store.RoleSuperAdmin {
		return 3
	}
	return 5
}

// extendEvery is the least time between two extensions of a session, in milliseconds.
const extendEvery = 60_000

// login is what a session cookie resolves to.
type login struct {
	org         string
	version     call.AuthVersion
	session     *call.Session
	created     int64        // Unix milliseconds
	ends        int64        // the absolute end, in Unix milliseconds
	fingerprint string       // of the admin secret that opened the session; super admins only
	caller      *call.Caller // nil when refused
	refusal     *call.Error  // why the session's caller may do nothing
}

// findSession returns what a cookie resolves to, or nil when it has no live session.
func (a *Authenticator) findSession(ctx context.Context, id string, versionChecked bool) (*login, error) {
	if id == "" {
		return nil, nil
	}
	now := a.nowMS()
	k := keyOf(id)
	it, err := a.sessionItem(ctx, k, now, versionChecked)
	if err != nil || it.value == nil {
		return nil, err
	}
	return a.extend(k, it, now), nil
}

// sessionItem returns the live session of a key, or an item without a value. It extends
// nothing.
func (a *Authenticator) sessionItem(ctx context.Context, k key, now int64, versionChecked bool) (item[*login], error) {
	it, ok := a.sessions.get(k)
	if ok = ok && it.value.session.ExpiresAt > now; ok {
		var err error
		if ok, err = a.isCurrent(ctx, it.value.org, it.value.version, versionChecked); err != nil {
			return item[*login]{}, err
		}
	}
	if !ok {
		var err error
		if it, err = a.readSession(ctx, k); err != nil || it.value == nil {
			return item[*login]{}, err
		}
	}
	if it.value.session.ExpiresAt <= now {
		return item[*login]{}, nil
	}
	return it, nil
}

// readSession reads the session of a key from the store, expired or not, and caches it.
func (a *Authenticator) readSession(ctx context.Context, k key) (item[*login], error) {
	stamp := a.gens.begin()
	l, org, err := read(ctx, a, func(r Reader) (*login, string, error) {
		l, err := a.loadSession(ctx, r, hex.EncodeToString(k[:]))
		if err != nil || l == nil {
			return nil, "", err
		}
		return l, l.org, nil
	}, (*login).setVersion)
	if err != nil || l == nil {
		return item[*login]{}, err
	}
	if l.session.Role == store.RoleSuperAdmin {
		fingerprint, err := a.AdminFingerprint(ctx)
		if err != nil || l.fingerprint != fingerprint {
			return item[*login]{}, err
		}
	}
	it := item[*login]{slot: a.gens.slot(org), stamp: stamp, value: l}
	a.keep(k, it)
	return it, nil
}

func (l *login) setVersion(v call.AuthVersion) {
	l.version = v
	if l.caller != nil {
		l.caller.AuthVersion = v
	}
}

// extend extends a session that is in the second half of its lifetime (B2B-AUTH-051), up to
// its absolute end.
func (a *Authenticator) extend(k key, it item[*login], now int64) *login {
	l := it.value
	ttl := SessionTTL(l.session.Role).Milliseconds()
	ends := min(now+ttl, l.ends)
	if now <= l.created+ttl/2 || ends < l.session.ExpiresAt+extendEvery {
		return l
	}
	session := *l.session
	session.ExpiresAt = ends
	extended := *l
	extended.session = &session
	if l.caller != nil {
		caller := *l.caller
		caller.Session = &session
		extended.caller = &caller
	}
	it.value = &extended
	a.activity.extend(session.Hash, l.org, session.ExpiresAt)
	a.keep(k, it)
	return &extended
}

// keep caches a session. With several nodes, sessions without an org are not cached, because
// they have no auth version.
func (a *Authenticator) keep(k key, it item[*login]) {
	if a.tops == nil || it.value.org != "" {
		a.sessions.store(k, it)
	}
}

func (a *Authenticator) loadSession(ctx context.Context, r Reader, hash string) (*login, error) {
	row, err := r.SessionByHash(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a session: %w", err)
	}
	ends, orphan, err := sessionEnds(ctx, r, row)
	if err != nil {
		return nil, err
	}
	session := &call.Session{
		Hash: row.Hash, Ref: row.Ref, Role: row.Role, OwnerName: row.OwnerName, IsScopedToken: row.IsScopedToken,
		ExpiresAt: min(max(row.ExpiresAt, a.activity.extension(row.Hash)), ends),
	}
	if row.OrgID != nil {
		session.OrgID = *row.OrgID
	}
	if row.BotID != nil {
		session.BotID = *row.BotID
	}
	if row.TokenID != nil {
		session.TokenID = *row.TokenID
	}
	if row.Scopes != nil {
		if session.Scopes, err = scopeNames(*row.Scopes); err != nil {
			return nil, err
		}
	}
	l := &login{org: session.OrgID, session: session, created: row.CreatedAt, ends: ends}
	if session.Role == store.RoleSuperAdmin {
		if row.SecretFingerprint != nil {
			l.fingerprint = *row.SecretFingerprint
		}
		l.caller = &call.Caller{Kind: call.SuperAdmin, Session: session}
		return l, nil
	}
	org, err := r.Org(ctx, session.OrgID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the org of a session: %w", err)
	}
	if l.refusal = OrgRefusal(org); l.refusal != nil {
		return l, nil
	}
	if session.Role == store.RoleOrgAdmin {
		l.caller = &call.Caller{Kind: call.OrgAdmin, OrgID: org.ID, Session: session}
		return l, nil
	}
	if err := l.loadOwner(ctx, r); err != nil {
		return nil, err
	}
	if orphan && l.refusal == nil {
		return nil, nil
	}
	return l, nil
}

// sessionEnds returns the absolute end of a session: the earlier of the cap of its role and
// the expiry of the token that opened it. orphan reports that this token was deleted. Rows that
// are older than the column token_id do not name the token; such a session of a scoped token is
// never extended.
func sessionEnds(ctx context.Context, r Reader, row *store.Session) (ends int64, orphan bool, err error) {
	ends = row.CreatedAt + SessionCap(row.Role).Milliseconds()
	switch {
	case row.TokenID != nil && row.BotID != nil:
		token, err := r.TokenByID(ctx, *row.BotID, *row.TokenID)
		if errors.Is(err, store.ErrNotFound) {
			return ends, true, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("find the token of a session: %w", err)
		}
		if token.ExpiresAt != nil {
			ends = min(ends, *token.ExpiresAt)
		}
	case row.IsScopedToken:
		ends = min(ends, row.ExpiresAt)
	}
	return ends, false, nil
}

// loadOwner sets the caller of a bot owner's session: the bot it acts as.
func (l *login) loadOwner(ctx context.Context, r Reader) error {
	bot, err := r.Bot(ctx, l.org, l.session.BotID)
	if errors.Is(err, store.ErrNotFound) {
		l.refusal = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID, "The bot of this session was deleted")
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the bot of a session: %w", err)
	}
	if l.refusal = BotRefusal(bot); l.refusal != nil {
		return nil
	}
	scopes := call.ScopeFull
	if l.session.Scopes != nil {
		scopes = call.ParseScopes(l.session.Scopes)
	}
	l.caller = botCaller(bot)
	l.caller.Scopes = scopes
	l.caller.Session = l.session
	return nil
}

func botCaller(bot *store.Bot) *call.Caller {
	return &call.Caller{
		Kind: call.Bot, OrgID: bot.OrgID, BotID: bot.ID, BotName: bot.Name, Admin: bot.AuthRole == store.AuthAdmin,
	}
}
