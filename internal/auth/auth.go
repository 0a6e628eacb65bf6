// Package auth turns credentials into callers.
//
// A credential is a bot's token or the cookie of a session. What it resolves to, a caller or
// the reason why the caller is refused, is read from the store once and then cached under the
// credential's hash, so that a call costs one hash and one map lookup. A change of what a
// credential resolves to appends an access_changed event to the log of the org in the same
// transaction.
//
// On one node, the commit hook of such an event drops the org's entries from the cache before
// the change is acknowledged. A revoked credential is never accepted after that, not even by a
// read that was running meanwhile (see generations).
//
// With several nodes on one database, a notification from another node may be late or lost,
// so the cache does not rely on it. An entry carries the auth version of its org: the position
// of the last access change in the log when the entry was read. The entry is valid while that
// position is still the last. Changes compare the version in their own transaction, which costs
// no query and leaves no gap between the check and the write (see
// [call.Credentials.VersionChecked]). All other calls compare it before they begin; calls that
// arrive at the same time share one small query (see topReader). Refusals are never served
// from the cache. So an acknowledged revocation holds on every node, even when the notifier
// fails. Sessions of super admins have no log, so several nodes read them from the store on
// every call.
//
// The use of a credential (last_seen_at, last_used_at, the extension of a session) is recorded
// in memory and written once a second by [Authenticator.Run].
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

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tally"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config configures an Authenticator. Store, Log and Now are required.
type Config struct {
	Store       Store
	Log         *slog.Logger
	Now         func() time.Time
	AdminSecret string
	Single      bool // no other process changes the database
}

// Authenticator resolves credentials to callers. It implements call.Authenticator and
// service.Access.
type Authenticator struct {
	store     Store
	admin     adminSecret
	log       *slog.Logger
	now       func() time.Time
	gens      *generations
	tokens    *cache[*bearer]
	sessions  *cache[*login]
	activity  activity
	unwritten *tally.Log // activity that could not be written
	tops      *topReader // nil: this is the only node
	unhook    func()
}

var _ call.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. It must be closed before the store.
func New(c Config) *Authenticator {
	gens := &generations{seed: maphash.MakeSeed()}
	a := &Authenticator{
		store: c.Store, log: c.Log, now: c.Now, admin: adminSecret{text: c.AdminSecret},
		unwritten: tally.New(c.Log, "last-seen times were not written"),
		gens:      gens, tokens: newCache[*bearer](gens), sessions: newCache[*login](gens),
	}
	a.activity.pending = newBatch()
	if !c.Single {
		a.tops = &topReader{log: c.Store}
	}
	a.unhook = c.Store.OnCommit(func(org string, events []store.Event) {
		for i := range events {
			if events[i].Type == eventtype.AccessChanged {
				gens.forget(org)
				return
			}
		}
	})
	return a
}

// Forget drops the cached tokens and sessions of an org, or with an empty org the cached
// sessions of super admins. It is for changes that append no event to a log: logins and logouts
// of super admins, and the deletion of an org.
func (a *Authenticator) Forget(org string) { a.gens.forget(org) }

// isCurrent reports whether a cache entry that an org had at a version is still valid. With
// versionChecked the caller compares the version itself, and isCurrent asks nothing.
func (a *Authenticator) isCurrent(ctx context.Context, org string, version call.AuthVersion, versionChecked bool) (bool, error) {
	if a.tops == nil || versionChecked {
		return true, nil
	}
	top, ok, err := a.tops.top(ctx, org)
	return ok && versionOf(top) == version, err
}

func versionOf(top store.LogTop) call.AuthVersion {
	return call.AuthVersion{Epoch: top.Epoch, Access: top.Access}
}

// read loads what a credential resolves to and sets the auth version of its org, from one
// snapshot. A value without an org gets no version.
func read[T any](ctx context.Context, a *Authenticator, load func(Reader) (value T, org string, err error), setVersion func(T, call.AuthVersion)) (value T, org string, err error) {
	err = a.store.View(ctx, func(r Reader) (err error) {
		if value, org, err = load(r); err != nil || org == "" {
			return err
		}
		top, err := r.LogTop(ctx, org)
		if err != nil {
			return fmt.Errorf("read the top of an org's log: %w", err)
		}
		setVersion(value, versionOf(top))
		return nil
	})
	return value, org, err
}

func (a *Authenticator) nowMS() int64 { return a.now().UnixMilli() }

// Session returns the live session of a cookie, or nil. It does not check whether the org and
// the bot are active.
func (a *Authenticator) Session(ctx context.Context, id string) (*call.Session, error) {
	l, err := a.findSession(ctx, id, false)
	if err != nil || l == nil {
		return nil, err
	}
	return l.session, nil
}

// Authenticate returns the caller of a credential (B2B-AUTH-001, B2B-AUTH-004). A live session
// takes precedence over a bearer token.
func (a *Authenticator) Authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.VersionChecked {
		caller, err := a.authenticate(ctx, c)
		if err == nil {
			return caller, nil
		}
		if _, refused := call.AsError(err); !refused {
			return nil, err
		}
		c.VersionChecked = false // a refusal is never served from the cache
	}
	return a.authenticate(ctx, c)
}

func (a *Authenticator) authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	if c.TokenHash != "" || c.SessionHash != "" {
		return a.authenticateConnection(ctx, c)
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

// bearer is what a bot's token resolves to: its caller, and why the caller is refused (nil: it
// is not).
type bearer struct {
	caller     *call.Caller
	botRefusal *call.Error
	orgRefusal *call.Error
}

func (a *Authenticator) authenticateBearer(ctx context.Context, c call.Credentials) (*call.Caller, error) {
	b, err := a.findBearer(ctx, keyOf(c.Bearer), strings.HasPrefix(c.Bearer, scopedPrefix), c.VersionChecked)
	if err != nil {
		if e, refused := call.AsError(err); refused && ChecksumFails(c.Bearer) {
			return nil, e.WithHint("The checksum of the token is wrong. Check that it is complete and typed correctly.")
		}
		return nil, err
	}
	now := a.nowMS()
	caller, err := b.check(c, now)
	if err != nil {
		return nil, err
	}
	a.activity.touch(caller.BotID, caller.TokenID, now)
	return caller, nil
}

// check returns the caller, or the first reason to refuse it (B2B-AUTH-004).
func (b *bearer) check(c call.Credentials, now int64) (*call.Caller, error) {
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

// findBearer returns what the token of a key resolves to. scoped is the likelier kind of the
// token, which is looked up first.
func (a *Authenticator) findBearer(ctx context.Context, k key, scoped, versionChecked bool) (*bearer, error) {
	if it, ok := a.tokens.get(k); ok {
		current, err := a.isCurrent(ctx, it.value.caller.OrgID, it.value.caller.AuthVersion, versionChecked)
		if err != nil {
			return nil, err
		}
		if current {
			return it.value, nil
		}
	}
	return a.readBearer(ctx, k, scoped)
}

// readBearer reads what the token of a key resolves to from the store, and caches it.
func (a *Authenticator) readBearer(ctx context.Context, k key, scoped bool) (*bearer, error) {
	stamp := a.gens.begin()
	b, org, err := read(ctx, a, func(r Reader) (*bearer, string, error) {
		b, err := loadBearer(ctx, r, hex.EncodeToString(k[:]), scoped)
		if err != nil {
			return nil, "", err
		}
		return b, b.caller.OrgID, nil
	}, func(b *bearer, v call.AuthVersion) { b.caller.AuthVersion = v })
	if err != nil {
		return nil, err
	}
	a.tokens.put(k, org, stamp, b)
	return b, nil
}

func loadBearer(ctx context.Context, r Reader, hash string, scoped bool) (*bearer, error) {
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
