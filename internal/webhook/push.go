package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Tasks reads what is posted for push configs (B2B-A2A-018).
type Tasks interface {
	// Types are the types of events after which a task may be another.
	Types() []string
	// Notification returns a task as it is, with the rights of the token that made the push config. The
	// error is ErrEnded if these, or the task, are no more, and ErrPaused while the bot or its org is
	// not active.
	Notification(ctx context.Context, p *store.PushConfig, base string) (Notification, error)
}

// Notification is what is posted for a push config.
type Notification struct {
	Body []byte
	Last bool // the task has ended
	// Early is how long to wait before the task is read again, as it has just changed and may change
	// again at once; 0: not at all.
	Early time.Duration
}

// The errors of Tasks for a push config that ends, and for one that is served again when its bot and its
// org are active.
var (
	ErrEnded  = errors.New("webhook: the push config has ended")
	ErrPaused = errors.New("webhook: the push config is paused")
)

const (
	// mostFailures is how many notifications in a row are given up before the push config ends.
	mostFailures = 10
	// followPushEvery is how often the position of a push config without events is saved. An older one
	// costs a restart no more than a notification that the receiver has already had.
	followPushEvery = 10 * time.Minute
)

// pusher serves a push config. One goroutine runs it.
type pusher struct {
	d          *Dispatcher
	ref        store.HookRef
	row        *store.PushConfig
	base       string
	connection *connection
	sub        *eventlog.Subscription
	attemptCtx context.Context // of attempts: ends grace after the context of run

	seq      int64     // every event up to it is settled, or part of the notification that waits
	first    int64     // the seq at the first attempt at that notification
	nextAt   time.Time // of the next attempt at it; zero: no notification waits
	attempts int64     // failed ones
	fresh    bool      // events came after the first attempt, so that they had fewer than the others
	early    bool      // the task was read too early once
	failures int64     // notifications in a row that were given up

	sent    [sha256.Size]byte // of the last body that was delivered
	saved   int64             // seq in the store
	savedAt time.Time
}

// run serves the push config until ctx ends, another node holds it, or it ends.
func (p *pusher) run(ctx context.Context) error {
	if err := p.load(ctx); err != nil {
		return ignoreExpected(err)
	}
	defer p.connection.close()
	attempts, cancelAttempts := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelAttempts()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancelAttempts) })()
	p.attemptCtx = attempts
	if err := p.subscribe(ctx); err != nil {
		return ignoreExpected(err)
	}
	defer func() { p.sub.Close() }()
	var err error
	for err == nil && ctx.Err() == nil {
		err = p.step(ctx)
	}
	if errors.Is(err, errLost) || p.seq == p.saved {
		return ignoreExpected(err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(ignoreExpected(err), ignoreExpected(p.save(last, false)))
}

// load reads the push config and its state.
func (p *pusher) load(ctx context.Context) error {
	var err error
	if p.row, err = p.d.Store.PushConfig(ctx, p.ref.PushID); err != nil {
		return fmt.Errorf("find a push config: %w", err)
	}
	target, err := p.d.Keys.OpenPush(p.row.ID, p.row.Sealed)
	p.base = target.Base
	p.connection = p.d.sender.connection(target.URL, pushHeaders(target))
	if err != nil {
		p.log(ctx, slog.LevelError, "cannot decrypt the address of a push config, so nothing is posted to it", slog.Any("error", err))
		p.connection = &connection{refusal: keyLost}
	}
	p.seq, p.saved, p.savedAt = p.row.Seq, p.row.Seq, p.d.Clock.Now()
	p.first, p.attempts, p.failures = p.row.Seq, p.row.Attempts, p.row.Failures
	if p.row.NextAt != nil {
		p.nextAt = time.UnixMilli(*p.row.NextAt)
	}
	return nil
}

// subscribe subscribes to the events of the thread after the position. If these are gone, the task is
// posted as it is.
func (p *pusher) subscribe(ctx context.Context) error {
	top, err := p.d.Store.LogTop(ctx, p.ref.OrgID)
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	p.seq = min(p.seq, top.Seq)
	from := eventlog.Position{Epoch: top.Epoch, Seq: p.seq}
	viewer := eventlog.Viewer{OrgID: p.ref.OrgID, BotID: p.ref.BotID, Scopes: call.ScopeFull, Webhook: true}
	filter := eventlog.Filter{Types: p.d.Tasks.Types(), Threads: []string{p.row.ThreadID}}
	p.sub, err = p.d.Log.Subscribe(ctx, viewer, &from, filter)
	if call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED) {
		p.seq, from.Seq = top.Seq, top.Seq
		p.wake()
		p.sub, err = p.d.Log.Subscribe(ctx, viewer, &from, filter)
	}
	if err != nil {
		return fmt.Errorf("follow the log: %w", subscription.Of(err))
	}
	return nil
}

// wake makes a notification wait, unless one does.
func (p *pusher) wake() {
	p.fresh = true
	if p.nextAt.IsZero() {
		p.nextAt = p.d.Clock.Now()
	}
}

// step does what is due, or waits for the next event.
func (p *pusher) step(ctx context.Context) error {
	now, waiting := p.d.Clock.Now(), p.sub.Waiting()
	switch {
	case !waiting && !p.nextAt.IsZero() && !p.due(now).After(now):
		return p.notify(ctx)
	case !p.connection.idleUntil.IsZero() && !now.Before(p.connection.idleUntil):
		p.connection.close()
		return nil
	case p.seq != p.saved && !now.Before(p.savedAt.Add(followPushEvery)):
		return p.save(ctx, false)
	}
	wait := ctx
	if !waiting {
		var stop func()
		wait, stop = until(ctx, p.d.Clock, p.next(now).Sub(now))
		defer stop()
	}
	it, err := p.sub.Next(wait)
	switch {
	case err != nil && wait.Err() != nil && (errors.Is(err, context.Canceled) || ctx.Err() != nil):
		p.follow()
		return nil
	case err != nil:
		return p.resubscribe(ctx, err)
	case it.WebhookChanged:
		return p.check(ctx)
	case it.Event == nil || it.Ephemeral:
		return nil
	}
	p.seq = it.Position.Seq
	if !isOwn(it.Event, p.ref.BotID) {
		p.wake()
	}
	return nil
}

// due returns when the notification that waits is attempted; at once if the clock was set back.
func (p *pusher) due(now time.Time) time.Time {
	if p.nextAt.Sub(now) > delays[len(delays)-1]+clockSkew {
		return now
	}
	return p.nextAt
}

// next returns when step is due if no event comes.
func (p *pusher) next(now time.Time) time.Time {
	at := now.Add(followPushEvery)
	if idle := p.connection.idleUntil; !idle.IsZero() && idle.Before(at) {
		at = idle
	}
	if !p.nextAt.IsZero() && p.due(now).Before(at) {
		at = p.due(now)
	}
	return at
}

// follow moves past events that are of no account, while no notification waits.
func (p *pusher) follow() {
	if seq := p.sub.Position().Seq; seq > p.seq && p.nextAt.IsZero() {
		p.seq = seq
	}
}

// check returns errLost if the push config was removed or replaced.
func (p *pusher) check(ctx context.Context) error {
	_, err := p.d.Store.PushConfig(ctx, p.ref.PushID)
	if errors.Is(err, store.ErrNotFound) {
		return errLost
	}
	return err
}

// resubscribe subscribes again after an error that does not end the push config.
func (p *pusher) resubscribe(ctx context.Context, err error) error {
	end := subscription.Of(err)
	switch end.Reason.Webhook() {
	case subscription.WebhookResumes:
	case subscription.WebhookReplays:
		wait, stop := until(ctx, p.d.Clock, pause)
		<-wait.Done()
		stop()
		p.wake()
	default:
		return fmt.Errorf("follow the log: %w", end)
	}
	p.sub.Close()
	return p.subscribe(ctx)
}

// notify makes an attempt to post the task as it is now. When the node stops, one that has begun gets
// grace to finish.
func (p *pusher) notify(ctx context.Context) error {
	if p.attempts == 0 {
		p.first, p.fresh = p.seq, false
	}
	place, err := p.d.pushPlaces.Enter(ctx, p.ref.OrgID)
	if err != nil {
		return err
	}
	defer place.Leave()
	n, err := p.d.Tasks.Notification(ctx, p.row, p.base)
	switch {
	case errors.Is(err, ErrEnded):
		return p.end(ctx, slog.LevelInfo, "a push config has ended: its token or its task cannot be used any more")
	case err != nil:
		return fmt.Errorf("read the task of a push config: %w", err)
	case n.Early > 0 && !p.early:
		p.early, p.nextAt = true, p.d.Clock.Now().Add(n.Early)
		return nil
	}
	p.early = false
	sum := sha256.Sum256(n.Body)
	if sum == p.sent { // what has happened is no change of the task
		return p.delivered(ctx, n.Last)
	}
	if err := p.check(ctx); err != nil { // the last moment to find that it was removed
		return err
	}
	begun := p.d.Clock.Now()
	span := p.d.beginSpan(ctx, tracecontext.Context{})
	res := p.connection.send(p.attemptCtx, p.ref.PushID, n.Body, begun, span.context())
	span.end(p.ref, p.ref.PushID, res)
	if err := p.attemptCtx.Err(); err != nil { // cut off, so the result is not known
		return err
	}
	if p.d.Attempted != nil {
		p.d.Attempted(res.outcome(), p.d.Clock.Now().Sub(begun))
	}
	if res.reason != "" {
		return p.failed(ctx, res, n.Last)
	}
	p.sent, p.failures = sum, 0
	return p.delivered(ctx, n.Last)
}

// delivered records that the receiver has the task as it is.
func (p *pusher) delivered(ctx context.Context, last bool) error {
	p.nextAt, p.attempts, p.fresh = time.Time{}, 0, false
	return p.save(ctx, last)
}

// failed records a failed attempt: the next one is due later, or the notification is given up. One that
// got events after its first attempt then begins anew, so that every event has all its attempts.
func (p *pusher) failed(ctx context.Context, res result, last bool) error {
	now := p.d.Clock.Now()
	if res.reason == keyLost { // until the key is back
		p.nextAt = now.Add(delays[len(delays)-1])
		return nil
	}
	if p.attempts++; p.attempts <= int64(len(delays)) {
		p.nextAt = now.Add(delays[p.attempts-1])
		return p.save(ctx, false)
	}
	p.failures++
	p.log(ctx, slog.LevelWarn, "a push notification was given up", slog.String("reason", res.reason), slog.Int64("in_a_row", p.failures))
	if p.failures >= mostFailures {
		return p.end(ctx, slog.LevelWarn, "a push config has ended: too many notifications in a row failed")
	}
	p.nextAt, p.attempts = time.Time{}, 0
	if p.fresh {
		p.nextAt, last = now, false
	}
	return p.save(ctx, last)
}

// end removes the push config.
func (p *pusher) end(ctx context.Context, level slog.Level, why string) error {
	p.log(ctx, level, why)
	return p.save(ctx, true)
}

// save writes the state, or with last removes the push config, if this node holds it.
func (p *pusher) save(ctx context.Context, last bool) error {
	s := store.PushState{Seq: p.seq, Attempts: p.attempts, Failures: p.failures}
	if !p.nextAt.IsZero() {
		at := p.nextAt.UnixMilli()
		s.NextAt = &at
	}
	if p.attempts > 0 {
		s.Seq = p.first // after a crash later events are fresh again
	}
	err := p.d.Store.Update(ctx, p.ref.OrgID, func(tx Tx) error {
		held, err := tx.SavePush(ctx, p.ref.PushID, p.d.Node.ID, s)
		switch {
		case err != nil:
			return err
		case !held:
			return errLost
		case last:
			return tx.DeletePushConfig(ctx, p.ref.PushID)
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("save the state of a push config: %w", err)
	case last:
		return errLost
	}
	p.saved, p.savedAt = p.seq, p.d.Clock.Now()
	return nil
}

func (p *pusher) log(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("bot", p.ref.BotID), slog.String("org", p.ref.OrgID), slog.String("thread", p.row.ThreadID))
	p.d.Logger.LogAttrs(ctx, level, text, attrs...)
}
