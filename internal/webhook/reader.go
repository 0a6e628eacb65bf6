package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	maxSetAside = 32   // events of one webhook
	maxDead     = 1000 // dead letters of one webhook
	// maxUnsaved results and saveAfter bound the deliveries that a crash repeats.
	maxUnsaved = 512
	saveAfter  = 500 * time.Millisecond
	// followEvery is how often the position of a webhook without events moves to the end of the
	// log. The log is not pruned beyond the position.
	followEvery = time.Minute
	// grace is the time for a running attempt when the node stops.
	grace = 2 * time.Second
	// pause is the time between attempts to subscribe to a log that was replaced.
	pause = time.Second
)

// delays are the times between the attempts to deliver an event (B2B-HOOK-011).
var delays = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// clockSkew bounds the difference between the clocks of nodes.
const clockSkew = 10 * time.Second

// degradeAt is the number of events in a row that must fail to degrade a webhook.
const degradeAt = 10

// isOwn reports whether the bot itself sent the message or artifact of an event. Webhooks leave
// these out; streams do not.
func isOwn(e *b2bv1.Event, bot string) bool {
	switch e := e.GetEvent().(type) {
	case *b2bv1.Event_Message:
		return e.Message.GetMessage().GetSenderId() == bot
	case *b2bv1.Event_ThreadMessage:
		return e.ThreadMessage.GetMessage().GetSenderId() == bot
	case *b2bv1.Event_ThreadArtifact:
		return e.ThreadArtifact.GetArtifact().GetContributorId() == bot
	}
	return false
}

// reader serves the webhook of one bot. One goroutine runs it.
type reader struct {
	d          *Dispatcher
	ref        store.HookRef
	connection *connection
	sub        *eventlog.Subscription
	attemptCtx context.Context // of attempts: ends grace after the context of run

	seq        int64                   // every event up to it is settled or set aside
	setAside   []store.WebhookDelivery // by the time of the next attempt
	more       bool                    // the store may have more of them
	degraded   bool
	failing    bool // the last attempt failed
	unreadable bool // the URL or the secret cannot be decrypted

	// Not in the store yet.
	saved    int64 // seq in the store
	outcomes []outcome
	changed  map[int64]*store.WebhookDelivery // by seq; nil: settled
	saveAt   time.Time                        // zero: everything is saved
	followAt time.Time

	counted int // of setAside, in the counts of the dispatcher
}

// outcome is the final result of one event.
type outcome struct {
	at        int64
	delivered bool
}

// errLost reports that this node may not serve the webhook: it does not hold it, or the webhook was
// removed.
var errLost = errors.New("webhook: this node does not hold the webhook")

// run serves the webhook until ctx ends, another node holds it or the bot loses access.
func (r *reader) run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	defer r.connection.close()
	attempts, cancelAttempts := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelAttempts()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancelAttempts) })()
	r.attemptCtx = attempts
	if err := r.subscribe(ctx); err != nil {
		return ignoreExpected(err)
	}
	defer func() { r.sub.Close() }()
	r.followAt = r.d.Clock.Now().Add(followEvery)
	var err error
	for err == nil && ctx.Err() == nil {
		err = r.step(ctx)
		r.countWaiting(len(r.setAside))
	}
	r.countWaiting(0)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(ignoreExpected(err), ignoreExpected(r.save(last)))
}

// ignoreExpected returns nil for errors that are no failure of this node: the webhook is served by
// another node, or by none.
func ignoreExpected(err error) error {
	switch {
	case errors.Is(err, errLost), errors.Is(err, ErrPaused), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNoOrg), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
		return nil
	}
	var end *subscription.End
	if errors.As(err, &end) {
		switch end.Reason.Webhook() {
		case subscription.WebhookStops, subscription.WebhookEnds, subscription.WebhookMoves:
			return nil
		}
	}
	return err
}

// load reads the bot and the state of its webhook.
func (r *reader) load(ctx context.Context) error {
	bot, err := r.d.Store.Bot(ctx, r.ref.OrgID, r.ref.BotID)
	if err != nil {
		return fmt.Errorf("find a bot: %w", err)
	}
	if bot.SealedURL == nil {
		return errLost
	}
	address, secret, err := r.unsealed(bot)
	if r.unreadable = err != nil; r.unreadable {
		r.d.Logger.ErrorContext(ctx, "cannot decrypt the URL or the secret of a webhook, so nothing is posted to it", "bot", bot.ID, "org", bot.OrgID, "error", err)
	}
	r.connection = r.d.sender.connection(address, newSigner(secret))
	if r.seq, err = r.d.Store.WebhookPosition(ctx, bot.ID); err != nil {
		return fmt.Errorf("read the position of a webhook: %w", err)
	}
	r.saved = r.seq
	return r.loadSetAside(ctx)
}

// unsealed returns the URL of a webhook and the secret that signs its deliveries; "": none.
func (r *reader) unsealed(bot *store.Bot) (address, secret string, err error) {
	if address, err = r.d.Keys.Open(seal.WebhookURL(bot.ID), *bot.SealedURL); err != nil {
		return "", "", fmt.Errorf("decrypt the URL of a webhook: %w", err)
	}
	if bot.SealedSecret == nil {
		return address, "", nil
	}
	if secret, err = r.d.Keys.Open(seal.Webhook(bot.ID), *bot.SealedSecret); err != nil {
		return "", "", fmt.Errorf("decrypt the secret of a webhook: %w", err)
	}
	return address, secret, nil
}

// loadSetAside reads what others may have changed: whether the webhook is degraded, and the events
// that are set aside or redelivered.
func (r *reader) loadSetAside(ctx context.Context) error {
	status, err := r.d.Store.WebhookStatus(ctx, r.ref.BotID)
	if err != nil {
		return fmt.Errorf("read the health of a webhook: %w", err)
	}
	r.degraded = status.Degraded
	if r.setAside, err = r.d.Store.WaitingDeliveries(ctx, r.ref.BotID, maxSetAside); err != nil {
		return fmt.Errorf("list the events set aside for a webhook: %w", err)
	}
	r.more = len(r.setAside) == maxSetAside
	return nil
}

// subscribe subscribes to the log after the position of the webhook.
func (r *reader) subscribe(ctx context.Context) error {
	for {
		top, err := r.d.Store.LogTop(ctx, r.ref.OrgID)
		if err != nil {
			return fmt.Errorf("find the end of the log: %w", err)
		}
		from := eventlog.Position{Epoch: top.Epoch, Seq: min(r.seq, top.Seq)}
		viewer := eventlog.Viewer{OrgID: r.ref.OrgID, BotID: r.ref.BotID, Scopes: call.ScopeFull, Webhook: true}
		sub, err := r.d.Log.Subscribe(ctx, viewer, &from, eventlog.Filter{Types: eventtype.Posted()})
		if err == nil {
			r.sub = sub
			return nil
		}
		if !call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED) {
			return fmt.Errorf("follow the log: %w", subscription.Of(err))
		}
		rows, err := r.d.Store.ReadLog(ctx, r.ref.OrgID, r.seq, 1)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		from.Seq = top.Seq
		if len(rows) > 0 {
			from.Seq = rows[0].Seq - 1
		}
		r.d.Logger.ErrorContext(ctx, "events were deleted before their delivery to a webhook", "bot", r.ref.BotID, "org", r.ref.OrgID, "from", r.seq+1, "to", from.Seq)
		r.seq = from.Seq
	}
}

// step does what is due, or waits for the next event and handles it.
func (r *reader) step(ctx context.Context) error {
	now := r.d.Clock.Now()
	switch {
	case !r.saveAt.IsZero() && (!now.Before(r.saveAt) || len(r.outcomes)+len(r.changed) >= maxUnsaved):
		return r.save(ctx)
	case len(r.setAside) > 0 && !due(&r.setAside[0], now).After(now):
		return r.retry(ctx)
	case r.more && len(r.setAside) < maxSetAside/2:
		if err := r.save(ctx); err != nil {
			return err
		}
		return r.loadSetAside(ctx)
	case !r.connection.idleUntil.IsZero() && !now.Before(r.connection.idleUntil):
		r.connection.close()
		return nil
	case !now.Before(r.followAt):
		r.followLog(now)
		return nil
	}
	full := len(r.setAside) >= maxSetAside
	wait := ctx
	if full || !r.sub.Waiting() { // else Next returns at once
		var stop func()
		wait, stop = until(ctx, r.d.Clock, r.next().Sub(now))
		defer stop()
	}
	if full {
		<-wait.Done()
		return nil
	}
	it, err := r.sub.Next(wait)
	switch {
	case err != nil && wait.Err() != nil && (errors.Is(err, context.Canceled) || ctx.Err() != nil):
		return nil
	case err != nil:
		return r.resubscribe(ctx, err)
	case it.WebhookChanged:
		if err := r.save(ctx); err != nil {
			return err
		}
		return r.loadSetAside(ctx)
	case it.Event == nil || it.Ephemeral:
		return nil
	}
	return r.handle(ctx, it)
}

// due returns when an event is retried. One that would wait longer than the longest delay was set
// aside before the clock was set back, and is due now (B2B-LIFE-020).
func due(d *store.WebhookDelivery, now time.Time) time.Time {
	at := time.UnixMilli(*d.NextAt)
	if at.Sub(now) > delays[len(delays)-1]+clockSkew {
		return now
	}
	return at
}

// next returns when step is due if no event comes.
func (r *reader) next() time.Time {
	at := r.followAt
	if !r.saveAt.IsZero() && r.saveAt.Before(at) {
		at = r.saveAt
	}
	if !r.connection.idleUntil.IsZero() && r.connection.idleUntil.Before(at) {
		at = r.connection.idleUntil
	}
	if len(r.setAside) > 0 {
		if due := due(&r.setAside[0], r.d.Clock.Now()); due.Before(at) {
			at = due
		}
	}
	return at
}

// until returns a context that ends after d, by a clock.
func until(ctx context.Context, clock Clock, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := clock.AfterFunc(d, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// resubscribe subscribes again after an error that does not end the webhook.
func (r *reader) resubscribe(ctx context.Context, err error) error {
	end := subscription.Of(err)
	switch end.Reason.Webhook() {
	case subscription.WebhookResumes: // the receiver is slower than the log
	case subscription.WebhookReplays:
		r.d.Logger.WarnContext(ctx, "the log of a webhook was replaced", "bot", r.ref.BotID, "org", r.ref.OrgID, "error", err)
		wait, stop := until(ctx, r.d.Clock, pause)
		<-wait.Done()
		stop()
	default:
		return fmt.Errorf("follow the log: %w", end)
	}
	r.sub.Close()
	return r.subscribe(ctx)
}

// followLog advances the position past events that the bot does not receive.
func (r *reader) followLog(now time.Time) {
	r.followAt = now.Add(followEvery)
	if seq := r.sub.Position().Seq; seq > r.seq {
		r.advance(seq)
	}
}

// advance records that the events up to seq are settled or set aside.
func (r *reader) advance(seq int64) {
	r.seq = seq
	if r.saveAt.IsZero() {
		r.saveAt = r.d.Clock.Now().Add(saveAfter)
	}
}
