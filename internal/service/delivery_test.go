package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (f *leaseFixture) claim(ctx context.Context, wait int32) ([]*b2bv1.Delivery, error) {
	res, err := f.DeliveryService.ClaimInbox(ctx, &b2bv1.ClaimInboxRequest{WaitSeconds: &wait, LeaseSeconds: new(int32(10))})
	return res.GetItems(), err
}

// one claims one delivery, and reports how long that took.
func (f *leaseFixture) one(ctx context.Context) (*b2bv1.Delivery, time.Duration) {
	f.t.Helper()
	begin := time.Now()
	items, err := f.claim(ctx, 60)
	if err != nil || len(items) != 1 {
		f.t.Fatalf("claimed %v, %v", items, err)
	}
	return items[0], time.Since(begin)
}

func (f *leaseFixture) send(ctx context.Context, to, text string) {
	f.t.Helper()
	if _, err := f.ChannelService.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{To: &to, Content: &text}); err != nil {
		f.t.Fatal(err)
	}
}

// TestClaimsWait: B2B-DLV-004, 005, 009, 012. The clock stands while nobody waits for it, so what takes
// no time is not polled.
func TestClaimsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		if items, err := f.claim(b, 5); len(items) > 0 || err != nil {
			t.Fatalf("claimed %v, %v", items, err)
		}
		got := make(chan *b2bv1.Delivery)
		claim := func(within time.Duration) {
			go func() {
				d, took := f.one(b)
				if took > within {
					t.Errorf("a claim took %s, want at most %s", took, within)
				}
				got <- d
			}()
			synctest.Wait()
		}
		claim(0)
		f.send(a, "b", "first")
		first := <-got
		f.send(a, "b", "second")
		claim(0)
		if _, err := f.DeliveryService.AckDelivery(b, &b2bv1.AckDeliveryRequest{Id: first.Id, Lease: first.Lease}); err != nil {
			t.Fatal(err)
		}
		second := <-got
		nack := &b2bv1.NackDeliveryRequest{Id: second.Id, Lease: second.Lease, RetryInSeconds: new(int32(7))}
		if _, err := f.DeliveryService.NackDelivery(b, nack); err != nil {
			t.Fatal(err)
		}
		again, took := f.one(b)
		if took < 7*time.Second || took > 8*time.Second || again.Id != second.Id || again.Attempt != 2 {
			t.Errorf("given back for 7 seconds: %v after %s", again, took)
		}
		third, took := f.one(b) // the lease of 10 seconds ends, and 2 seconds later
		if took < 12*time.Second || took > 14*time.Second || third.Id != second.Id || third.Attempt != 3 {
			t.Errorf("after the end of the lease: %v after %s", third, took)
		}
	})
}

// TestClaimsWaitAtRest: a claim that waits for a kind or a thread looks now and then, not all the time,
// while something else is ready.
func TestClaimsWaitAtRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		f := newLeaseFixture(t, func(d *Deps) {
			now := d.Now
			d.Now = func() time.Time { looks++; return now() }
		})
		a, b := f.bot("a"), f.bot("b")
		if _, err := f.claim(b, 0); err != nil {
			t.Fatal(err)
		}
		f.send(a, "b", "of another kind")
		for name, req := range map[string]*b2bv1.ClaimInboxRequest{
			"of a kind":            {Kinds: []b2bv1.DeliveryKind{b2bv1.DeliveryKind_DELIVERY_KIND_MENTION}},
			"of a thread":          {ThreadId: new("none")},
			"of a kind, unordered": {Kinds: []b2bv1.DeliveryKind{b2bv1.DeliveryKind_DELIVERY_KIND_MENTION}, Unordered: true},
		} {
			looks, req.WaitSeconds = 0, new(int32(20))
			begun := time.Now()
			res, err := f.DeliveryService.ClaimInbox(b, req)
			if took := time.Since(begun); err != nil || len(res.GetItems()) > 0 || took < 20*time.Second {
				t.Errorf("%s: %v, %v after %v", name, res, err, took)
			}
			if looks > 20*20 {
				t.Errorf("%s: it looked at the clock %d times in 20 seconds", name, looks)
			}
		}
	})
}

// TestClaimWaitsAreBounded: B2B-DLV-020.
func TestClaimWaitsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		b, c := f.bot("b"), f.bot("c")
		ended := make(chan error, limits.ClaimWaitsOfBot)
		for range limits.ClaimWaitsOfBot {
			go func() {
				_, err := f.claim(b, 30)
				ended <- err
			}()
		}
		synctest.Wait()
		_, err := f.claim(b, 30)
		if e := f.refused(err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS); e.RetryAfter == 0 {
			t.Errorf("%v has no time after which to try again", e)
		}
		if _, err := f.claim(c, 1); err != nil {
			t.Errorf("another bot: %v", err)
		}
		if _, err := f.claim(b, 0); err != nil {
			t.Errorf("without a wait: %v", err)
		}
		for range limits.ClaimWaitsOfBot {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if _, err := f.claim(b, 1); err != nil {
			t.Errorf("after the others: %v", err)
		}
	})
}

// TestClaimWaitEnds: a claim ends with its client, and with the server.
func TestClaimWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		b := f.bot("b")
		gone, leave := context.WithTimeout(b, 3*time.Second)
		defer leave()
		if _, err := f.claim(gone, 60); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the client is gone: %v", err)
		}
		time.AfterFunc(time.Second, f.stop)
		_, err := f.claim(b, 60)
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE)
	})
}

// leavingStore ends the context of a caller after its change.
type leavingStore struct{ Store }

type leaves struct{}

func (s leavingStore) Update(ctx context.Context, org string, fn func(Tx) error) error {
	err := s.Store.Update(ctx, org, fn)
	if leave, ok := ctx.Value(leaves{}).(context.CancelFunc); ok {
		leave()
	}
	return err
}

// TestClaimsGivenUp: B2B-DLV-008, 023. What is handed out to a caller that is gone is ready at once, and
// a claim that waits ends when it is repeated.
func TestClaimsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t, func(d *Deps) { d.Store = leavingStore{d.Store} })
		a, b := f.bot("a"), f.bot("b")
		if items, err := f.claim(b, 0); len(items) > 0 || err != nil {
			t.Fatalf("claimed %v, %v", items, err)
		}
		for _, wait := range []int32{0, 60} {
			gone, leave := context.WithCancel(b)
			gone = context.WithValue(gone, leaves{}, leave) // when the claim has taken it
			got := make(chan error)
			begin := func() {
				_, err := f.claim(gone, wait)
				got <- err
			}
			if wait > 0 {
				go begin()
				synctest.Wait()
			}
			f.send(a, "b", "hello")
			if wait == 0 {
				go begin()
			}
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Errorf("a claim of a caller that is gone: %v", err)
			}
			d, took := f.one(b)
			if d.Attempt != 1 || took > 0 {
				t.Errorf("handed out again: attempt %d, after %s", d.Attempt, took)
			}
			if _, err := f.DeliveryService.AckDelivery(b, &b2bv1.AckDeliveryRequest{Id: d.Id, Lease: d.Lease}); err != nil {
				t.Fatal(err)
			}
		}

		req := &b2bv1.ClaimInboxRequest{RequestId: new("twice"), WaitSeconds: new(int32(60))}
		ended := make(chan int)
		for range 3 {
			go func() {
				res, err := f.DeliveryService.ClaimInbox(b, req)
				if err != nil {
					t.Error(err)
				}
				ended <- len(res.GetItems())
			}()
			synctest.Wait()
		}
		begin := time.Now()
		if first, second := <-ended, <-ended; first+second > 0 || time.Since(begin) > 0 {
			t.Errorf("claims that were repeated got %d and %d after %s", first, second, time.Since(begin))
		}
		f.send(a, "b", "to the newest")
		if n := <-ended; n != 1 {
			t.Errorf("the newest claim got %d", n)
		}
	})
}
