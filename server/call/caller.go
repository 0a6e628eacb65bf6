package call

import (
	"errors"
	"slices"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// Kind is what a caller is.
type Kind int

// The kinds of callers. The zero Kind is nobody.
const (
	Nobody Kind = iota
	Bot
	OrgAdmin
	SuperAdmin
)

// Caller is an authenticated identity. It is read-only: authenticators share one
// value between calls.
type Caller struct {
	Kind      Kind
	OrgID     string // empty for Nobody and SuperAdmin
	BotID     string // Kind Bot
	BotName   string // Kind Bot
	Admin     bool   // Kind Bot: auth_role is admin
	Scopes    Scopes // Kind Bot
	TokenID   string // the scoped token, if one was used
	TokenHash string // SHA-256 hex of the bearer token, if one was used
	TokenEnds int64  // of a scoped token that was used: Unix milliseconds; 0: never
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

// Session is the login session that a caller used, or had beside an operation
// that anybody may call.
type Session struct {
	Hash          string // SHA-256 hex of the id; the id itself stays in the cookie
	Ref           string // public handle, 16 hex characters
	Role          string // bot_owner, org_admin, super_admin
	OrgID         string
	BotID         string
	OwnerName     *string
	Scopes        []string // nil: everything the role may
	IsScopedToken bool
	TokenID       string // the scoped token that opened it; empty: none, or not known
	ExpiresAt     int64  // Unix milliseconds
}

// Ends is when the caller's credential ends by time, in Unix milliseconds: 0 for never. A
// session that is in use may end later than it says.
func (c *Caller) Ends() int64 {
	if c.Session != nil {
		return c.Session.ExpiresAt
	}
	return c.TokenEnds
}

// ViaSession tells whether a human acts, as a bot or otherwise.
func (c *Caller) ViaSession() bool { return c.Session != nil }

// IsAdmin tells whether the caller administrates its org: an org admin's
// session, or a bot whose auth_role is admin.
func (c *Caller) IsAdmin() bool { return c.Kind == OrgAdmin || c.Kind == Bot && c.Admin }

// Actor is how events and threads name the caller: a bot's id, or "org:" and the
// org's id.
func (c *Caller) Actor() string {
	if c.Kind == Bot {
		return c.BotID
	}
	return "org:" + c.OrgID
}

// Key tells callers apart for idempotency: one for each bot, one for the org's
// admins, one for super admins, one for everybody else.
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
)

var scopeNames = [...]string{"full", "read", "thread", "message", "profile", "admin"}

// ScopeNames lists the names of all scopes.
func ScopeNames() []string { return scopeNames[:] }

// ParseScopes makes a set of names; unknown names are ignored.
func ParseScopes(names []string) Scopes {
	var s Scopes
	for i, n := range scopeNames {
		if slices.Contains(names, n) {
			s |= 1 << i
		}
	}
	return s
}

// Satisfies reports whether the set covers what an operation needs.
func (s Scopes) Satisfies(need optionsv1.Scope) bool {
	return need == optionsv1.Scope_SCOPE_UNSPECIFIED || s&Satisfying(need) != 0
}

// Satisfying is the scopes of which any covers one of the needs: full, and what the schema
// says of each need.
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
