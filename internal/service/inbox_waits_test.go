package service

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// aside joins the waits of a bot.
func (f *leaseFixture) aside(bot context.Context) (woken <-chan struct{}, leave func(), err error) {
	caller := call.CallerOf(bot)
	return WaitsOf(f.Services).Join(caller.OrgID, caller.BotID)
}

// gets claims when woken, until it gets a delivery, and returns how long that took.
func (f *leaseFixture) gets(bot context.Context, woken <-chan struct{}) (*b2bv1.Delivery, time.Duration) {
	f.t.Helper()
	begun := time.Now()
	for {
		select {
		case <-woken:
		case <-time.After(time.Minute):
			f.t.Fatal("nothing woke the bot within a minute")
		}
		items, err := f.claim(bot, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(items) > 0 {
			return items[0], time.Since(begun)
		}
	}
}

// TestWaitsAside: a bot that waits without a call is woken by what wakes a claim, and by the end of a
// pause or a lease, which nothing reports.
func TestWaitsAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b := f.bot("a"), f.bot("b")
		if _, err := f.claim(b, 0); err != nil {
			t.Fatal(err)
		}
		woken, leave, err := f.aside(b)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		f.send(a, "b", "first")
		f.send(a, "b", "second")
		first, took := f.gets(b, woken)
		if took > 0 {
			t.Errorf("a message wakes after %v", took)
		}
		if _, err := f.DeliveryService.AckDelivery(b, &b2bv1.AckDeliveryRequest{Id: first.Id, Lease: first.Lease}); err != nil {
			t.Fatal(err)
		}
		second, took := f.gets(b, woken)
		if took > 0 || second.Id == first.Id {
			t.Errorf("the answer to the first wakes after %v", took)
		}
		nack := &b2bv1.NackDeliveryRequest{Id: second.Id, Lease: second.Lease, RetryInSeconds: new(int32(7))}
		if _, err := f.DeliveryService.NackDelivery(b, nack); err != nil {
			t.Fatal(err)
		}
		if _, took := f.gets(b, woken); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("given back for 7 seconds: after %v", took)
		}
		if _, took := f.gets(b, woken); took < 12*time.Second || took > 15*time.Second { // and a pause of 2 seconds
			t.Errorf("after the end of a lease of 10 seconds: after %v", took)
		}
	})
}

// TestWaitsAsideAreForTheirBot: what is for others wakes nobody, but for one bot while events are not
// delivered: its claim delivers them.
func TestWaitsAsideAreForTheirBot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		a, b, c := f.bot("a"), f.bot("b"), f.bot("c")
		var signals []<-chan struct{}
		for _, bot := range []context.Context{b, c} {
			woken, leave, err := f.aside(bot)
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
			signals = append(signals, woken)
		}
		drain := func() (n int) {
			for _, woken := range signals {
				for len(woken) > 0 {
					<-woken
					n++
				}
			}
			return n
		}
		deliver := func() {
			for _, bot := range []context.Context{b, c, b} {
				if _, err := f.claim(bot, 0); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			drain()
		}
		deliver()
		f.bot("d")
		f.send(a, "d", "for another one") // a message wakes both bots of its channel
		time.Sleep(3 * claimRecheck / 2)  // Sleeps: in the bubble of its test
		if n := drain(); n != 1 {
			t.Errorf("%d bots are woken to deliver what is for another one", n)
		}
		deliver()
		time.Sleep(5 * time.Second) // Sleeps: in the bubble of its test
		if n := drain(); n > 0 {
			t.Errorf("bots are woken %d times although there is nothing", n)
		}
		f.send(a, "c", "for c")
		synctest.Wait()
		if len(signals[0]) > 0 || len(signals[1]) == 0 {
			t.Errorf("what is for c wakes b %d times, c %d times", len(signals[0]), len(signals[1]))
		}
	})
}

// TestWaitsAsideAreBounded: they count as claims that wait (B2B-DLV-020), and end with the server.
func TestWaitsAsideAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newLeaseFixture(t)
		b := f.bot("b")
		var leaves []func()
		for range limits.ClaimWaitsOfBot {
			_, leave, err := f.aside(b)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		_, _, err := f.aside(b)
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
		_, err = f.claim(b, 30)
		f.refused(err, b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS)
		leaves[0]()
		if _, err := f.claim(b, 1); err != nil {
			t.Errorf("after one has left: %v", err)
		}
		f.stop()
		for _, leave := range leaves[1:] {
			leave()
		}
	})
}
