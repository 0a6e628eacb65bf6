package mcp

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// shortWait is how long wait waits for a client that sends no progress token: some stop after a
	// minute.
	shortWait = 50 * time.Second
	// longWait is how long it waits otherwise: some clients stop after 300 seconds, progress or not.
	longWait = 240 * time.Second
	// heartbeat is how often a waiting call reports progress.
	heartbeat = 10 * time.Second
	// firstLease is how long the agent has a delivery until it names it: longer than a model thinks, and
	// short enough for what nobody got.
	firstLease = 2 * time.Minute
	// confirmedLease is how long it has it from when it says that it works on it.
	confirmedLease = 15 * time.Minute
	// backTime bounds the call that gives a delivery back.
	backTime = 5 * time.Second
	// retryPause is the pause before a claim that failed for the moment is made again.
	retryPause = 2 * time.Second
)

const (
	waitName    = "wait"
	waitingText = "waiting" // the text of its progress
)

type waitIn struct {
	Timeout int32  `json:"timeout_s,omitempty" jsonschema:"seconds to wait at most; by default as long as your client allows"`
	Thread  string `json:"thread,omitempty" jsonschema:"only what happens in this thread"`
}

type waitOut struct {
	TimedOut bool         `json:"timed_out"`
	Delivery *deliveryOut `json:"item,omitempty"`
}

func waitTool() tool {
	s := inputOf[waitIn](nil, nil)
	s.Properties["timeout_s"].Minimum, s.Properties["timeout_s"].Maximum = new(1.0), new(longWait.Seconds())
	return with(tool{
		name: waitName, title: "Wait for what is addressed to you", effect: adds, needs: []proto.Message{&b2bv1.ClaimInboxRequest{}},
		text: "Waits until somebody addresses you (direct message, mention, reply, invitation, decision) and returns that with its context. " +
			"Use it when you have nothing else to do, and after you asked somebody. What it returns is yours for 2 minutes: answer it with reply or send and its delivery, " +
			"or call settle (action working gives you 15 minutes more). If it timed out, call it again.",
	}, s, wait)
}

// wait claims one delivery. Over HTTP it waits aside, if the request allows that. Otherwise a claim that
// waits is repeated at each heartbeat, so that nothing has to run beside it.
func wait(ctx context.Context, c *call, in waitIn) error {
	limit := c.patience()
	if in.Timeout > 0 {
		limit = min(limit, time.Duration(in.Timeout)*time.Second)
	}
	q := requestOf(ctx)
	switch {
	case q.waits != nil:
		return c.waited(q.waits, limit)
	case q.aside:
		q.waits = &waiting{tools: c.tools, thread: in.Thread, token: c.request.Params.GetProgressToken(), end: time.Now().Add(limit)}
		return errAside
	}
	ctx, stop := q.while(ctx)
	defer stop()
	end := time.Now().Add(limit)
	id, unknown := uuid.NewString(), false // whether the claim with the id has taken something
	defer func() {
		if unknown {
			c.takeBack(ctx, id, in.Thread)
		}
	}()
	for beats := 0; ; beats++ {
		left := time.Until(end)
		if left <= 0 {
			return c.timedOut(limit)
		}
		if beats > 0 {
			if err := c.progress(ctx, beats, waitingText); err != nil {
				return err
			}
		}
		d, err := c.claim(ctx, id, in.Thread, min(left, heartbeat))
		unknown = err != nil && (ctx.Err() != nil || passing(err))
		switch {
		case ctx.Err() != nil:
			c.giveBack(ctx, d)
			return ctx.Err()
		case err != nil && (!c.Patient || !passing(err)):
			return err
		case err != nil:
			if err := sleep(ctx, retryPause); err != nil {
				return err
			}
		case d != nil:
			q.unlessGot(func() { c.giveBack(ctx, d) })
			return c.deliver(d)
		default:
			id = uuid.NewString()
		}
	}
}

// waited writes what became of a call that waited aside.
func (c *call) waited(w *waiting, limit time.Duration) error {
	switch {
	case w.err != nil:
		return w.err
	case w.delivery == nil:
		return c.timedOut(limit)
	}
	return c.deliver(w.delivery)
}

// progress tells a client that asked for it that the call goes on.
func (c *call) progress(ctx context.Context, beats int, what string) error {
	token := c.request.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	if err := c.request.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
		ProgressToken: token, Progress: float64(beats), Message: what,
	}); err != nil {
		return fmt.Errorf("report progress: %w", err)
	}
	return nil
}

// patience returns how long a call may wait.
func (c *call) patience() time.Duration {
	if c.request.Params.GetProgressToken() != nil {
		return longWait
	}
	return shortWait
}

// takeBack gives back what a claim took that ended without a response (B2B-DLV-008).
func (t *tools) takeBack(ctx context.Context, id, thread string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	d, err := t.claim(ctx, id, thread, 0)
	if err != nil {
		t.Log.DebugContext(ctx, "it is not known whether a delivery is to be given back, its lease ends", "error", failureOf(err).Code)
		return
	}
	t.giveBack(ctx, d)
}

// claim claims a delivery, and waits for it for whole seconds; nil: there was none. id is that of the
// request.
func (t *tools) claim(ctx context.Context, id, thread string, wait time.Duration) (*b2bv1.Delivery, error) {
	res, err := t.Client.Deliveries.ClaimInbox(ctx, &b2bv1.ClaimInboxRequest{
		LeaseSeconds: new(int32(firstLease / time.Second)), WaitSeconds: new(int32(math.Ceil(wait.Seconds()))), ThreadId: text(thread), Context: true,
		RequestId: &id,
	})
	if err != nil || len(res.GetItems()) == 0 {
		return nil, err
	}
	return res.GetItems()[0], nil
}

// giveBack returns a delivery that the client does not want any more. It is handed out again at once, and
// the attempt does not count, as for one that was put aside. If that fails, its lease ends.
func (t *tools) giveBack(ctx context.Context, d *b2bv1.Delivery) {
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	if _, err := t.Client.Deliveries.WaitDelivery(ctx, &b2bv1.WaitDeliveryRequest{
		Id: d.GetId(), Lease: d.Lease, On: b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_BOT.Enum(), ResumeInSeconds: new(int32(0)),
		Reason: proto.String("the client stopped waiting"),
	}); err != nil {
		t.Log.DebugContext(ctx, "a delivery was not given back, its lease ends", "error", failureOf(err).Code)
	}
}

func (c *call) timedOut(after time.Duration) error {
	c.data = waitOut{TimedOut: true}
	c.line("Nothing was addressed to you within %d seconds. Call wait again if you have nothing else to do.", int(after.Seconds()))
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kindOf returns the text of a kind of deliveries.
func kindOf(d *b2bv1.Delivery) string { return b2b.EnumText(d.GetKind()) }
