package auth

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestRemembersUntilAccessChanges(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	admin := b.login(store.RoleOrgAdmin)
	for range 5 {
		b.accepted(bearerOf(primary))
		b.accepted(bearerOf(scoped))
		b.accepted(cookieOf(admin))
	}
	if n := b.store.reads.Load(); n != 3 {
		t.Errorf("three credentials were read %d times", n)
	}
	b.changeAccess(func(ctx context.Context, tx store.Tx) error { return tx.SetBotRole(ctx, "bot", store.AuthMember) })
	if b.accepted(bearerOf(primary)).Admin || b.accepted(bearerOf(scoped)).Admin {
		t.Error("a bot that was made a member is still an admin")
	}
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteToken(ctx, "bot", "token")
		return err
	})
	b.refused(bearerOf(scoped), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.accepted(bearerOf(primary))
}

func TestForgetsADestroyedOrg(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	admin := b.login(store.RoleOrgAdmin)
	b.accepted(bearerOf(primary))
	b.accepted(cookieOf(admin))
	b.change("org", func(ctx context.Context, tx store.Tx) error { return tx.DeleteOrg(ctx, "org") })
	b.auth.Forget("org")
	b.refused(bearerOf(primary), b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.refused(cookieOf(admin), b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
}

// A read that began before a revocation must not be cached after it.
func TestForgetsRunningReads(t *testing.T) {
	t.Parallel()
	for name, credential := range map[string]func(*fixture) call.Credentials{
		"bearer":  func(*fixture) call.Credentials { return bearerOf(primary) },
		"session": func(b *fixture) call.Credentials { return cookieOf(b.login(store.RoleBotOwner)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(t)
			c := credential(b)
			p := &pause{make(chan struct{}), make(chan struct{})}
			b.store.pause.Store(p)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = b.auth.Authenticate(t.Context(), c)
			}()
			<-p.reached
			b.changeAccess(func(ctx context.Context, tx store.Tx) error { return tx.SetBotRole(ctx, "bot", store.AuthMember) })
			close(p.release)
			<-done
			if b.accepted(c).Admin {
				t.Error("a value that was read before the change is used after it")
			}
		})
	}
}

// A change of access holds as soon as it has committed, while other calls authenticate.
func TestRevocationHoldsAtOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = b.auth.Authenticate(t.Context(), bearerOf(primary))
				}
			}
		})
	}
	for i := range 30 {
		role := [...]string{store.AuthMember, store.AuthAdmin}[i%2]
		b.changeAccess(func(ctx context.Context, tx store.Tx) error { return tx.SetBotRole(ctx, "bot", role) })
		if b.accepted(bearerOf(primary)).Admin != (role == store.AuthAdmin) {
			t.Errorf("change %d has no effect", i)
		}
	}
	close(stop)
	wg.Wait()
}

func TestForgetNeverLowersASlot(t *testing.T) {
	t.Parallel()
	g := &generations{seed: maphash.MakeSeed()}
	var wg sync.WaitGroup
	var last atomic.Uint64
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				g.forget("org")
			}
		})
	}
	wg.Wait()
	last.Store(g.slot("org").Load())
	if last.Load() != g.begin() {
		t.Errorf("the slot shows %d after %d forgets", last.Load(), g.begin())
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	gens := &generations{seed: maphash.MakeSeed()}
	c := newCache[int](gens)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			c.put(testKey(i), "org", gens.begin(), i)
		}
	}
	size := func() (n int) {
		for i := range c.shards {
			n += len(c.shards[i].items)
		}
		return n
	}
	const capacity = shardCount * shardSize
	put(0, 3*capacity)
	if n := size(); n > capacity || n < capacity/2 {
		t.Errorf("%d entries are kept, want nearly %d", n, capacity)
	}
	if it, ok := c.get(testKey(3*capacity - 1)); !ok || it.value != 3*capacity-1 {
		t.Errorf("the newest entry is %v, %v", it.value, ok)
	}
	gens.forget("org")
	if _, ok := c.get(testKey(3*capacity - 1)); ok {
		t.Error("a forgotten entry is found")
	}
	put(3*capacity, 3*capacity+capacity/2)
	for i := 3 * capacity; i < 3*capacity+capacity/2; i++ {
		if _, ok := c.get(testKey(i)); !ok {
			t.Fatalf("entry %d was evicted although others were invalid", i)
		}
	}
}

func testKey(i int) (k key) {
	k[0] = byte(i)
	binary.BigEndian.PutUint64(k[8:], uint64(i))
	return k
}

func TestHitAllocatesNothing(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	b := newFixture(t)
	ctx, admin := t.Context(), b.login(store.RoleOrgAdmin)
	for _, c := range []call.Credentials{bearerOf(primary), bearerOf(scoped), cookieOf(admin)} {
		b.accepted(c)
		n := testing.AllocsPerRun(100, func() {
			if _, err := b.auth.Authenticate(ctx, c); err != nil {
				t.Error(err)
			}
		})
		if n > 0 {
			t.Errorf("%+v: %v allocations", c, n)
		}
	}
}

func BenchmarkHit(b *testing.B) {
	gens := &generations{seed: maphash.MakeSeed()}
	a := &Authenticator{gens: gens, tokens: newCache[*bearer](gens), sessions: newCache[*login](gens)}
	a.activity.pending = newBatch()
	token := NewBotToken()
	a.tokens.put(keyOf(token), "org", gens.begin(), &bearer{caller: &call.Caller{BotID: "bot", OrgID: "org"}})
	b.ReportAllocs()
	for b.Loop() {
		it, _ := a.tokens.get(keyOf(token))
		a.activity.touch(it.value.caller.BotID, "", 1)
	}
}
