package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (b *fixture) flush() {
	b.Helper()
	if err := b.auth.flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// stored returns the bot's last_seen_at and the token's last_used_at in the store, 0 for none.
func (b *fixture) stored() (seen, used int64) {
	b.Helper()
	bot, err := b.store.Bot(b.Context(), "org", "bot")
	if err != nil {
		b.Fatal(err)
	}
	token, err := b.store.TokenByHash(b.Context(), Hash(scoped))
	if err != nil {
		b.Fatal(err)
	}
	if bot.LastSeenAt != nil {
		seen = *bot.LastSeenAt
	}
	if token.LastUsedAt != nil {
		used = *token.LastUsedAt
	}
	return seen, used
}

// A bot sees the time of its previous call, written or not, and not of the current one
// (B2B-AUTH-010).
func TestLastSeen(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	lastSeen := func(want int64) {
		t.Helper()
		seen, used := b.stored()
		seen, used = max(seen, b.auth.LastSeen("bot")), max(used, b.auth.LastUsed("token"))
		if seen != want || used != want {
			t.Errorf("last seen at %d and used at %d, want %d", seen, used, want)
		}
	}
	b.accepted(bearerOf(scoped))
	lastSeen(0)
	b.clock.Add(10)
	b.accepted(bearerOf(scoped))
	lastSeen(start)
	b.flush()
	lastSeen(start + 10)
	b.clock.Add(10)
	b.accepted(bearerOf(scoped))
	lastSeen(start + 10)
	b.clock.Add(10)
	b.accepted(bearerOf(scoped))
	lastSeen(start + 20)
	b.flush()
	lastSeen(start + 30)
	if b.auth.LastSeen("other") != 0 {
		t.Error("a bot that never called has a last-seen time")
	}
}

func TestActivityIsKeptWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	admin := b.login(store.RoleOrgAdmin)
	b.clock.Add(5 * time.Hour.Milliseconds())
	b.accepted(cookieOf(admin))
	b.accepted(bearerOf(primary))
	b.store.broken.Store(true)
	if err := b.auth.flush(t.Context()); !errors.Is(err, errBroken) {
		t.Fatalf("flush to a broken store: %v", err)
	}
	first := b.clock.Load()
	b.clock.Add(10)
	b.accepted(bearerOf(primary))
	if got := b.auth.LastSeen("bot"); got != first {
		t.Errorf("last seen at %d, want %d", got, first)
	}
	b.store.broken.Store(false)
	b.flush()
	if seen, _ := b.stored(); seen != first+10 {
		t.Errorf("stored %d, want %d", seen, first+10)
	}
	if s, err := b.store.SessionByHash(t.Context(), Hash(admin)); err != nil || s.ExpiresAt != first+SessionTTL(store.RoleOrgAdmin).Milliseconds() {
		t.Errorf("the session is stored as %+v, %v", s, err)
	}
}

func TestRunWritesEverySecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.auth.Run(ctx) }()
		b.accepted(bearerOf(primary))
		time.Sleep(time.Second)
		synctest.Wait()
		if seen, _ := b.stored(); seen != start {
			t.Errorf("last_seen_at is %d after a second", seen)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWritesWhatIsLeft(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.accepted(bearerOf(scoped))
	if err := b.auth.Close(); err != nil {
		t.Fatal(err)
	}
	if seen, used := b.stored(); seen != start || used != start {
		t.Errorf("stored %d and %d, want %d", seen, used, start)
	}
}

// B2B-AUTH-051: a session in use is extended in the second half of its life, at most once a
// minute, and an extension counts before it is written.
func TestSessionIsExtended(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	id := b.login(store.RoleOrgAdmin)
	ttl := SessionTTL(store.RoleOrgAdmin).Milliseconds()
	expires := func(want int64) {
		t.Helper()
		if got := b.accepted(cookieOf(id)).Session.ExpiresAt; got != want {
			t.Errorf("expires %d ms after its creation, want %d", got-start, want-start)
		}
	}
	expires(start + ttl)
	b.clock.Store(start + ttl/2)
	expires(start + ttl)
	b.clock.Add(1)
	first := start + ttl/2 + 1 + ttl
	expires(first)
	b.clock.Add(59_999)
	expires(first)
	b.auth.Forget("org") // read again: the store knows nothing yet
	expires(first)
	b.flush()
	if s, err := b.store.SessionByHash(t.Context(), Hash(id)); err != nil || s.ExpiresAt != first {
		t.Errorf("stored %+v, %v", s, err)
	}
	b.clock.Add(1)
	expires(first + 60_000)
	b.clock.Store(first + 60_000)
	b.refused(cookieOf(id), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}

func TestExtensionDoesNotReviveARevokedSession(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	id := b.login(store.RoleBotOwner)
	b.accepted(cookieOf(id))
	b.clock.Add(13 * time.Hour.Milliseconds())
	b.accepted(cookieOf(id)) // extended, not written
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteSession(ctx, Hash(id))
		return err
	})
	b.refused(cookieOf(id), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.flush()
	b.refused(call.Credentials{SessionID: id}, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}
