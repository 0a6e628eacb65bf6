package auth

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spy counts the reads that find a credential, and can delay one or make calls fail.
type spy struct {
	store.Store
	reads    atomic.Int64
	pause    atomic.Pointer[pause] // the next read of an org waits at it
	broken   atomic.Bool           // Update fails
	topReads atomic.Int64          // calls of LogTops
	topsFail atomic.Bool           // LogTops fails
}

// pause lets a test stop a read: it closes reached and waits for release.
type pause struct{ reached, release chan struct{} }

func (s *spy) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.Store.View(ctx, func(r store.Reader) error { return fn(spyReader{r, s}) })
}

type spyReader struct {
	store.Reader
	spy *spy
}

func (r spyReader) Org(ctx context.Context, id string) (*store.Org, error) {
	r.spy.reads.Add(1)
	if p := r.spy.pause.Swap(nil); p != nil {
		close(p.reached)
		<-p.release
	}
	return r.Reader.Org(ctx, id)
}

func (s *spy) LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error) {
	s.topReads.Add(1)
	if s.topsFail.Load() {
		return nil, errBroken
	}
	return s.Store.LogTops(ctx, orgs)
}

var errBroken = errors.New("the store is broken")

func (s *spy) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	if s.broken.Load() {
		return errBroken
	}
	return s.Store.Update(ctx, org, fn)
}

// fixture is an org with an admin bot, which has a primary and a scoped token.
type fixture struct {
	*testing.T
	store *spy
	auth  *Authenticator
	clock atomic.Int64 // Unix milliseconds
}

const (
	start   = int64(1_700_000_000_000)
	primary = "bot_primary"
	scoped  = "scoped_reader"
)

func newFixture(t *testing.T) *fixture { return newSharedFixture(t, false) }

// newSharedFixture makes a fixture; with shared, the authenticator does not receive the commits
// of its store, as if another node made them.
func newSharedFixture(t *testing.T, shared bool) *fixture {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	b := &fixture{T: t, store: &spy{Store: st}}
	b.clock.Store(start)
	b.auth = New(Config{
		Store: store.NarrowViews(b.store, func(r store.Reader) Reader { return r }, func(tx store.Tx) Tx { return tx }), Log: slog.New(slog.DiscardHandler), AdminSecret: "s", Single: !shared,
		Now: func() time.Time { return time.UnixMilli(b.clock.Load()) },
	})
	if shared {
		b.auth.unhook() // commits look like another node's
	}
	t.Cleanup(func() {
		b.store.broken.Store(false)
		if err := errors.Join(b.auth.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	b.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "o", SecretHash: "h", Status: store.OrgActive, CreatedAt: start})
	})
	ends := start + 60_000
	b.change("org", func(ctx context.Context, tx store.Tx) error {
		return errors.Join(
			tx.CreateBot(ctx, &store.Bot{
				ID: "bot", OrgID: "org", Name: "worker", TokenHash: Hash(primary), AuthRole: store.AuthAdmin,
				JoinStatus: store.BotActive, CreatedAt: start,
			}),
			tx.CreateToken(ctx, &store.Token{
				ID: "token", BotID: "bot", TokenHash: Hash(scoped), Scopes: `["read","profile"]`, ExpiresAt: &ends, CreatedAt: start,
			}),
		)
	})
	return b
}

func (b *fixture) change(org string, fn func(context.Context, store.Tx) error) {
	b.Helper()
	if err := b.store.Update(b.Context(), org, func(tx store.Tx) error { return fn(b.Context(), tx) }); err != nil {
		b.Fatal(err)
	}
}

// changeAccess is change that also appends an access_changed event.
func (b *fixture) changeAccess(fn func(context.Context, store.Tx) error) {
	b.Helper()
	b.change("org", func(ctx context.Context, tx store.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Append(ctx, store.Event{Type: eventtype.AccessChanged, At: start, Payload: []byte{}})
		return err
	})
}

func (b *fixture) setStatus(status string) {
	b.Helper()
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		return tx.SetBotJoinStatus(ctx, "bot", status, nil, start, nil)
	})
}

func (b *fixture) setOrg(status string) {
	b.Helper()
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		return tx.UpdateOrg(ctx, &store.Org{ID: "org", Name: "o", Status: status})
	})
}

// login opens a session as the service does and returns its cookie.
func (b *fixture) login(role string) string {
	b.Helper()
	id := NewSessionID()
	s := &store.Session{
		Hash: Hash(id), Ref: SessionRef(id), Role: role,
		CreatedAt: b.clock.Load(), ExpiresAt: b.clock.Load() + SessionTTL(role).Milliseconds(),
	}
	org, bot, scopes := "org", "bot", `["read"]`
	switch role {
	case store.RoleBotOwner:
		s.OrgID, s.BotID, s.Scopes = &org, &bot, &scopes
	case store.RoleOrgAdmin:
		s.OrgID = &org
	default:
		org = ""
		fingerprint, err := b.auth.AdminFingerprint(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.SecretFingerprint = &fingerprint
	}
	b.change(org, func(ctx context.Context, tx store.Tx) error { return tx.CreateSession(ctx, s) })
	return id
}

// as authenticates and returns the caller, or the code of the refusal.
func (b *fixture) as(c call.Credentials) (*call.Caller, b2bv1.ErrorCode) {
	b.Helper()
	caller, err := b.auth.Authenticate(b.Context(), c)
	var refused *call.Error
	switch {
	case err == nil:
		return caller, 0
	case errors.As(err, &refused):
		return nil, refused.Code
	}
	b.Fatal(err)
	return nil, 0
}

func (b *fixture) refused(c call.Credentials, want b2bv1.ErrorCode) {
	b.Helper()
	if _, code := b.as(c); code != want {
		b.Errorf("%+v: got %v, want %v", c, code, want)
	}
}

func (b *fixture) accepted(c call.Credentials) *call.Caller {
	b.Helper()
	caller, code := b.as(c)
	if code != 0 {
		b.Fatalf("%+v: refused with %v", c, code)
	}
	return caller
}

func bearerOf(token string) call.Credentials { return call.Credentials{Bearer: token} }
func cookieOf(id string) call.Credentials    { return call.Credentials{SessionID: id} }

func TestBearer(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	c := b.accepted(bearerOf(primary))
	if c.Kind != call.Bot || c.OrgID != "org" || c.BotID != "bot" || c.BotName != "worker" || !c.Admin ||
		c.Scopes != call.ScopeFull || c.TokenID != "" || c.TokenHash != Hash(primary) || c.Session != nil {
		t.Errorf("the primary token resolves to %+v", c)
	}
	c = b.accepted(call.Credentials{Bearer: scoped, OrgID: "org"})
	if c.Scopes != call.ScopeRead|call.ScopeProfile || c.TokenID != "token" || c.BotID != "bot" || c.TokenHash != Hash(scoped) {
		t.Errorf("the scoped token resolves to %+v", c)
	}
	b.refused(call.Credentials{}, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.refused(bearerOf("bot_other"), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.refused(bearerOf("scoped_other"), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
}

// A bearer is checked in the order: expiry, bot, X-Org-Id, org (B2B-AUTH-004).
func TestBearerOrder(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	elsewhere := call.Credentials{Bearer: primary, OrgID: "other"}
	elsewhereScoped := call.Credentials{Bearer: scoped, OrgID: "other"}
	b.setOrg(store.OrgSuspended)
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED)
	b.refused(elsewhere, b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH)
	b.setStatus(store.BotPending)
	b.refused(elsewhere, b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE)
	b.refused(elsewhereScoped, b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE)
	b.clock.Add(60_001)
	b.refused(elsewhereScoped, b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED)
	b.setStatus(store.BotActive)
	b.setOrg(store.OrgDestroyed)
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
}

func TestBotNotActiveCarriesJoinStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []string{store.BotPending, store.BotRejected} {
		e := BotRefusal(&store.Bot{JoinStatus: status})
		if e.Message != "bot_not_active" || e.Extras["join_status"] != status || e.Extras["message"] == "" || e.Status() != 403 {
			t.Errorf("%s: %+v", status, e)
		}
	}
	if e := BotRefusal(&store.Bot{JoinStatus: store.BotActive}); e != nil {
		t.Errorf("an active bot is refused: %v", e)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	owner, admin, super := b.login(store.RoleBotOwner), b.login(store.RoleOrgAdmin), b.login(store.RoleSuperAdmin)
	c := b.accepted(cookieOf(owner))
	if c.Kind != call.Bot || c.BotID != "bot" || c.Scopes != call.ScopeRead || !c.Admin || c.TokenHash != "" ||
		c.Session.Ref != SessionRef(owner) || c.Session.Role != store.RoleBotOwner {
		t.Errorf("a bot owner's session resolves to %+v", c)
	}
	// A live session takes precedence over a bearer, and ignores X-Org-Id.
	c = b.accepted(call.Credentials{SessionID: admin, Bearer: primary, OrgID: "other"})
	if c.Kind != call.OrgAdmin || c.OrgID != "org" || c.Session == nil {
		t.Errorf("an org admin's session resolves to %+v", c)
	}
	if c = b.accepted(cookieOf(super)); c.Kind != call.SuperAdmin || c.OrgID != "" {
		t.Errorf("a super admin's session resolves to %+v", c)
	}
	// An ended session counts as absent.
	b.accepted(call.Credentials{SessionID: NewSessionID(), Bearer: primary})
	b.refused(cookieOf(NewSessionID()), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)

	b.setStatus(store.BotRejected)
	b.refused(cookieOf(owner), b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE)
	b.setOrg(store.OrgSuspended)
	b.refused(cookieOf(owner), b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED)
	b.refused(cookieOf(admin), b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED)
	if s, err := b.auth.Session(t.Context(), admin); s == nil || err != nil {
		t.Errorf("the session of a suspended org is %v, %v, want it live", s, err)
	}
	b.setOrg(store.OrgActive)
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "bot", "session", start)
		return err
	})
	b.refused(cookieOf(owner), b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID)
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)

	b.change("", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteSession(ctx, Hash(super))
		return err
	})
	b.auth.Forget("")
	b.refused(cookieOf(super), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		make   func() string
		prefix string
		length int
	}{
		{NewBotToken, "bot_", 52}, {NewScopedToken, "scoped_", 55}, {NewOrgSecret, "", 48},
		{NewTicketCode, "tkt_", 20}, {NewInviteCode, "hxa_", 20}, {NewSessionID, "", 64},
	} {
		a, b := tt.make(), tt.make()
		if a == b || len(a) != tt.length || a[:len(tt.prefix)] != tt.prefix {
			t.Errorf("made %q and %q, want %q and hex, %d characters in all", a, b, tt.prefix, tt.length)
		}
		if !Matches(a, Hash(a)) || Matches(b, Hash(a)) || Matches(a, "") {
			t.Errorf("%q does not match its hash alone", a)
		}
	}
	// B2B-AUTH-070: a ref depends on the id alone, and is no part of the hash in the store.
	if r := SessionRef("id"); len(r) != 16 || r != SessionRef("id") || r == SessionRef("ie") || Hash("id")[:16] == r {
		t.Errorf("SessionRef = %q, want 16 characters that depend on the id and are no part of its hash", r)
	}
}
