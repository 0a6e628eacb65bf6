package auth

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestAnotherNodesRevocation: without any notification, the authenticator accepts no credential
// that another node revoked.
func TestAnotherNodesRevocation(t *testing.T) {
	t.Parallel()
	b := newSharedFixture(t, true)
	owner, admin := b.login(store.RoleBotOwner), b.login(store.RoleOrgAdmin)
	all := []call.Credentials{bearerOf(primary), bearerOf(scoped), cookieOf(owner), cookieOf(admin)}
	for _, c := range all {
		b.accepted(c)
	}
	reads := b.store.reads.Load()
	b.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.Append(ctx, store.Event{Type: "message", At: start})
		return err
	})
	for _, c := range all {
		if b.accepted(c).AuthVersion == (call.AuthVersion{}) {
			t.Errorf("%+v resolves to a caller without an auth version", c)
		}
	}
	if n := b.store.reads.Load(); n != reads {
		t.Errorf("a message made %d credentials be read again", n-reads)
	}
	b.changeAccess(func(ctx context.Context, tx store.Tx) error { return tx.SetBotRole(ctx, "bot", store.AuthMember) })
	for _, c := range all[:3] {
		if b.accepted(c).Admin {
			t.Errorf("%+v still resolves to an admin", c)
		}
	}
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteToken(ctx, "bot", "token")
		return err
	})
	b.refused(bearerOf(scoped), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteSession(ctx, Hash(owner))
		return err
	})
	b.refused(cookieOf(owner), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.accepted(cookieOf(admin))
	b.change("org", func(ctx context.Context, tx store.Tx) error { return tx.DeleteOrg(ctx, "org") })
	b.refused(cookieOf(admin), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
}

// TestVersionChecked: a call that checks the version itself may get a cached caller, with the
// auth version of the cache entry. A refusal never comes from the cache.
func TestVersionChecked(t *testing.T) {
	t.Parallel()
	b := newSharedFixture(t, true)
	old := b.accepted(bearerOf(primary)).AuthVersion
	b.changeAccess(func(ctx context.Context, tx store.Tx) error { return tx.SetBotRole(ctx, "bot", store.AuthMember) })
	reads := b.store.topReads.Load()
	if c := b.accepted(call.Credentials{Bearer: primary, VersionChecked: true}); c.AuthVersion != old || !c.Admin {
		t.Errorf("the caller is %+v, want a cached one of the version %v", c, old)
	}
	if n := b.store.topReads.Load() - reads; n != 0 {
		t.Errorf("a call that checks the version itself read the log %d times", n)
	}
	b.setStatus(store.BotRejected)
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE)
	b.setStatus(store.BotActive)
	b.accepted(call.Credentials{Bearer: primary, VersionChecked: true})
}

// TestTopReaderFails: while the log cannot be read, no cached credential is accepted.
func TestTopReaderFails(t *testing.T) {
	t.Parallel()
	b := newSharedFixture(t, true)
	b.accepted(bearerOf(primary))
	b.store.topsFail.Store(true)
	if _, err := b.auth.Authenticate(t.Context(), bearerOf(primary)); !errors.Is(err, errBroken) {
		t.Errorf("without the log the error is %v", err)
	}
	b.store.topsFail.Store(false)
	b.accepted(bearerOf(primary))
}

// slowLog is a log whose queries return when the test sends to reply.
type slowLog struct {
	asked chan []string
	reply chan store.LogTop
}

func (l *slowLog) LogTops(_ context.Context, orgs []string) (map[string]store.LogTop, error) {
	l.asked <- orgs
	top := <-l.reply
	out := map[string]store.LogTop{}
	for _, org := range orgs {
		out[org] = top
	}
	return out, nil
}

// TestTopReader: requests that arrive while a query runs wait for the next query and share it.
func TestTopReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{asked: make(chan []string), reply: make(chan store.LogTop)}
		c := &topReader{log: l}
		var wg sync.WaitGroup
		ask := func(org string, want int64) {
			wg.Go(func() {
				if top, ok, err := c.top(t.Context(), org); err != nil || !ok || top.Access != want {
					t.Errorf("%s is at %v, %v, %v, want %d", org, top, ok, err, want)
				}
			})
		}
		ask("a", 1)
		if got := <-l.asked; len(got) != 1 {
			t.Errorf("the first query asks for %v", got)
		}
		for _, org := range []string{"a", "b", "c", "a", "b", "c"} {
			ask(org, 2)
		}
		synctest.Wait() // they wait for the next query
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.top(cancelled, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("a request with a cancelled context returns %v", err)
		}
		l.reply <- store.LogTop{Access: 1}
		if got := <-l.asked; len(got) != 3 {
			t.Errorf("the second query asks for %v", got)
		}
		l.reply <- store.LogTop{Access: 2}
		wg.Wait()
		c.tasks.Wait()
	})
}
