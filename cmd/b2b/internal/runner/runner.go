package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config is how a runner works.
type Config struct {
	Client   *b2b.Client
	Bot      string // its id
	Executor Executor
	Kinds    []b2bv1.DeliveryKind // that are claimed; empty: all
	Access   Access
	Rate     Rate
	Modes    Modes
	// Position keeps how far the threads are followed, for modes other than ModeMention.
	Position b2b.PositionStore

	Concurrency int           // runs at once, each of another thread or channel
	Lease       time.Duration // how soon a delivery is handed to another if this machine dies
	Drain       time.Duration // how long runs may go on when the runner is to stop
	MostFile    int64         // bytes of an attachment that is fetched; 0: none is

	Temp string // in which folders for attachments are made
	Log  *slog.Logger
	Now  func() time.Time
}

// Run claims deliveries and has each executed until parent ends and the runs have, or until an
// error that trying again would not help.
func Run(parent context.Context, c Config) error {
	r := &runner{Config: c, limiter: limiter{rate: c.Rate, now: c.Now, full: map[string]time.Time{}}}
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	followed := make(chan error, 1)
	if c.Modes.follows() {
		go func() {
			err := r.follow(ctx)
			if ctx.Err() == nil {
				stop(err) // the other half cannot go on alone
			}
			followed <- err
		}()
	} else {
		followed <- nil
	}
	err := c.Client.Work(ctx, r.handle, b2b.WithConcurrency(c.Concurrency), b2b.WithLease(c.Lease), b2b.WithInboxNotice(r.notice),
		b2b.WithClaim(func(q *b2bv1.ClaimInboxRequest) { q.Kinds, q.Context = c.Kinds, true }))
	stop(err)
	<-followed
	if parent.Err() != nil { // which is how it ends
		return nil
	}
	return context.Cause(ctx)
}

type runner struct {
	Config
	limiter limiter
}

func (r *runner) notice(err error) {
	var of *b2b.ItemError
	if errors.As(err, &of) {
		r.Log.Warn("a delivery was not settled", "delivery", of.Item.GetId(), "error", of.Err)
		return
	}
	r.Log.Warn("the server was not reached", "error", err)
}

// handle executes a delivery and settles it.
func (r *runner) handle(_ context.Context, item *b2b.InboxItem) error {
	ctx, cancel := r.life(item.Context())
	defer cancel()
	i := itemOf(item.Delivery)
	log := r.Log.With("delivery", item.GetId(), "kind", kindText(item.Delivery), "thread", item.GetThreadId(),
		"sender", i.Sender, "attempt", item.GetAttempt())
	if why := r.Access.refusal(i); why != "" {
		log.Info("not accepted", "reason", why)
		return item.Nack(ctx, why, final)
	}
	if pause := r.limiter.take(i.Sender); pause > 0 {
		log.Info("put aside: its sender has sent too much", "seconds", int(pause.Seconds()))
		return item.Wait(ctx, b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_BOT, "this agent limits how much it takes of one sender",
			func(q *b2bv1.WaitDeliveryRequest) { q.ResumeInSeconds = proto.Int32(int32(max(pause/time.Second, 1))) })
	}
	begun := r.Now()
	answer, err := r.execute(ctx, &Job{Item: i, Log: log, Progress: item.Progress})
	took := r.Now().Sub(begun).Milliseconds()
	if item.Context().Err() != nil && ctx.Err() != nil {
		log.Warn("the run was ended", "took_ms", took, "reason", context.Cause(ctx))
		return context.Cause(ctx) // it is given back
	}
	if err != nil {
		log.Warn("the run has failed", "took_ms", took, "error", err)
		f := failed(err)
		if f.Final {
			return item.Nack(ctx, f.Reason, final)
		}
		return item.Nack(ctx, f.Reason)
	}
	answered, err := r.respond(ctx, item, i, answer)
	if err == nil {
		log.Info("done", "took_ms", took, "replied", answered, "failed", answer.Failed)
		return nil
	}
	code := b2b.CodeOf(err)
	log.Warn("the reply was not accepted", "took_ms", took, "error", err)
	if RefusedForGood(code) {
		return item.Nack(ctx, "the reply was not accepted: "+b2b.EnumText(code), final)
	}
	return item.Nack(ctx, "the reply could not be sent")
}

func final(q *b2bv1.NackDeliveryRequest) { q.Final = true }

// RefusedForGood reports whether the server would refuse the same message, file or artifact again.
func RefusedForGood(code b2bv1.ErrorCode) bool {
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN,
		b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE, b2bv1.ErrorCode_ERROR_CODE_WRITE_PERMISSION_DENIED,
		b2bv1.ErrorCode_ERROR_CODE_DM_SEND_BLOCKED, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, b2bv1.ErrorCode_ERROR_CODE_NOT_ASKED,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL, b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE,
		b2bv1.ErrorCode_ERROR_CODE_FILE_TOO_LARGE:
		return true
	}
	return false
}

var errDrained = errors.New("the runner stops")

// life returns the context of a run: it ends at once when the delivery is lost, and some time after the
// runner is to stop.
func (r *runner) life(item context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(item))
	stop := context.AfterFunc(item, func() {
		if cause := context.Cause(item); errors.Is(cause, b2b.ErrItemLost) {
			cancel(cause)
			return
		}
		t := time.NewTimer(r.Drain)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(errDrained)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// execute fetches the attachments of an item and has it executed.
func (r *runner) execute(ctx context.Context, j *Job) (*Answer, error) {
	if r.MostFile > 0 && len(j.Parts) > 0 {
		folder, err := os.MkdirTemp(r.Temp, "b2b-run-")
		if err != nil {
			return nil, fmt.Errorf("make a folder for attachments: %w", err)
		}
		defer os.RemoveAll(folder)
		err = fetch(ctx, r.Client, j.Item, folder, r.MostFile, func(name string, err error) {
			j.Log.Warn("an attachment was not fetched", "name", safeName(name), "error", err)
		})
		if err != nil {
			return nil, err
		}
	}
	return r.Executor.Execute(ctx, j)
}
