package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/leasename"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// leaseFixture is an orgFixture with a node and a hub, in a bubble of synctest.
type leaseFixture struct {
	*orgFixture
	retention *Retention
	stop      context.CancelFunc // ends the streams and waits of the server
}

func newLeaseFixture(t *testing.T, edit ...func(*Deps)) *leaseFixture {
	t.Helper()
	w := newOrgFixture(t)
	d := w.deps()
	for _, e := range edit {
		e(&d)
	}
	d.Node = node.New(node.Config{Store: store.Narrow(w.store, func(tx store.Tx) node.Tx { return tx }), Log: d.Log})
	if err := d.Node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub := eventlog.New(eventlog.Config{Store: w.store, Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	running, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Node.Run(running) }()
	t.Cleanup(func() {
		stop()
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		hub.Close()
	})
	d.Events, d.Streams = hub, ctx
	w.Services = New(d)
	return &leaseFixture{orgFixture: w, retention: NewRetention(d), stop: stop}
}

type leaseAsk struct {
	name    string
	shared  bool
	ttl     int32
	wait    int32
	waitID  string
	request string
}

func (f *leaseFixture) acquire(ctx context.Context, a leaseAsk) (*b2bv1.Lease, error) {
	req := &b2bv1.AcquireLeaseRequest{Name: &a.name}
	if a.shared {
		req.Mode = b2bv1.LeaseMode_LEASE_MODE_SHARED.Enum()
	}
	if a.ttl > 0 {
		req.TtlSeconds = &a.ttl
	}
	if a.wait > 0 {
		req.WaitSeconds = &a.wait
	}
	if a.waitID != "" {
		req.WaitId = &a.waitID
	}
	if a.request != "" {
		req.RequestId = &a.request
	}
	res, err := f.LeaseService.AcquireLease(ctx, req)
	return res.GetLease(), err
}

func (f *leaseFixture) must(ctx context.Context, a leaseAsk) *b2bv1.Lease {
	f.t.Helper()
	l, err := f.acquire(ctx, a)
	if err != nil {
		f.t.Fatalf("%s: %v", a.name, err)
	}
	return l
}

func (f *leaseFixture) release(ctx context.Context, id string) error {
	_, err := f.LeaseService.ReleaseLease(ctx, &b2bv1.ReleaseLeaseRequest{Id: id})
	return err
}

// stored stores a number of leases of a bot, with the names a/0, a/1, …, for some seconds.
func (f *leaseFixture) stored(bot string, number, seconds int) {
	f.t.Helper()
	now := time.Now().UnixMilli()
	err := f.store.Update(f.t.Context(), f.org, func(tx store.Tx) error {
		for i := range number {
			name := fmt.Sprint("a/", i)
			l := &store.NamedLease{ID: newID(), OrgID: f.org, Name: name, Head: name, BotID: bot, AcquiredAt: now, ExpiresAt: now + int64(seconds)*1000}
			if err := tx.PutLease(f.t.Context(), l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// refused checks the code of an error, and returns it.
func (f *leaseFixture) refused(err error, code b2bv1.ErrorCode) *call.Error {
	f.t.Helper()
	var e *call.Error
	if !errors.As(err, &e) || e.Code != code {
		f.t.Fatalf("got %v, want %s", err, call.CodeText(code))
	}
	return e
}

const (
	leaseHeld = b2bv1.ErrorCode_ERROR_CODE_LEASE_HELD
	leaseLost = b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST
)

// TestLeases: B2B-LEASE-001 to 005, 010 to 012.
func TestLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		top := f.top()
		src := f.must(a, leaseAsk{name: "repo/src/**", ttl: 30})
		if src.Holder.Name != "a" || src.Mode != b2bv1.LeaseMode_LEASE_MODE_EXCLUSIVE || src.ExpiresAt.AsTime().Sub(src.AcquiredAt.AsTime()) != 30*time.Second {
			f.t.Errorf("the lease is %v", src)
		}
		if src.Fence != top+1 {
			f.t.Errorf("its fence is %d, its event %d", src.Fence, top+1)
		}
		for _, by := range []context.Context{a, b} { // the holder's own workers exclude each other, too
			_, err := f.acquire(by, leaseAsk{name: "repo/src/main.go"})
			e := f.refused(err, leaseHeld)
			if e.Extras["lease_id"] != src.Id || e.Extras["name"] != "repo/src/**" || e.Extras["holder_name"] != "a" || e.Extras["expires_at"] != src.ExpiresAt.AsTime().UnixMilli() {
				f.t.Errorf("what is in the way is %v", e.Extras)
			}
		}
		_, err := f.acquire(b, leaseAsk{name: "repo/src", shared: true})
		f.refused(err, leaseHeld)
		docs := f.must(b, leaseAsk{name: "repo/docs/*", shared: true})
		if docs.Fence <= src.Fence {
			f.t.Errorf("fences %d, then %d", src.Fence, docs.Fence)
		}
		f.must(a, leaseAsk{name: "repo/docs/a.txt", shared: true})
		_, err = f.acquire(a, leaseAsk{name: "repo/docs/b.txt"})
		f.refused(err, leaseHeld)

		time.Sleep(20 * time.Second)
		renewed, err := f.LeaseService.RenewLease(a, &b2bv1.RenewLeaseRequest{Id: src.Id})
		if err != nil || renewed.Lease.ExpiresAt.AsTime().Sub(src.ExpiresAt.AsTime()) != 20*time.Second {
			f.t.Errorf("renewed: %v, %v", renewed, err)
		}
		_, err = f.LeaseService.RenewLease(b, &b2bv1.RenewLeaseRequest{Id: src.Id})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
		f.refused(f.release(b, src.Id), b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
		if err := f.release(b, docs.Id); err != nil {
			f.t.Error(err)
		}
		f.refused(f.release(b, docs.Id), leaseLost)

		time.Sleep(30 * time.Second) // its end
		_, err = f.LeaseService.RenewLease(a, &b2bv1.RenewLeaseRequest{Id: src.Id})
		f.refused(err, leaseLost)
		_, err = f.LeaseService.GetLease(a, &b2bv1.GetLeaseRequest{Id: src.Id})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND)
		next := f.must(b, leaseAsk{name: "repo/src/main.go"})
		if next.Fence <= docs.Fence {
			f.t.Errorf("fences %d, then %d", docs.Fence, next.Fence)
		}
		if err := f.release(f.admin(), next.Id); err != nil {
			f.t.Error(err)
		}
		if n := len(f.audits("lease.revoke")); n != 1 {
			f.t.Errorf("%d revocations are in the audit log", n)
		}
		var ends []b2bv1.LeaseEnd
		events, audiences := f.events(top)
		for i, e := range events {
			if audiences[i] != store.AudienceOrg {
				f.t.Errorf("%v is for %v", e, audiences[i])
			}
			if r := e.GetLeaseReleased(); r != nil {
				ends = append(ends, r.Reason)
			}
		}
		want := []b2bv1.LeaseEnd{b2bv1.LeaseEnd_LEASE_END_RELEASED, b2bv1.LeaseEnd_LEASE_END_EXPIRED, b2bv1.LeaseEnd_LEASE_END_REVOKED}
		if fmt.Sprint(ends) != fmt.Sprint(want) {
			f.t.Errorf("leases ended as %v, want %v", ends, want)
		}
	})
}

// TestLeaseQueue: B2B-LEASE-006: who waits longest gets a lease first, also a shared one.
func TestLeaseQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a := f.bot("a")
		first := f.must(a, leaseAsk{name: "x", ttl: 100})
		var mu sync.Mutex
		var order []string
		var group sync.WaitGroup
		wait := func(name string, ask leaseAsk) {
			by := f.bot(name)
			ask.wait, ask.ttl = 60, 5
			group.Go(func() {
				l, err := f.acquire(by, ask)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					order = append(order, name+": "+err.Error())
					return
				}
				order = append(order, name)
				if err := f.release(by, l.Id); err != nil {
					f.t.Error(err)
				}
			})
			synctest.Wait()
		}
		wait("one", leaseAsk{name: "x"})
		wait("two", leaseAsk{name: "*", shared: true})
		wait("three", leaseAsk{name: "x", shared: true})
		wait("four", leaseAsk{name: "**"})
		wait("five", leaseAsk{name: "x", shared: true}) // does not overtake four
		_, err := f.acquire(a, leaseAsk{name: "y"})     // "*" and "**" are waited for
		if e := f.refused(err, leaseHeld); e.Extras["waiting_ahead"] != 2 || e.Extras["lease_id"] != nil {
			f.t.Errorf("what is in the way is %v", e.Extras)
		}
		if err := f.release(a, first.Id); err == nil {
			group.Wait()
		} else {
			f.t.Fatal(err)
		}
		if order[0] != "one" || order[4] != "five" || order[3] != "four" {
			f.t.Errorf("granted in the order %v", order)
		}
	})
}

// TestLeaseWaitEnds: B2B-LEASE-006 to 008.
func TestLeaseWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b, c := f.bot("a"), f.bot("b"), f.bot("c")
		held := f.must(a, leaseAsk{name: "x", ttl: 100})
		start := time.Now()
		_, err := f.acquire(b, leaseAsk{name: "x", wait: 20})
		e := f.refused(err, leaseHeld)
		waitID, _ := e.Extras["wait_id"].(string)
		if took := time.Since(start); took != 20*time.Second || waitID == "" || e.Extras["lease_id"] != held.Id {
			f.t.Errorf("after %v: %v", took, e.Extras)
		}
		_, err = f.acquire(c, leaseAsk{name: "x", waitID: waitID, wait: 1})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
		_, err = f.acquire(b, leaseAsk{name: "y", waitID: waitID, wait: 1})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)

		// It keeps its place for ten seconds, before a call that waits since.
		got := make(chan string, 2)
		var group sync.WaitGroup
		group.Go(func() { f.must(c, leaseAsk{name: "x", wait: 60}); got <- "c" })
		time.Sleep(9 * time.Second)
		var granted *b2bv1.Lease
		group.Go(func() { granted = f.must(b, leaseAsk{name: "x", wait: 60, waitID: waitID, ttl: 3}); got <- "b" })
		synctest.Wait()
		if err := f.release(a, held.Id); err != nil {
			f.t.Fatal(err)
		}
		at := time.Now()
		group.Wait()
		if x, y := <-got, <-got; x != "b" || y != "c" || granted.Id != waitID {
			f.t.Errorf("granted to %s, then %s; %v", x, y, granted)
		}
		if took := time.Since(at); took < 3*time.Second || took > 4*time.Second { // when that of b expired
			f.t.Errorf("granted after %v", took)
		}

		// Later it has lost its place, and its id means nothing.
		_, err = f.acquire(b, leaseAsk{name: "x", wait: 1})
		waitID, _ = f.refused(err, leaseHeld).Extras["wait_id"].(string)
		time.Sleep(11 * time.Second)
		_, err = f.acquire(b, leaseAsk{name: "x", wait: 1, waitID: waitID})
		if e := f.refused(err, leaseHeld); e.Extras["wait_id"] == waitID {
			f.t.Error("a wait that ended continues")
		}
	})
}

// TestLeaseWaitIsWithdrawn: a client that goes leaves its place, and no lease for nobody
// (B2B-LEASE-008). A server that stops says so.
func TestLeaseWaitIsWithdrawn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b, c := f.bot("a"), f.bot("b"), f.bot("c")
		held := f.must(a, leaseAsk{name: "x"})
		ctx, leave := context.WithCancel(b)
		gone := make(chan error, 1)
		go func() { _, err := f.acquire(ctx, leaseAsk{name: "x", wait: 60}); gone <- err }()
		synctest.Wait()
		waits := make(chan *b2bv1.Lease, 1)
		go func() { waits <- f.must(c, leaseAsk{name: "x", wait: 60}) }()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			f.t.Errorf("the call ended with %v", err)
		}
		if err := f.release(a, held.Id); err != nil {
			f.t.Fatal(err)
		}
		if l := <-waits; l.Holder.Name != "c" {
			f.t.Errorf("granted: %v", l)
		}
		go func() { _, err := f.acquire(b, leaseAsk{name: "x", wait: 60, request: "r"}); gone <- err }()
		synctest.Wait()
		f.stop()
		f.refused(<-gone, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE)
	})
}

// TestLeaseIsTakenOnce: a repeated call with its request_id gets the same lease, also if it was
// interrupted while it waited (B2B-LEASE-008, B2B-IDEM-001).
func TestLeaseIsTakenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		first := f.must(a, leaseAsk{name: "x", request: "r"})
		if again := f.must(a, leaseAsk{name: "x", request: "r"}); again.Id != first.Id || again.Fence != first.Fence {
			f.t.Errorf("%v, then %v", first, again)
		}
		_, err := f.acquire(a, leaseAsk{name: "y", request: "r"})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED)
		// Two calls of one request at once, of which one was cut from its client.
		got := make(chan *b2bv1.Lease, 2)
		for range 2 {
			go func() { got <- f.must(b, leaseAsk{name: "x", request: "r", wait: 30}) }()
			synctest.Wait()
		}
		if err := f.release(a, first.Id); err != nil {
			f.t.Fatal(err)
		}
		if x, y := <-got, <-got; x.Id != y.Id || x.Fence != y.Fence || x.Id == first.Id {
			f.t.Errorf("%v and %v", x, y)
		}
	})
}

// undoneOnce is a store that runs each change twice, and undoes the first run, as when a batch is
// rolled back.
type undoneOnce struct{ Store }

func (s undoneOnce) Update(ctx context.Context, org string, fn func(Tx) error) error {
	undone := errors.New("undone")
	err := s.Store.Update(ctx, org, func(tx Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		return err
	}
	return s.Store.Update(ctx, org, fn)
}

// TestLeaseChangesRunAgain: a wait that is continued keeps its place for its new time, also if its
// change runs more than once (B2B-LEASE-007).
func TestLeaseChangesRunAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t, func(d *Deps) { d.Store = undoneOnce{d.Store} })
		a, b, c := f.bot("a"), f.bot("b"), f.bot("c")
		held := f.must(a, leaseAsk{name: "x", ttl: 100})
		_, err := f.acquire(b, leaseAsk{name: "x", wait: 1})
		waitID, _ := f.refused(err, leaseHeld).Extras["wait_id"].(string)
		got := make(chan string, 2)
		var group sync.WaitGroup
		group.Go(func() { f.must(c, leaseAsk{name: "x", wait: 60, ttl: 1}); got <- "c" })
		synctest.Wait()
		group.Go(func() { f.must(b, leaseAsk{name: "x", wait: 60, ttl: 1, waitID: waitID}); got <- "b" })
		time.Sleep(30 * time.Second)
		if err := f.release(a, held.Id); err != nil {
			t.Fatal(err)
		}
		group.Wait()
		if x, y := <-got, <-got; x != "b" || y != "c" {
			t.Errorf("granted to %s, then %s", x, y)
		}
	})
}

// TestLeaseHolderIsDeleted: B2B-LEASE-013.
func TestLeaseHolderIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		held := f.must(a, leaseAsk{name: "x"})
		got := make(chan *b2bv1.Lease, 1)
		go func() { got <- f.must(b, leaseAsk{name: "x", wait: 60}) }()
		synctest.Wait()
		top := f.top()
		if _, err := f.BotService.DeleteBot(f.admin(), &b2bv1.DeleteBotRequest{Id: "id-a"}); err != nil {
			f.t.Fatal(err)
		}
		if l := <-got; l.Holder.Name != "b" || l.Fence <= held.Fence {
			f.t.Errorf("granted: %v", l)
		}
		events, _ := f.events(top)
		if r := events[0].GetLeaseReleased(); r.GetReason() != b2bv1.LeaseEnd_LEASE_END_HOLDER_DELETED || r.GetLease().GetHolder().GetName() != "a" || r.GetBy() == "" {
			f.t.Errorf("the first event is %v", events[0])
		}
	})
}

// TestExpiredLeasesAreEnded: B2B-LEASE-009: nobody has to ask for them.
func TestExpiredLeasesAreEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a := f.bot("a")
		f.must(a, leaseAsk{name: "stays"})
		f.stored("id-a", leasesAtOnce+1, 1)
		top := f.top()
		time.Sleep(time.Second)
		for range 2 {
			if err := f.retention.SettleLeases(f.t.Context(), f.org); err != nil {
				f.t.Fatal(err)
			}
		}
		if n := f.top() - top; n != leasesAtOnce+1 {
			f.t.Errorf("%d events, want one for each lease", n)
		}
		if left, err := f.store.LeasesEnded(f.t.Context(), time.Now().UnixMilli(), "", 10); err != nil || len(left) > 0 {
			f.t.Errorf("left: %v, %v", left, err)
		}
	})
}

// TestLeaseLimits: B2B-LEASE-020.
func TestLeaseLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		f.stored("id-a", limits.LeasesOfBot-1, 86400)
		f.must(a, leaseAsk{name: "the/last"})
		_, err := f.acquire(a, leaseAsk{name: "one/more"})
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED)
		f.must(b, leaseAsk{name: "one/more"})

		ended := make(chan error, limits.LeaseWaitsOfBot)
		for range limits.LeaseWaitsOfBot {
			go func() { _, err := f.acquire(b, leaseAsk{name: "a/0", wait: 60}); ended <- err }()
		}
		synctest.Wait()
		_, err = f.acquire(b, leaseAsk{name: "a/1", wait: 60})
		if e := f.refused(err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS); e.RetryAfter == 0 {
			f.t.Error("without retry_after")
		}
		for range limits.LeaseWaitsOfBot {
			f.refused(<-ended, leaseHeld)
		}
	})
}

// TestLeaseHistories plays random calls of several workers, and checks in the log that no two
// leases that exclude each other were held at the same time, and that fences rise.
func TestLeaseHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playLeases(newLeaseFixture(t), seed) })
		})
	}
}

func playLeases(f *leaseFixture, seed uint64) {
	names := []string{"a", "a/b", "a/*", "a/**", "b", "*", "**/b", "c"}
	top := f.top()
	var group sync.WaitGroup
	for worker := range 8 {
		rnd := rand.New(rand.NewPCG(seed, uint64(worker)))
		by := f.bot(fmt.Sprint("w", worker))
		group.Go(func() {
			for i := range 15 {
				ctx, cancel := by, func() {}
				if rnd.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(by, time.Duration(rnd.IntN(3000))*time.Millisecond)
				}
				l, err := f.acquire(ctx, leaseAsk{
					name: names[rnd.IntN(len(names))], shared: rnd.IntN(3) == 0, ttl: 1 + rnd.Int32N(4), wait: rnd.Int32N(6), request: fmt.Sprint(i),
				})
				cancel()
				if err != nil {
					continue
				}
				time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond) // Sleeps: in the bubble of the test
				if rnd.IntN(2) == 0 {
					_, _ = f.LeaseService.RenewLease(by, &b2bv1.RenewLeaseRequest{Id: l.Id}) // may have expired
				}
				if rnd.IntN(4) > 0 {
					_ = f.release(by, l.Id) // likewise
				}
			}
		})
	}
	group.Wait()
	time.Sleep(2 * time.Minute) // Sleeps: in the bubble of the test
	if err := f.retention.SettleLeases(f.t.Context(), f.org); err != nil {
		f.t.Fatal(err)
	}
	checkLeases(f, top)
}

// checkLeases checks the leases in the log after a seq, all of which must have ended.
func checkLeases(f *leaseFixture, top int64) {
	live := map[string]*b2bv1.Lease{}
	fence, taken := int64(0), 0
	for {
		events, _ := f.events(top)
		if len(events) == 0 {
			break
		}
		top += int64(len(events))
		for _, e := range events {
			if r := e.GetLeaseReleased(); r != nil {
				if live[r.Lease.Id] == nil {
					f.t.Errorf("%v was not held", r.Lease)
				}
				delete(live, r.Lease.Id)
			}
			l := e.GetLeaseAcquired().GetLease()
			if l == nil {
				continue
			}
			taken++
			name, err := leasename.Parse(l.Name)
			if err != nil {
				f.t.Fatal(err)
			}
			for _, other := range live {
				shared := l.Mode == other.Mode && l.Mode == b2bv1.LeaseMode_LEASE_MODE_SHARED
				if !shared && overlap(name, other.Name) {
					f.t.Errorf("%v and %v are held at the same time", l, other)
				}
			}
			if l.Fence <= fence {
				f.t.Errorf("fence %d after %d", l.Fence, fence)
			}
			fence = l.Fence
			live[l.Id] = l
		}
	}
	if len(live) > 0 || taken < 10 {
		f.t.Errorf("%d leases, of which %d have not ended", taken, len(live))
	}
}
