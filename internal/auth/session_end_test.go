package auth

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// open opens an owner's session as the service does, with a scoped token unless that is
// empty.
func (b *fixture) open(token string, expires int64) string {
	b.Helper()
	id, org, bot, scopes := NewSessionID(), "org", "bot", `["read"]`
	s := &store.Session{
		Hash: Hash(id), Ref: "r", Role: store.RoleBotOwner, OrgID: &org, BotID: &bot, Scopes: &scopes, IsScopedToken: true,
		CreatedAt: b.clock.Load(), ExpiresAt: expires,
	}
	if token != "" {
		s.TokenID = &token
	}
	b.change(org, func(ctx context.Context, tx store.Tx) error { return tx.CreateSession(ctx, s) })
	return id
}

// B2B-AUTH-061: a session ends at the cap of its role, even when it is used all the time.
func TestSessionCap(t *testing.T) {
	t.Parallel()
	for _, role := range []string{store.RoleBotOwner, store.RoleOrgAdmin, store.RoleSuperAdmin} {
		t.Run(role, func(t *testing.T) {
			b := newFixture(t)
			id := b.login(role)
			half := SessionTTL(role).Milliseconds()/2 + 1
			most := start + SessionCap(role).Milliseconds()
			for b.clock.Load()+half < most {
				b.clock.Add(half)
				if got := b.accepted(cookieOf(id)).Session.ExpiresAt; got > most {
					t.Fatalf("at %v it ends %v after its cap", time.Duration(b.clock.Load()-start)*time.Millisecond, time.Duration(got-most)*time.Millisecond)
				}
			}
			b.clock.Store(most - 1)
			b.accepted(cookieOf(id))
			b.clock.Store(most)
			b.refused(cookieOf(id), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
		})
	}
}

// B2B-AUTH-060: a session ends with the scoped token that opened it, by expiry or deletion of
// the token; use does not extend it further.
func TestSessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	ends := start + 60*time.Hour.Milliseconds()
	b.change("org", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateToken(ctx, &store.Token{ID: "long", BotID: "bot", TokenHash: "long", Scopes: `["read"]`, ExpiresAt: &ends, CreatedAt: start})
	})
	day := 24 * time.Hour.Milliseconds()
	id, gone := b.open("long", start+day), b.open("token", start+day)
	if c := b.accepted(cookieOf(id)); c.Session.TokenID != "long" {
		t.Errorf("the session came from %q", c.Session.TokenID)
	}
	if c := b.accepted(cookieOf(gone)); c.Session.ExpiresAt != start+60_000 {
		t.Errorf("it ends after %d ms, its token after a minute", c.Session.ExpiresAt-start)
	}
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteToken(ctx, "bot", "token")
		return err
	})
	b.refused(cookieOf(gone), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	for range 4 {
		b.clock.Add(13 * time.Hour.Milliseconds())
		if got := b.accepted(cookieOf(id)).Session.ExpiresAt; got > ends {
			t.Errorf("it ends %d ms after its token", got-ends)
		}
	}
	b.clock.Store(ends)
	b.refused(cookieOf(id), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.refused(call.Credentials{SessionHash: Hash(id)}, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}

// A session whose scoped token is not recorded, in imported data, is not extended.
func TestSessionOfAnUnknownToken(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	day := 24 * time.Hour.Milliseconds()
	id := b.open("", start+day)
	b.clock.Add(23 * time.Hour.Milliseconds())
	if got := b.accepted(cookieOf(id)).Session.ExpiresAt; got != start+day {
		t.Errorf("it was extended by %d ms", got-start-day)
	}
	b.clock.Store(start + day)
	b.refused(cookieOf(id), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}

// B2B-AUTH-062: a session of a super admin is valid only on nodes with the admin secret that
// opened it. A node that starts with another secret deletes it.
func TestAdminSecretRotates(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	id, human := b.login(store.RoleSuperAdmin), b.login(store.RoleOrgAdmin)
	node := func(secret string) *Authenticator {
		a := New(Config{Store: store.NarrowViews(b.store, func(r store.Reader) Reader { return r }, func(tx store.Tx) Tx { return tx }), Log: slog.New(slog.DiscardHandler), AdminSecret: secret, Now: b.auth.now})
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
		return a
	}
	live := func(a *Authenticator, id string) bool {
		t.Helper()
		s, err := a.Session(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s != nil
	}
	same, other, none := node("s"), node("t"), node("")
	if !live(same, id) || live(other, id) || live(none, id) {
		t.Errorf("valid with the same secret: %v, with another: %v, without one: %v", live(same, id), live(other, id), live(none, id))
	}
	if err := same.EndSessionsOfOtherSecrets(t.Context()); err != nil || !live(node("s"), id) {
		t.Errorf("a restart with the same secret ended the session (%v)", err)
	}
	if err := other.EndSessionsOfOtherSecrets(t.Context()); err != nil {
		t.Fatal(err)
	}
	if live(node("s"), id) {
		t.Error("a session that was ended by a new secret is valid again with the old one")
	}
	// B2B-ENV-011: a session that was opened without a secret.
	b.auth.admin = adminSecret{}
	easy := b.login(store.RoleSuperAdmin)
	if none := node(""); !live(none, easy) || live(same, easy) {
		t.Errorf("valid without a secret: %v, with one: %v", live(none, easy), live(same, easy))
	}
	if err := same.EndSessionsOfOtherSecrets(t.Context()); err != nil || live(node(""), easy) {
		t.Errorf("a server that started with a secret did not end it (%v)", err)
	}
	if !live(other, human) {
		t.Error("a new admin secret ended the session of an org admin")
	}
}
