package call

import (
	"errors"
	"slices"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Kind is a kind of caller.
type Kind int

// The kinds of callers. The zero Kind is an unauthenticated caller.
const (
	Nobody Kind = iota
	Bot
	OrgAdmin
	SuperAdmin
)

// String returns the name of a kind in logs and traces.
func (k Kind) String() string {
	switch k {
	case Bot:
		return "bot"
	case OrgAdmin:
		return "org_admin"
	case SuperAdmin:
		return "super_admin"
	}
	return "nobody"
}

// Caller is an authenticated identity. It is read-only, because authenticators share one value
// between calls.
type Caller struct {
	Kind      Kind
	OrgID     string // empty for Nobody and SuperAdmin
	BotID     string // Kind Bot
	BotName   string // Kind Bot
	Admin     bool   // Kind Bot: auth_role is admin
	Scopes    Scopes // Kind Bot
	TokenID   string // the scoped token, if one was used
	TokenHash string // SHA-256 of the bearer token in hex, if one was used
	TokenEnds int64  // expiry of the scoped token that was used, in Unix milliseconds; 0: never
	Session   *Session
	// AuthVersion is the version of the org's access data that the caller was read at;
	// zero for callers that belong to no org.
	AuthVersion AuthVersion
}

// AuthVersion identifies the last access change in an org's event log: of a token, a role,
// a bot's or the org's status. A caller that was read at this version is current as long as
// the log has no later access change.
type AuthVersion struct {
	Epoch  string
	Access int64 // seq of the last access_changed event
}

// ErrStale is the error of a change that wrote nothing because the access of its caller's
// org changed after the caller was looked up. The pipeline authenticates again and retries.
var ErrStale = errors.New("call: access changed after the caller was looked up")

// Session is the login session that a caller used. In an operation that anybody may call, it is
// the live session of the cookie, if any.
type Session struct {
	Hash          string // SHA-256 of the id in hex; the id itself is only in the cookie
	Ref           string // public handle, 16 hex characters
	Role          string // bot_owner, org_admin, super_admin
	OrgID         string
	BotID         string
	OwnerName     *string
	Scopes        []string // nil: no restriction
	IsScopedToken bool
	TokenID       string // the scoped token that opened it; empty: none, or not recorded
	ExpiresAt     int64  // Unix milliseconds
}

// Ends returns the expiry of the caller's credential in Unix milliseconds; 0: never. A session
// may be extended after that.
func (c *Caller) Ends() int64 {
	if c.Session != nil {
		return c.Session.ExpiresAt
	}
	return c.TokenEnds
}

// ViaSession reports whether the caller is a human with a session, as a bot or otherwise.
func (c *Caller) ViaSession() bool { return c.Session != nil }

// IsAdmin reports whether the caller administrates its org: a session of an org admin, or a bot
// with the auth_role admin.
func (c *Caller) IsAdmin() bool { return c.Kind == OrgAdmin || c.Kind == Bot && c.Admin }

// Actor returns the caller's name in events and threads: the id of a bot, or "org:" and the id
// of the org.
func (c *Caller) Actor() string {
	if c.Kind == Bot {
		return c.BotID
	}
	return "org:" + c.OrgID
}

// Key returns the scope of the caller's request ids: one for each bot, one for the admins of
// each org, one for super admins, and one for unauthenticated callers.
func (c *Caller) Key() string {
	switch c.Kind {
	case Bot:
		return "bot:" + c.BotID
	case OrgAdmin:
		return "org:" + c.OrgID
	case SuperAdmin:
		return "super"
	default:
		return "nobody"
	}
}

// Scopes is the set of scopes of a token.
type Scopes uint8

// The scopes.
const (
	ScopeFull Scopes = 1 << iota
	ScopeRead
	ScopeThread
	ScopeMessage
	ScopeProfile
	ScopeAdmin
	ScopeA2A
)

var scopeNames = [...]string{"full", "read", "thread", "message", "profile", "admin", "a2a"}

// ScopeNames lists the names of all scopes.
func ScopeNames() []string { return scopeNames[:] }

// ParseScopes returns the set of the named scopes. It ignores unknown names.
func ParseScopes(names []string) Scopes {
	var s Scopes
	for i, n := range scopeNames {
		if slices.Contains(names, n) {
			s |= 1 << i
		}
	}
	return s
}

// Satisfies reports whether the set has a scope that satisfies need.
func (s Scopes) Satisfies(need optionsv1.Scope) bool {
	return need == optionsv1.Scope_SCOPE_UNSPECIFIED || s&Satisfying(need) != 0
}

// Satisfying returns the scopes that satisfy at least one of the needs: full, and those that the
// schema names for each need.
func Satisfying(needs ...optionsv1.Scope) Scopes {
	any := ScopeFull
	for _, need := range needs {
		switch need {
		case optionsv1.Scope_SCOPE_READ:
			any |= ScopeRead
		case optionsv1.Scope_SCOPE_MESSAGE:
			any |= ScopeMessage
		case optionsv1.Scope_SCOPE_THREAD:
			any |= ScopeThread
		case optionsv1.Scope_SCOPE_PROFILE:
			any |= ScopeProfile
		case optionsv1.Scope_SCOPE_UPLOAD:
			any |= ScopeThread | ScopeMessage
		case optionsv1.Scope_SCOPE_ADMIN:
			any |= ScopeAdmin
		}
	}
	return any
}
