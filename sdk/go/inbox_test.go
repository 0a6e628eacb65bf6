package b2b_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// desk is an inbox in memory. It records the calls of the worker.
type desk struct {
	b2bv1connect.UnimplementedDeliveryServiceHandler
	b2bv1connect.UnimplementedChannelServiceHandler

	mu     sync.Mutex
	queue  []string // ids
	lost   bool     // leases cannot be extended any more
	broken int      // claims that fail, as their responses are lost
	last   map[string][]string
	calls  []string
}

func newDesk(ids ...string) *desk {
	return &desk{queue: ids, last: map[string][]string{}}
}

func (d *desk) note(call string) {
	d.calls = append(d.calls, call)
}

func (d *desk) has() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func refuse(code b2bv1.ErrorCode) error {
	return catalogue.Error("refused", &b2bv1.ErrorDetail{Code: code})
}

func (d *desk) ClaimInbox(ctx context.Context, req *b2bv1.ClaimInboxRequest) (*b2bv1.ClaimInboxResponse, error) {
	d.mu.Lock()
	ids, again := d.last[req.GetRequestId()]
	if !again {
		n := min(int(req.GetMax()), len(d.queue))
		ids, d.queue = d.queue[:n], d.queue[n:]
		d.last[req.GetRequestId()] = ids
	}
	if d.broken > 0 {
		d.broken--
		d.mu.Unlock()
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("the response is lost"))
	}
	d.mu.Unlock()
	if len(ids) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(req.GetWaitSeconds()) * time.Second):
		}
		return &b2bv1.ClaimInboxResponse{}, ctx.Err()
	}
	res := &b2bv1.ClaimInboxResponse{}
	for _, id := range ids {
		res.Items = append(res.Items, &b2bv1.Delivery{
			Id: id, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT, Lease: proto.String("lease-" + id), ChannelId: proto.String("c"),
			Event: &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: "c", Message: &b2bv1.ChannelMessage{Id: "m-" + id, Content: id}}}},
		})
	}
	return res, nil
}

func (d *desk) record(id, lease, call string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if lease != "lease-"+id || d.lost {
		d.note(call + " " + id + " lost")
		return refuse(b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST)
	}
	d.note(strings.TrimSpace(call + " " + id))
	return nil
}

func (d *desk) AckDelivery(_ context.Context, req *b2bv1.AckDeliveryRequest) (*b2bv1.AckDeliveryResponse, error) {
	return &b2bv1.AckDeliveryResponse{}, d.record(req.GetId(), req.GetLease(), "ack")
}

func (d *desk) NackDelivery(_ context.Context, req *b2bv1.NackDeliveryRequest) (*b2bv1.NackDeliveryResponse, error) {
	call := "nack"
	if req.RetryInSeconds != nil {
		call = "nack at once"
	}
	if req.Reason != nil {
		call += " (" + req.GetReason() + ")"
	}
	return &b2bv1.NackDeliveryResponse{}, d.record(req.GetId(), req.GetLease(), call)
}

func (d *desk) ExtendDelivery(_ context.Context, req *b2bv1.ExtendDeliveryRequest) (*b2bv1.ExtendDeliveryResponse, error) {
	return &b2bv1.ExtendDeliveryResponse{}, d.record(req.GetId(), req.GetLease(), "extend")
}

func (d *desk) WaitDelivery(_ context.Context, req *b2bv1.WaitDeliveryRequest) (*b2bv1.WaitDeliveryResponse, error) {
	return &b2bv1.WaitDeliveryResponse{}, d.record(req.GetId(), req.GetLease(), "wait")
}

func (d *desk) SendChannelMessage(_ context.Context, req *b2bv1.SendChannelMessageRequest) (*b2bv1.SendChannelMessageResponse, error) {
	s := req.GetSettles()
	if err := d.record(s.GetDeliveryId(), s.GetLease(), "reply "+req.GetContent()+" as "+req.GetRequestId()+" to "+req.GetChannelId()+" for"); err != nil {
		return nil, err
	}
	return &b2bv1.SendChannelMessageResponse{ChannelId: "c", Message: &b2bv1.ChannelMessage{Id: "sent"}}, nil
}

func (d *desk) client(t *testing.T, opts ...b2b.Option) *b2b.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewDeliveryServiceHandler(d))
	mux.Handle(b2bv1connect.NewChannelServiceHandler(d))
	return b2b.New("http://b2b.test", append(opts, b2b.WithToken("t"), b2b.WithHTTPClient(servePipes(t, mux)))...)
}

func (d *desk) want(t *testing.T, calls ...string) {
	t.Helper()
	if got := d.has(); !slices.Equal(got, calls) {
		t.Errorf("calls:\n%q, want\n%q", got, calls)
	}
}

// notices collects what a worker overcomes.
type notices struct {
	mu  sync.Mutex
	all []error
}

func (n *notices) add(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, err)
}

func (n *notices) has(target error) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.all, func(err error) bool { return errors.Is(err, target) })
}

// TestInboxLoop: B2B-SDK-042, B2B-SDK-043, B2B-SDK-044. What the loop has is kept, what it asks beyond
// is settled, what it has answered is left alone, and what it leaves is given back.
func TestInboxLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk("1", "2", "3", "4", "5")
		for item, err := range d.client(t).Inbox(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			switch item.GetId() {
			case "1":
				time.Sleep(50 * time.Second) // In a bubble: the lease is extended twice.
			case "2":
				if id, err := item.Reply(t.Context(), "hello"); id != "sent" || err != nil {
					t.Errorf("replied %q, %v", id, err)
				}
				if err := item.Ack(t.Context()); !errors.Is(err, b2b.ErrItemAnswered) {
					t.Errorf("a second answer: %v", err)
				}
				time.Sleep(time.Minute) // In a bubble: what is answered is not extended.
			case "3":
				if err := item.Wait(t.Context(), b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_HUMAN, ""); err != nil {
					t.Error(err)
				}
			}
			if item.GetId() == "4" {
				break
			}
		}
		d.want(t, "extend 1", "extend 1", "ack 1", "reply hello as lease-2 to c for 2", "wait 3", "nack at once 4")
		if len(d.queue) != 1 {
			t.Errorf("%v are left, want one", d.queue)
		}
	})
}

// TestWork: B2B-SDK-042, B2B-SDK-043. As many handlers run as the program says; a failure is a reason.
func TestWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, failed, seen := newDesk("1", "2", "3", "4"), errors.New("no model"), &notices{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		running, most := 0, 0
		err := d.client(t).Work(ctx, func(_ context.Context, item *b2b.InboxItem) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second) // In a bubble.
			mu.Lock()
			running--
			mu.Unlock()
			switch item.GetId() {
			case "2":
				return failed
			case "4":
				time.AfterFunc(5*time.Second, cancel)
			}
			return nil
		}, b2b.WithConcurrency(3), b2b.WithInboxNotice(seen.add))
		if !errors.Is(err, context.Canceled) || most != 3 || !seen.has(failed) {
			t.Errorf("ended with %v, %d at the same time, notices %v", err, most, seen.all)
		}
		got := d.has()
		slices.Sort(got)
		if want := []string{"ack 1", "ack 3", "ack 4", "nack (no model) 2"}; !slices.Equal(got, want) {
			t.Errorf("calls %q, want %q", got, want)
		}
	})
}

// TestInboxLost: B2B-SDK-045. The context of the handler ends, nothing is answered, and the worker
// goes on.
func TestInboxLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, seen := newDesk("1", "2"), &notices{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := d.client(t).Work(ctx, func(ctx context.Context, item *b2b.InboxItem) error {
			if item.GetId() == "2" {
				time.AfterFunc(time.Second, cancel)
				return nil
			}
			d.mu.Lock()
			d.lost = true
			d.mu.Unlock()
			<-ctx.Done()
			d.mu.Lock()
			d.lost = false
			d.mu.Unlock()
			if !errors.Is(context.Cause(ctx), b2b.ErrItemLost) {
				t.Errorf("the context ended with %v", context.Cause(ctx))
			}
			return ctx.Err()
		}, b2b.WithInboxNotice(seen.add))
		if !errors.Is(err, context.Canceled) || !seen.has(b2b.ErrItemLost) {
			t.Errorf("ended with %v, notices %v", err, seen.all)
		}
		d.want(t, "extend 1 lost", "ack 2")
	})
}

// TestInboxClaims: B2B-SDK-046. A claim whose response was lost is repeated, and its items are extended
// at once; one that is refused for good ends the worker; a worker that is stopped ends.
func TestInboxClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, seen := newDesk("1"), &notices{}
		d.broken = 2
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for item, err := range d.client(t).Inbox(ctx, b2b.WithInboxNotice(seen.add)) {
			if err != nil {
				last = err
				break
			}
			if item.GetId() != "1" {
				t.Errorf("got %v", item)
			}
			time.Sleep(time.Second) // In a bubble: the lease is extended meanwhile.
			time.AfterFunc(time.Minute, cancel)
		}
		d.want(t, "extend 1", "ack 1")
		if !errors.Is(last, context.Canceled) || len(seen.all) != 2 {
			t.Errorf("ended with %v, notices %v", last, seen.all)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle(b2bv1connect.NewDeliveryServiceHandler(refusing{}))
		c := b2b.New("http://b2b.test", b2b.WithToken("t"), b2b.WithHTTPClient(servePipes(t, mux)))
		err := c.Work(t.Context(), func(context.Context, *b2b.InboxItem) error { return nil })
		if b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestInboxStoppedWhileClaiming: B2B-SDK-043. What a worker has claimed when it is stopped is given
// back, and not handed on, also if it has not got the response.
func TestInboxStoppedWhileClaiming(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, *b2b.Client) error{
		"loop": func(ctx context.Context, c *b2b.Client) (last error) {
			for item, err := range c.Inbox(ctx) {
				if item != nil {
					t.Errorf("the loop got %s", item.GetId())
				}
				last = err
			}
			return last
		},
		"work": func(ctx context.Context, c *b2b.Client) error {
			return c.Work(ctx, func(_ context.Context, item *b2b.InboxItem) error {
				t.Errorf("the handler got %s", item.GetId())
				return nil
			})
		},
	} {
		for _, lost := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
					return func(c context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
						res, err := next(c, req)
						if lost && ctx.Err() == nil {
							err = connect.NewError(connect.CodeCanceled, context.Canceled)
						}
						cancel()
						return res, err
					}
				})
				d := newDesk("1")
				if err := run(ctx, d.client(t, b2b.WithConnect(connect.WithInterceptors(stop)))); !errors.Is(err, context.Canceled) {
					t.Errorf("%s ended with %v", name, err)
				}
				d.want(t, "nack at once 1")
			})
		}
	}
}

// refusing is an inbox that the token may not use.
type refusing struct {
	b2bv1connect.UnimplementedDeliveryServiceHandler
}

func (refusing) ClaimInbox(context.Context, *b2bv1.ClaimInboxRequest) (*b2bv1.ClaimInboxResponse, error) {
	return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE)
}
