// Package auth turns credentials into callers.
//
// A credential is a bot's token or the cookie of a session. What it leads to (the
// caller, or the reason why it may do nothing) is read from the store once and then
// remembered by the credential's hash, so that a call costs one hash and one look
// into a map. Whoever changes what a credential leads to says so in the log of the
// org, with an access_changed event in the same transaction.
//
// On one node the commit of such an event makes this package forget the org before the
// change is answered. So no revoked credential is believed afterwards, also not by a
// read that was under way meanwhile (see generations).
//
// Where other nodes change the same database, no message between nodes is trusted with
// that: it may be late or lost. What is remembered carries the place in the log at which
// access had changed last when it was read (its version), and is good for as long as that
// place has not moved. Changes compare it in their own transaction, which costs nothing
// and leaves no moment between looking and writing (see call.Credentials.VersionChecked).
// Everything else compares it before it begins, with one small query for all who ask at
// the same time (see confirmer). Refusals are never from memory. So a revocation that
// was answered counts on every node, also when notifications are lost. Sessions of super
// admins have no log: several nodes ask for them every time.
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
	admin    adminSecret
	log      *slog.Logger
	now      func() time.Time
	gens     *generations
	tokens   *cache[*bearer]
	sessions *cache[*login]
	activity activity
	confirm  *confirmer // nil: no other node
	unhook   func()
}

var _ call.Authenticator = (*Authenticator)(nil)

// New makes an Authenticator. It must be closed before the store.
func New(c Config) *Authenticator {
	gens := &generations{seed: maphash.MakeSeed()}
	a := &Authenticator{
		store: c.Store, log: c.Log, now: c.Now, admin: adminSecret{text: c.AdminSecret},
		gens: gens, tokens: newCache[*bearer](gens), sessions: newCache[*login](gens),
	}
	a.activity.pending = newBatch()
	if c.Shared {
		a.confirm = &confirmer{log: c.Store}
	}
	a.unhook = c.Store.OnCommit(func(org string, events []store.Event) {
		for i := range events {
			if events[i].Type == store.TypeAccessChanged {
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

// believe tells whether what was remembered of an org with a version is still good. Who
// looks at the version later need not know yet.
func (a *Authenticator) believe(ctx context.Context, org string, version call.AuthVersion, later bool) (bool, error) {
	if a.confirm == nil || later {
		return true, nil
	}
	top, ok, err := a.confirm.top(ctx, org)
	return ok && versionOf(top) == version, err
}

func versionOf(top store.LogTop) call.AuthVersion {
	return call.AuthVersion{Epoch: top.Epoch, Access: top.Access}
}

// read reads what a credential leads to and the version of its org, from one snapshot.
func read[T any](ctx context.Context, a *Authenticator, load func(store.Reader) (value T, org string, err error), version func(T, call.AuthVersion)) (value T, org string, err error) {
	err = a.store.View(ctx, func(r store.Reader) (err error) {
		if value, org, err = load(r); err != nil || org == "" {
			return err
		}
		top, err := r.LogTop(ctx, org)
		if err != nil {
			return fmt.Errorf("find the end of an org's log: %w", err)
		}
		version(value, versionOf(top))
		return nil
	})
	return value, org, err
}

func (a *Authenticator) nowMS() int64 { return a.now().UnixMilli() }

// Session answers the live session of a cookie, or nil. It looks at neither the org
// nor the bot.
func (a *Authenticator) Session(ctx context.Context, id string) (*call.Session, error) {
	l, err := a.findSession(ctx, id, false)
	if err != nil || l == nil {
		return nil, err
	}
	return l.session, nil
}

// Authenticate answers who is calling (B2B-AUTH-001, B2B-AUTH-004): a live session wins over a
// bearer token.
func (a *Authenticator) Authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.VersionChecked {
		caller, err := a.authenticate(ctx, c)
		if err == nil {
			return caller, nil
		}
		if _, refused := call.AsError(err); !refused {
			return nil, err
		}
		c.VersionChecked = false // refusals are not from memory
	}
	return a.authenticate(ctx, c)
}

func (a *Authenticator) authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.TokenHash != "" || c.SessionHash != "" {
		return a.authenticateHeld(ctx, c)
	}
	l, err := a.findSession(ctx, c.SessionID, c.VersionChecked)
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
	botRefusal *call.Error
	orgRefusal *call.Error
}

func (a *Authenticator) authenticateBearer(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	b, err := a.findBearer(ctx, keyOf(c.Bearer), strings.HasPrefix(c.Bearer, scopedPrefix), c.VersionChecked)
	if err != nil {
		if e, refused := call.AsError(err); refused && Mistyped(c.Bearer) {
			return nil, e.WithHint("Its checksum does not fit: is it complete, and typed right?")
		}
		return nil, err
	}
	now := a.nowMS()
	caller, err := b.judge(c, now)
	if err != nil {
		return nil, err
	}
	a.activity.touch(caller.BotID, caller.TokenID, now)
	return caller, nil
}

// judge answers the caller, or the first reason why it may do nothing.
func (b *bearer) judge(c call.Credentials, now int64) (*call.Caller, error) {
	switch {
	case b.caller.TokenEnds != 0 && b.caller.TokenEnds < now:
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

// findBearer answers what the token of a key leads to; scoped guesses its kind, and
// later tells that the caller looks at the version.
func (a *Authenticator) findBearer(ctx context.Context, k key, scoped, later bool) (*bearer, error) {
	if it, ok := a.tokens.get(k); ok {
		good, err := a.believe(ctx, it.value.caller.OrgID, it.value.caller.AuthVersion, later)
		if err != nil {
			return nil, err
		}
		if good {
			return it.value, nil
		}
	}
	return a.readBearer(ctx, k, scoped)
}

// readBearer is findBearer from the store.
func (a *Authenticator) readBearer(ctx context.Context, k key, scoped bool) (*bearer, error) {
	stamp := a.gens.begin()
	b, org, err := read(ctx, a, func(r store.Reader) (*bearer, string, error) {
		b, err := loadBearer(ctx, r, hex.EncodeToString(k[:]), scoped)
		if err != nil {
			return nil, "", err
		}
		return b, b.caller.OrgID, nil
	}, func(b *bearer, f call.AuthVersion) { b.caller.AuthVersion = f })
	if err != nil {
		return nil, err
	}
	a.tokens.put(k, org, stamp, b)
	return b, nil
}

func loadBearer(ctx context.Context, r store.Reader, hash string, scoped bool) (*bearer, error) {
	found, err := findHash(ctx, r, hash, scoped)
	if errors.Is(err, store.ErrNotFound) {
		return nil, TokenUnknown()
	}
	if err != nil {
		return nil, err
	}
	org, err := r.Org(ctx, found.Bot.OrgID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, TokenUnknown()
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
			b.caller.TokenEnds = *found.Token.ExpiresAt
		}
	}
	return b, nil
}
