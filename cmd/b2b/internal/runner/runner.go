package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Input is what a command gets on its standard input.
type Input string

// The inputs.
const (
	InputJSON   Input = "json"   // the item as one line of JSON
	InputText   Input = "text"   // the text of the message
	InputPrompt Input = "prompt" // a text for a model, with its context
)

// ExitFinal is the exit status of a command for a delivery that has failed for good, that of sysexits.h
// for input that is wrong. Any other status but 0 means: again later.
const ExitFinal = 65

// Config is how a runner works.
type Config struct {
	Client   *b2b.Client
	Bot      string    // its id
	Command  []string  // of the program; with a template, its further arguments
	Template *Template // nil: none
	Input    Input
	Kinds    []b2bv1.DeliveryKind // that are claimed; empty: all
	Access   Access
	Rate     Rate
	Modes    Modes
	// Position keeps how far the threads are followed, for modes other than ModeMention.
	Position b2b.PositionStore

	Concurrency int           // runs at once, each of another thread or channel
	Lease       time.Duration // how soon a delivery is handed to another if this machine dies
	Timeout     time.Duration // of a run; 0: none
	Drain       time.Duration // how long runs may go on when the runner is to stop
	MostFile    int64         // bytes of an attachment that is fetched; 0: none is

	Sessions *Sessions
	Environ  []string  // of the command
	Temp     string    // in which folders for attachments are made
	Errs     io.Writer // gets the standard error of the commands
	Log      *slog.Logger
	Now      func() time.Time
}

// Run claims deliveries and runs the command for each until parent ends and the runs have, or until an
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

// handle runs the command for a delivery and settles it.
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
	reply, err := r.execute(ctx, i, log)
	took := r.Now().Sub(begun).Milliseconds()
	if item.Context().Err() != nil && ctx.Err() != nil {
		log.Warn("the run was ended", "took_ms", took, "reason", context.Cause(ctx))
		return context.Cause(ctx) // it is given back
	}
	if err != nil {
		log.Warn("the run has failed", "took_ms", took, "error", err)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == ExitFinal {
			return item.Nack(ctx, reasonOf(err), final)
		}
		return item.Nack(ctx, reasonOf(err))
	}
	answered, err := r.respond(ctx, item, i, reply)
	if err == nil {
		log.Info("done", "took_ms", took, "replied", answered)
		return nil
	}
	code := b2b.CodeOf(err)
	log.Warn("the reply was not accepted", "took_ms", took, "error", err)
	if refusedForGood(code) {
		return item.Nack(ctx, "the reply was not accepted: "+b2b.EnumText(code), final)
	}
	return item.Nack(ctx, "the reply could not be sent")
}

func final(q *b2bv1.NackDeliveryRequest) { q.Final = true }

// reasonOf returns what others may read of a failure: no output of the command, and no path of this
// machine.
func reasonOf(err error) string {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprintf("the command of the agent ended with exit status %d", exit.ExitCode())
	case errors.As(err, &exit):
		return "the command of the agent was killed"
	case errors.Is(err, ErrTooLong), errors.Is(err, errOutput):
		return err.Error()
	}
	return "the agent could not run its command"
}

// refusedForGood reports whether the same reply would be refused again.
func refusedForGood(code b2bv1.ErrorCode) bool {
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN,
		b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE, b2bv1.ErrorCode_ERROR_CODE_WRITE_PERMISSION_DENIED,
		b2bv1.ErrorCode_ERROR_CODE_DM_SEND_BLOCKED, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, b2bv1.ErrorCode_ERROR_CODE_NOT_ASKED,
		b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL, b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE:
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

// execute runs the command for an item and returns the reply.
func (r *runner) execute(ctx context.Context, i *Item, log *slog.Logger) (reply string, err error) {
	if r.MostFile > 0 && len(i.Parts) > 0 {
		folder, err := os.MkdirTemp(r.Temp, "b2b-run-")
		if err != nil {
			return "", fmt.Errorf("make a folder for attachments: %w", err)
		}
		defer os.RemoveAll(folder)
		err = fetch(ctx, r.Client, i, folder, r.MostFile, func(name string, err error) {
			log.Warn("an attachment was not fetched", "name", safeName(name), "error", err)
		})
		if err != nil {
			return "", err
		}
	}
	session := r.Sessions.Of(i.scope())
	env := slices.Concat(r.Environ, i.environment(session))
	e := &execution{args: r.Command, env: env, errs: r.Errs, most: r.Timeout}
	input := r.Input
	if r.Template != nil {
		e.args, input = r.Template.args(session, r.Command), InputPrompt
	}
	switch input {
	case InputText:
		e.input = []byte(i.Text)
	case InputPrompt:
		e.input = []byte(i.Prompt())
	default:
		if e.input, err = i.JSON(session); err != nil {
			return "", err
		}
	}
	log.Info("running", "session", session.ID, "resumed", session.Resumed)
	out, err := e.run(ctx)
	made := ""
	if err == nil && r.Template != nil {
		reply, made, err = r.Template.read(out)
	} else {
		reply = string(out)
	}
	if err != nil {
		return "", errors.Join(err, r.Sessions.Forget(i.scope()))
	}
	if made == "" {
		made = session.ID
	}
	return reply, r.Sessions.Keep(i.scope(), made)
}
