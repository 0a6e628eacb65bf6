package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// authService implements login, logout and the registration of bots.
type authService struct {
	*core
	reads authReads
}

// authReads is what authService reads of the store.
type authReads interface {
	authReader
}

// authTx is what its changes need.
type authTx interface {
	authReader
	nameReader
	eventTx
	auditTx
	quotaTx
	CreateBot(ctx context.Context, b *store.Bot) error
	PutLoginFailures(ctx context.Context, f *store.LoginFailures) error
	SessionsOf(ctx context.Context, scope store.SessionScope, now int64, limit int) ([]store.Session, error)
	CreateSession(ctx context.Context, s *store.Session) error
	DeleteSession(ctx context.Context, hash string) (*store.Session, error)
	CountStored(ctx context.Context, at int64, bulk bool) error
	ConsumeTicket(ctx context.Context, id string) (bool, error)
	StartWebhook(ctx context.Context, bot string) error
}

// authReader is what a login or registration reads before its change and in it.
type authReader interface {
	auth.TokenReader
	orgReader
	Ticket(ctx context.Context, hash string) (*store.OrgTicket, error)
}

// evictAtMost bounds how many sessions one login ends. Only imported data can have more.
const evictAtMost = 1000

func (s *authService) Login(ctx context.Context, req *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	switch req.GetType() {
	case b2bv1.LoginType_LOGIN_TYPE_BOT:
		return s.loginBot(ctx, req)
	case b2bv1.LoginType_LOGIN_TYPE_ORG_ADMIN:
		return s.loginOrgAdmin(ctx, req)
	case b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN:
		return s.loginSuperAdmin(ctx, req)
	}
	return nil, call.Invalid("type must be bot, org_admin or super_admin")
}

// orgInactive refuses a login to an org that is not active.
func orgInactive(org *store.Org) error {
	if org.Status == store.OrgActive {
		return nil
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ORG_INACTIVE, "This org is not active")
}

func (s *authService) loginBot(ctx context.Context, req *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	if req.GetToken() == "" {
		return nil, call.Invalid("token is required")
	}
	owner := req.OwnerName
	if req.GetOwnerName() == "" {
		owner = nil
	}
	return s.throttled(ctx, "bot", req.GetToken(), func(target *loginTarget) (*b2bv1.LoginResponse, error) {
		return s.openBot(ctx, req, owner, target)
	})
}

func (s *authService) openBot(ctx context.Context, req *b2bv1.LoginRequest, owner *string, target *loginTarget) (*b2bv1.LoginResponse, error) {
	// The token names the org. The change of that org then checks the token again.
	found, err := s.loginToken(ctx, s.reads, req.GetToken(), target)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, found.Bot.OrgID, func(tx authTx) (*store.Session, *store.Token, error) {
		found, err := s.loginToken(ctx, tx, req.GetToken(), target)
		if err != nil {
			return nil, nil, err
		}
		names, err := found.Scopes()
		if err != nil {
			return nil, nil, err
		}
		return &store.Session{
			Role: store.RoleBotOwner, OrgID: &found.Bot.OrgID, BotID: &found.Bot.ID, OwnerName: owner, Scopes: jsonText(names),
		}, found.Token, nil
	})
}

// loginToken finds the bot of a token, and returns an error if it may not log in.
func (s *authService) loginToken(ctx context.Context, r authReader, token string, target *loginTarget) (*auth.Found, error) {
	found, err := auth.FindToken(ctx, r, token)
	if errors.Is(err, store.ErrNotFound) {
		return nil, auth.TokenUnknown()
	}
	if err != nil {
		return nil, err
	}
	target.org, target.bot = found.Bot.OrgID, &found.Bot.ID
	if found.Expired(s.nowMS()) {
		return nil, auth.TokenExpired()
	}
	org, err := r.Org(ctx, found.Bot.OrgID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, auth.TokenUnknown()
	}
	if err != nil {
		return nil, fmt.Errorf("find the org of a token: %w", err)
	}
	if err := orgInactive(org); err != nil {
		return nil, err
	}
	if refusal := auth.BotRefusal(found.Bot); refusal != nil {
		return nil, refusal
	}
	return found, nil
}

func (s *authService) loginOrgAdmin(ctx context.Context, req *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	if req.GetOrgId() == "" {
		return nil, call.Invalid("org_id is required")
	}
	if req.GetOrgSecret() == "" {
		return nil, call.Invalid("org_secret is required")
	}
	check := func(r authReader) (*store.Org, error) {
		org, err := secretOrg(ctx, r, req.GetOrgId(), req.GetOrgSecret())
		if err != nil {
			return nil, err
		}
		return org, orgInactive(org)
	}
	return s.throttled(ctx, "org_admin", req.GetOrgId(), func(target *loginTarget) (*b2bv1.LoginResponse, error) {
		target.org = req.GetOrgId()               // it may not exist
		if _, err := check(s.reads); err != nil { // a wrong guess does not wait for a write transaction
			return nil, err
		}
		return s.open(ctx, req.GetOrgId(), func(tx authTx) (*store.Session, *store.Token, error) {
			org, err := check(tx)
			if err != nil {
				return nil, nil, err
			}
			return &store.Session{Role: store.RoleOrgAdmin, OrgID: &org.ID}, nil, nil
		})
	})
}

// secretOrg finds the org with this id and secret. It does the same work for an org that does
// not exist, so that its time does not reveal which orgs exist (B2B-AUTH-071).
func secretOrg(ctx context.Context, r orgReader, id, secret string) (*store.Org, error) {
	org, err := r.Org(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find an org: %w", err)
	}
	hash := auth.Hash("") // of no org
	if err == nil {
		hash = org.SecretHash
	}
	if !auth.Matches(secret, hash) || err != nil {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_CREDENTIALS, "org_id or org_secret is wrong")
	}
	return org, nil
}

func (s *authService) loginSuperAdmin(ctx context.Context, req *b2bv1.LoginRequest) (*b2bv1.LoginResponse, error) {
	if req.GetAdminSecret() == "" {
		return nil, call.Invalid("admin_secret is required")
	}
	return s.throttled(ctx, "super_admin", "", func(*loginTarget) (*b2bv1.LoginResponse, error) {
		everybody := s.Config.DevMode && s.Config.AdminSecret == "" // B2B-ENV-011
		if !everybody && !s.isAdminSecret(req.GetAdminSecret()) {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_CREDENTIALS, "admin_secret is wrong")
		}
		fingerprint, err := s.Access.AdminFingerprint(ctx)
		if err != nil {
			return nil, err
		}
		return s.open(ctx, "", func(authTx) (*store.Session, *store.Token, error) {
			return &store.Session{Role: store.RoleSuperAdmin, SecretFingerprint: &fingerprint}, nil, nil
		})
	})
}

// loginTarget is what a login is for, as far as it was known when the login was refused: an
// org, and a bot of it. org is empty and bot nil when they are not known.
type loginTarget struct {
	org string
	bot *string
}

// throttled runs a login unless too many logins failed before it, and counts its failure
// (B2B-AUTH-048, B2B-AUTH-049).
func (s *authService) throttled(ctx context.Context, kind, subject string, try func(*loginTarget) (*b2bv1.LoginResponse, error)) (*b2bv1.LoginResponse, error) {
	attempts := attempts(ctx, kind, subject)
	wait, err := s.Throttle.Wait(ctx, attempts)
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		return nil, loginLocked(wait)
	}
	var of loginTarget
	res, err := try(&of)
	if err == nil {
		if err := s.Throttle.Passed(ctx, attempts); err != nil {
			s.Log.ErrorContext(ctx, "the count of failed logins was not reset", "error", err)
		}
		return res, nil
	}
	var refused *call.Error
	if !errors.As(err, &refused) || refused.Status() != http.StatusUnauthorized {
		return nil, err
	}
	switch wait, failure := s.Throttle.Failed(ctx, attempts); {
	case failure != nil:
		return nil, failure
	case wait > 0:
		return nil, loginLocked(wait)
	}
	s.Log.WarnContext(ctx, "login failed", "type", kind, "address", call.From(ctx).RemoteIP, "code", call.CodeText(refused.Code))
	if of.org != "" {
		if failure := s.auditFailure(ctx, kind, of, refused); failure != nil {
			return nil, failure
		}
	}
	return nil, err
}

// attempts returns the counts that a failed login of this call belongs to.
func attempts(ctx context.Context, kind, subject string) []auth.Attempt {
	info := call.From(ctx)
	return auth.Attempts(info.RemoteIP, info.Relayed, kind, subject)
}

func loginLocked(wait time.Duration) *call.Error {
	refusal := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "Too many failed logins")
	refusal.RetryAfter = int((wait + time.Second - 1) / time.Second)
	return refusal
}

// auditFailure writes an audit entry about a failed login to an org (B2B-AUD-006). Logins that
// the throttle refuses get none, since strangers could fill the log with them. For an org that
// does not exist it writes a row of the throttle that counts nothing: a transaction that commits
// takes longer than one that does not, and the difference would reveal which orgs exist
// (B2B-AUTH-071).
func (s *authService) auditFailure(ctx context.Context, kind string, of loginTarget, refused *call.Error) error {
	nobody := attempts(ctx, "nobody", "")
	return update(ctx, s.core, of.org, func(tx authTx) error {
		_, err := tx.Org(ctx, of.org)
		if errors.Is(err, store.ErrNotFound) {
			own := nobody[len(nobody)-1]
			return tx.PutLoginFailures(ctx, &store.LoginFailures{Key: own.Key, EndsAt: s.nowMS() + own.Span.Milliseconds()})
		}
		if err != nil {
			return fmt.Errorf("find the org of a failed login: %w", err)
		}
		details := detail{"type": kind, "code": call.CodeText(refused.Code), "ip": call.From(ctx).RemoteIP}
		if of.bot != nil {
			return s.audit(ctx, tx, of.org, of.bot, "auth.login_failed", "bot", *of.bot, details)
		}
		return s.audit(ctx, tx, of.org, nil, "auth.login_failed", "org", of.org, details)
	})
}

// open stores the session that who returns, with the scoped token that opens it (nil: none), and
// ends the oldest sessions of its kind beyond the limit (B2B-AUTH-025, B2B-AUTH-064).
func (s *authService) open(ctx context.Context, org string, who func(authTx) (*store.Session, *store.Token, error)) (*b2bv1.LoginResponse, error) {
	var session *store.Session
	var id string
	err := update(ctx, s.core, org, func(tx authTx) (err error) {
		var token *store.Token
		if session, token, err = who(tx); err != nil {
			return err
		}
		if err := s.checkStorageQuota(ctx, tx, ending); err != nil {
			return err
		}
		now := s.nowMS()
		id = auth.NewSessionID()
		session.Hash, session.Ref = auth.Hash(id), auth.SessionRef(id)
		session.CreatedAt, session.ExpiresAt = now, now+auth.SessionTTL(session.Role).Milliseconds()
		if token != nil {
			session.IsScopedToken, session.TokenID = true, &token.ID
			if token.ExpiresAt != nil {
				session.ExpiresAt = min(session.ExpiresAt, *token.ExpiresAt)
			}
		}
		if err := s.evict(ctx, tx, session, now); err != nil {
			return err
		}
		if err := tx.CreateSession(ctx, session); err != nil {
			return fmt.Errorf("create a session: %w", err)
		}
		if org == "" {
			return nil
		}
		info := call.From(ctx)
		details := detail{"role": session.Role, "ip": info.RemoteIP}
		if info.UserAgent != "" {
			details["user_agent"] = info.UserAgent
		}
		if err := s.audit(ctx, tx, org, session.BotID, "auth.login", "session", session.Ref, details); err != nil {
			return err
		}
		return tx.CountStored(ctx, now, true)
	})
	if err != nil {
		return nil, err
	}
	if org == "" {
		s.Access.Forget("")
	}
	life := time.Duration(session.ExpiresAt-session.CreatedAt) * time.Millisecond
	call.From(ctx).Cookie = &call.Cookie{Value: id, MaxAge: int(math.Ceil(life.Seconds()))}
	return &b2bv1.LoginResponse{Session: &b2bv1.SessionBrief{
		Role: roleOf(session.Role), OrgId: session.OrgID, BotId: session.BotID, ExpiresAt: stamp(session.ExpiresAt),
	}}, nil
}

// evict ends the oldest sessions of the scope of a new session, so that the limit holds. The
// sessions of each scoped token are counted separately, so that no credential can end the
// sessions of another one (B2B-AUTH-064).
func (s *authService) evict(ctx context.Context, tx authTx, session *store.Session, now int64) error {
	scope := store.SessionScope{Role: session.Role, OrgID: deref(session.OrgID), BotID: deref(session.BotID)}
	live, err := tx.SessionsOf(ctx, scope, now, evictAtMost)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	live = slices.DeleteFunc(live, func(s store.Session) bool { return deref(s.TokenID) != deref(session.TokenID) })
	surplus := len(live) - auth.MaxSessions(session.Role) + 1
	if surplus <= 0 {
		return nil
	}
	for _, old := range live[:surplus] {
		if _, err := tx.DeleteSession(ctx, old.Hash); err != nil {
			return fmt.Errorf("end the oldest session: %w", err)
		}
	}
	if session.OrgID == nil {
		return nil
	}
	why := subscription.SessionEvicted
	if session.Role == store.RoleOrgAdmin {
		why = subscription.CredentialRotated // the close reason that clients know (B2B-WS-005)
	}
	return s.credentialEnded(ctx, tx, deref(session.BotID), why)
}

// sessionRequired returns the error of calls about the session of the cookie without one.
func sessionRequired() *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "A live session is required").WithHint("Log in first.")
}

func (s *authService) Logout(ctx context.Context, _ *b2bv1.LogoutRequest) (*b2bv1.LogoutResponse, error) {
	info := call.From(ctx)
	session := info.Caller.Session
	if session == nil {
		return nil, sessionRequired()
	}
	err := update(ctx, s.core, session.OrgID, func(tx authTx) error {
		row, err := tx.DeleteSession(ctx, session.Hash)
		if errors.Is(err, store.ErrNotFound) {
			return sessionRequired()
		}
		if err != nil {
			return fmt.Errorf("end a session: %w", err)
		}
		if session.OrgID == "" {
			return nil
		}
		details := detail{"role": row.Role, "ip": info.RemoteIP}
		if err := s.audit(ctx, tx, session.OrgID, row.BotID, "auth.logout", "session", row.Ref, details); err != nil {
			return err
		}
		return s.accessChanged(ctx, tx, session.BotID)
	})
	if err != nil {
		return nil, err
	}
	if session.OrgID == "" {
		s.Access.Forget("")
	}
	info.Cookie = &call.Cookie{}
	return &b2bv1.LogoutResponse{Ok: true}, nil
}

func (s *authService) GetSession(ctx context.Context, _ *b2bv1.GetSessionRequest) (*b2bv1.GetSessionResponse, error) {
	session := call.CallerOf(ctx).Session
	if session == nil {
		return nil, sessionRequired()
	}
	out := &b2bv1.GetSessionResponse{
		Role: roleOf(session.Role), OwnerName: session.OwnerName, IsScopedToken: session.IsScopedToken,
		ExpiresAt: stamp(session.ExpiresAt),
		Config:    &b2bv1.SessionConfig{MaxFileSizeMb: int32(s.Config.MaxFileSizeMB)},
	}
	if session.OrgID != "" {
		out.OrgId = &session.OrgID
	}
	if session.BotID != "" {
		out.BotId = &session.BotID
	}
	if session.Scopes != nil {
		out.Scopes = &b2bv1.ScopeList{Values: scopesOf(session.Scopes)}
	}
	return out, nil
}
