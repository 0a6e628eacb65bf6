package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

const (
	maxWaiting = 32   // events of one webhook that are set aside
	maxDead    = 1000 // dead letters of one webhook that are kept
	// maxUnsaved and saveAfter bound what is delivered again after a crash.
	maxUnsaved = 512
	saveAfter  = 500 * time.Millisecond
	// restEvery is how often the cursor of a webhook that is told nothing follows the
	// log, which cannot be pruned behind it.
	restEvery = time.Minute
	// grace is what an attempt under way has when the node stops.
	grace = 2 * time.Second
	// pause is between two tries to read a log that cannot be read.
	pause = time.Second
)

// delays are how long an event waits after each failed attempt but the last (B2B-HOOK-011).
var delays = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// clockSkew is how far the clocks of nodes may be apart.
const clockSkew = 10 * time.Second

// degradeAt is how many events in a row must fail to degrade a webhook.
const degradeAt = 10

// types returns the events that webhooks get (B2B-HOOK-001): the choices of Event that the
// schema marks so.
func types() (names []string) {
	choices := (*b2bv1.Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("event").Fields()
	for i := range choices.Len() {
		f := choices.Get(i)
		if proto.GetExtension(f.Options(), optionsv1.E_Wire).(*optionsv1.Wire).GetWebhook() {
			names = append(names, string(f.Name()))
		}
	}
	return names
}

// own tells whether a bot is told of something that it said itself: webhooks leave that
// out, where live push does not.
func own(e *b2bv1.Event, bot string) bool {
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
	ref        store.BotRef
	connection *connection
	sub        *eventlog.Subscription
	own        context.Context // of attempts: ends a while after that of run

	seq      int64 // every event up to here is settled or set aside
	waiting  []store.WebhookDelivery
	more     bool // there are more of them in the store
	degraded bool
	failing  bool // the last attempt failed
	locked   bool // the secret cannot be read

	// What is not in the store yet.
	saved    int64 // seq
	outcomes []outcome
	changed  map[int64]*store.WebhookDelivery // by seq; nil: settled
	saveAt   time.Time                        // zero: everything is saved
	restAt   time.Time
}

// outcome is what became of one event.
type outcome struct {
	at        int64
	delivered bool
}

// errLost says that another node serves this webhook now, or that it is gone.
var errLost = errors.New("webhook: the lease is lost")

// run serves the webhook until ctx ends, the lease is lost or the bot has no access
// any more.
func (r *reader) run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	defer r.connection.close()
	own, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cut) })()
	r.own = own
	if err := r.subscribe(ctx); err != nil {
		return quiet(err)
	}
	defer func() { r.sub.Close() }()
	r.restAt = r.d.Clock.Now().Add(restEvery)
	var err error
	for err == nil && ctx.Err() == nil {
		err = r.step(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	return errors.Join(quiet(err), quiet(r.save(last)))
}

// quiet drops the errors that are no failure: somebody else goes on, or nobody.
func quiet(err error) error {
	switch {
	case errors.Is(err, errLost), errors.Is(err, eventlog.ErrAccess), errors.Is(err, eventlog.ErrClosed),
		errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNoOrg), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// load reads where the webhook stands.
func (r *reader) load(ctx context.Context) error {
	bot, err := r.d.Store.Bot(ctx, r.ref.OrgID, r.ref.BotID)
	if err != nil {
		return fmt.Errorf("find a bot: %w", err)
	}
	if bot.SealedURL == nil {
		return errLost
	}
	address, secret, err := r.unsealed(bot)
	if r.locked = err != nil; r.locked {
		r.d.Logger.ErrorContext(ctx, "the address or the secret of a webhook cannot be read, so nothing is posted to it", "bot", bot.ID, "org", bot.OrgID, "error", err)
	}
	r.connection = r.d.sender.connection(address, newSigner(secret))
	if r.seq, err = r.d.Store.WebhookCursor(ctx, bot.ID); err != nil {
		return fmt.Errorf("find the cursor of a webhook: %w", err)
	}
	r.saved = r.seq
	return r.loadWaiting(ctx)
}

// unsealed reads where a webhook leads, and what its deliveries are signed with; "": they
// are not.
func (r *reader) unsealed(bot *store.Bot) (address, secret string, err error) {
	if address, err = r.d.Keys.Open(seal.WebhookURL(bot.ID), *bot.SealedURL); err != nil {
		return "", "", fmt.Errorf("open the address of a webhook: %w", err)
	}
	if bot.SealedSecret == nil {
		return address, "", nil
	}
	if secret, err = r.d.Keys.Open(seal.Webhook(bot.ID), *bot.SealedSecret); err != nil {
		return "", "", fmt.Errorf("open the secret of a webhook: %w", err)
	}
	return address, secret, nil
}

// loadWaiting reads what was changed by others: whether the webhook is degraded, and
// what is to be delivered again.
func (r *reader) loadWaiting(ctx context.Context) error {
	status, err := r.d.Store.WebhookStatus(ctx, r.ref.BotID)
	if err != nil {
		return fmt.Errorf("read the health of a webhook: %w", err)
	}
	r.degraded = status.Degraded
	if r.waiting, err = r.d.Store.WaitingDeliveries(ctx, r.ref.BotID, maxWaiting); err != nil {
		return fmt.Errorf("list what waits for a webhook: %w", err)
	}
	r.more = len(r.waiting) == maxWaiting
	return nil
}

// subscribe follows the log from where the webhook stands.
func (r *reader) subscribe(ctx context.Context) error {
	for {
		top, err := r.d.Store.LogTop(ctx, r.ref.OrgID)
		if err != nil {
			return fmt.Errorf("find the end of the log: %w", err)
		}
		from := eventlog.Position{Epoch: top.Epoch, Seq: min(r.seq, top.Seq)}
		viewer := eventlog.Viewer{OrgID: r.ref.OrgID, BotID: r.ref.BotID, Scopes: call.ScopeFull, Webhook: true}
		sub, err := r.d.Log.Subscribe(ctx, viewer, &from, eventlog.Filter{Types: r.d.types})
		if err == nil {
			r.sub = sub
			return nil
		}
		if !hasCode(err, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED) {
			return fmt.Errorf("follow the log: %w", err)
		}
		rows, err := r.d.Store.ReadLog(ctx, r.ref.OrgID, r.seq, 1)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		from.Seq = top.Seq
		if len(rows) > 0 {
			from.Seq = rows[0].Seq - 1
		}
		r.d.Logger.ErrorContext(ctx, "events are gone before a webhook was told of them", "bot", r.ref.BotID, "org", r.ref.OrgID, "from", r.seq+1, "to", from.Seq)
		r.seq = from.Seq
	}
}

func hasCode(err error, codes ...b2bv1.ErrorCode) bool {
	told, ok := call.AsError(err)
	return ok && slices.Contains(codes, told.Code)
}

// step does what is due first, or waits for the next event.
func (r *reader) step(ctx context.Context) error {
	now := r.d.Clock.Now()
	switch {
	case !r.saveAt.IsZero() && (!now.Before(r.saveAt) || len(r.outcomes)+len(r.changed) >= maxUnsaved):
		return r.save(ctx)
	case len(r.waiting) > 0 && !due(&r.waiting[0], now).After(now):
		return r.retry(ctx)
	case r.more && len(r.waiting) < maxWaiting/2:
		if err := r.save(ctx); err != nil {
			return err
		}
		return r.loadWaiting(ctx)
	case !r.connection.until.IsZero() && !now.Before(r.connection.until):
		r.connection.close()
		return nil
	case !now.Before(r.restAt):
		r.rest(now)
		return nil
	}
	full := len(r.waiting) >= maxWaiting
	wait := ctx
	if full || !r.sub.Waiting() { // else there is nothing to wait for
		var stop func()
		wait, stop = r.until(ctx, r.next().Sub(now))
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
		return r.broken(ctx, err)
	case it.Recheck:
		if err := r.save(ctx); err != nil {
			return err
		}
		return r.loadWaiting(ctx)
	case it.Event == nil || it.Ephemeral:
		return nil
	}
	return r.handle(ctx, it)
}

// due is when an event is tried again. Nothing waits longer than the longest delay: what
// would was set aside before the clock was put back (B2B-LIFE-020).
func due(d *store.WebhookDelivery, now time.Time) time.Time {
	at := time.UnixMilli(*d.NextAt)
	if at.Sub(now) > delays[len(delays)-1]+clockSkew {
		return now
	}
	return at
}

// next is when something is due, if no event comes.
func (r *reader) next() time.Time {
	at := r.restAt
	if !r.saveAt.IsZero() && r.saveAt.Before(at) {
		at = r.saveAt
	}
	if !r.connection.until.IsZero() && r.connection.until.Before(at) {
		at = r.connection.until
	}
	if len(r.waiting) > 0 {
		if due := due(&r.waiting[0], r.d.Clock.Now()); due.Before(at) {
			at = due
		}
	}
	return at
}

// until is a context that ends after d, by the clock of the dispatcher.
func (r *reader) until(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := r.d.Clock.AfterFunc(d, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// broken goes on after the end of a subscription that is no reason to stop.
func (r *reader) broken(ctx context.Context, err error) error {
	var slow *eventlog.SlowError
	switch {
	case errors.As(err, &slow): // the receiver is slower than the log: its turn comes
	case hasCode(err, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED):
		r.d.Logger.WarnContext(ctx, "the log under a webhook was replaced", "bot", r.ref.BotID, "org", r.ref.OrgID, "error", err)
		wait, stop := r.until(ctx, pause)
		<-wait.Done()
		stop()
	default:
		return fmt.Errorf("follow the log: %w", err)
	}
	r.sub.Close()
	return r.subscribe(ctx)
}

// rest lets the cursor follow the log past what the bot is not told of.
func (r *reader) rest(now time.Time) {
	r.restAt = now.Add(restEvery)
	if seq := r.sub.Position().Seq; seq > r.seq {
		r.pass(seq)
	}
}

// pass says that the events up to seq are settled or set aside.
func (r *reader) pass(seq int64) {
	r.seq = seq
	if r.saveAt.IsZero() {
		r.saveAt = r.d.Clock.Now().Add(saveAfter)
	}
}
