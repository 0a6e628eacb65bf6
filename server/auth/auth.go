// Package auth turns credentials into callers.
//
// A credential is a bot's token or the cookie of a session. What it leads to (the
// caller, or the reason why it may do nothing) is read from the store once and then
// remembered by the credential's hash, so that a call costs one hash and one look
// into a map. Whoever changes what a credential leads to says so in the log of the
// org, with an access_changed event in the same transaction; the commit of such an
// event makes this package forget the org before the change is answered. So no
// revoked credential is believed afterwards, also not by a read that was under way
// meanwhile (see generations). Where other nodes change the same database, the logs of
// the orgs that something is remembered of are followed (see follower): what another
// node revoked is believed until its ring arrives, and for about a second if that is
// lost. Sessions of super admins have no log, and are then asked for every time.
//
// That a caller was there (last_seen_at, last_used_at, the extension of a session)
// is noted in memory and written once a second, by [Authenticator.Run].
package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// accessChanged is the type of the events that make what is remembered of an org
// out of date.
const accessChanged = "access_changed"

// Config is what an Authenticator works with. Store, Log and Now are needed.
type Config struct {
	Store       store.Store
	Log         *slog.Logger
	Now         func() time.Time
	AdminSecret string
	Shared      bool // other nodes change the same database
}

// Authenticator knows who is calling. It implements call.Authenticator, and what
// the services ask of the holder of identities (service.Access).
type Authenticator struct {
	store    store.Store
	log      *slog.Logger
	now      func() time.Time
	gens     *generations
	tokens   *cache[*bearer]
	sessions *cache[*login]
	marks    marks
	follower *follower // nil: no other node
	unhook   func()
}

var _ call.Authenticator = (*Authenticator)(nil)

// New makes an Authenticator. It must be closed before the store.
func New(c Config) *Authenticator {
	gens := &generations{seed: maphash.MakeSeed()}
	a := &Authenticator{
		store: c.Store, log: c.Log, now: c.Now,
		gens: gens, tokens: newCache[*bearer](gens), sessions: newCache[*login](gens),
	}
	a.marks.pending = newBatch()
	if c.Shared {
		a.follower = newFollower(c.Store, gens, c.Log)
	}
	a.unhook = c.Store.OnCommit(func(org string, events []store.Event) {
		if a.follower != nil {
			a.follower.committed(org, events)
		}
		for i := range events {
			if events[i].Type == accessChanged {
				gens.forget(org)
				return
			}
		}
	})
	return a
}

// Forget drops what is remembered of an org's tokens and sessions, at once; of
// super admins' sessions, with an empty org. It is for changes that have no log:
// those of super admins, and the destruction of an org.
func (a *Authenticator) Forget(org string) { a.gens.forget(org) }

// Rung says that the log of org has reached seq, written by whichever node; 0:
// unknown. No org is every org.
func (a *Authenticator) Rung(org string, seq int64) {
	if a.follower != nil {
		a.follower.rung(org, seq)
	}
}

// fresh reads something of an org and makes sure that it may be remembered: that it
// was read while the org was followed already.
func fresh[T any](ctx context.Context, a *Authenticator, read func() (value T, org string, err error)) (value T, org string, err error) {
	if a.follower == nil {
		return read()
	}
	started := a.follower.begin()
	value, org, err = read()
	if err != nil || org == "" {
		return value, org, err
	}
	was, err := a.follower.follow(ctx, org, started)
	if was || err != nil {
		return value, org, err
	}
	return read()
}

func (a *Authenticator) nowMS() int64 { return a.now().UnixMilli() }

// Session answers the live session of a cookie, or nil. It looks at neither the org
// nor the bot.
func (a *Authenticator) Session(ctx context.Context, id string) (*call.Session, error) {
	l, err := a.findSession(ctx, id)
	if err != nil || l == nil {
		return nil, err
	}
	return l.session, nil
}

// Authenticate answers who is calling (http-core.md §3.2): a live session wins over
// a bearer token.
func (a *Authenticator) Authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.TokenHash != "" || c.SessionHash != "" {
		return a.authenticateHeld(ctx, c)
	}
	l, err := a.findSession(ctx, c.SessionID)
	switch {
	case err != nil:
		return nil, err
	case l != nil && l.refusal != nil:
		return nil, l.refusal
	case l != nil:
		return l.caller, nil
	case c.Bearer == "":
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "A credential is required").
			WithHint("Send the header Authorization: Bearer and a bot's token.")
	}
	return a.authenticateBearer(ctx, c)
}

// bearer is what a bot's token leads to.
type bearer struct {
	caller     *call.Caller
	expires    int64 // Unix milliseconds; 0: never
	botRefusal *call.Error
	orgRefusal *call.Error
}

func (a *Authenticator) authenticateBearer(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	b, err := a.findBearer(ctx, keyOf(c.Bearer), strings.HasPrefix(c.Bearer, scopedPrefix))
	if err != nil {
		return nil, err
	}
	now := a.nowMS()
	caller, err := b.judge(c, now)
	if err != nil {
		return nil, err
	}
	a.marks.touch(caller.BotID, caller.TokenID, now)
	return caller, nil
}

// judge answers the caller, or the first reason why it may do nothing.
func (b *bearer) judge(c call.Credentials, now int64) (*call.Caller, error) {
	switch {
	case b.expires != 0 && b.expires < now:
		return nil, TokenExpired()
	case b.botRefusal != nil:
		return nil, b.botRefusal
	case c.OrgID != "" && c.OrgID != b.caller.OrgID:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH, "X-Org-Id names another org than the token's")
	case b.orgRefusal != nil:
		return nil, b.orgRefusal
	}
	return b.caller, nil
}

// findBearer answers what the token of a key leads to; scoped guesses its kind.
func (a *Authenticator) findBearer(ctx context.Context, k key, scoped bool) (*bearer, error) {
	if it, ok := a.tokens.get(k); ok {
		if a.follower != nil {
			a.follower.use(it.value.caller.OrgID)
		}
		return it.value, nil
	}
	stamp := a.gens.begin()
	b, org, err := fresh(ctx, a, func() (*bearer, string, error) {
		b, err := a.loadBearer(ctx, hex.EncodeToString(k[:]), scoped)
		if err != nil {
			return nil, "", err
		}
		return b, b.caller.OrgID, nil
	})
	if err != nil {
		return nil, err
	}
	a.tokens.put(k, org, stamp, b)
	return b, nil
}

func (a *Authenticator) loadBearer(ctx context.Context, hash string, scoped bool) (*bearer, error) {
	found, err := findHash(ctx, a.store, hash, scoped)
	if errors.Is(err, store.ErrNotFound) {
		return nil, TokenUnknown()
	}
	if err != nil {
		return nil, err
	}
	org, err := a.store.Org(ctx, found.Bot.OrgID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, TokenUnknown() // destroyed between the two reads
	}
	if err != nil {
		return nil, fmt.Errorf("find the org of a token: %w", err)
	}
	scopes, err := found.Scopes()
	if err != nil {
		return nil, err
	}
	b := &bearer{caller: botCaller(found.Bot), botRefusal: BotRefusal(found.Bot), orgRefusal: OrgRefusal(org)}
	b.caller.Scopes = call.ParseScopes(scopes)
	b.caller.TokenHash = hash
	if found.Token != nil {
		b.caller.TokenID = found.Token.ID
		if found.Token.ExpiresAt != nil {
			b.expires = *found.Token.ExpiresAt
		}
	}
	return b, nil
}
