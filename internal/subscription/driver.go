package subscription

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Log subscribes to the logs of orgs (package eventlog).
type Log interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// Credential is the credential that a subscription was opened with.
type Credential interface {
	// Recheck authenticates it again. The error is a *call.Error if the credential is refused. The
	// org of the subscription is the payer in ctx.
	Recheck(ctx context.Context) (*call.Caller, error)
}

// Driver opens subscriptions. Everything but Stopping is required.
type Driver struct {
	Log       Log
	Directory Directory
	Now       func() time.Time
	Forget    func(org string) // drops the cached callers of an org
	Stopping  context.Context  // ends the subscriptions that Run serves; nil: never
}

const (
	// maxTries bounds how often Open subscribes while the access of the org keeps changing.
	maxTries = 8
	// tryAgain is the delay before a credential is checked again after a failure to check it.
	tryAgain = 5 * time.Second
	// shortest is the shortest time between two checks, against a busy loop when clocks differ.
	shortest = 100 * time.Millisecond
)

// Subscription is one subscription of a client. One goroutine at a time may call Poll, Next and
// Run; the other methods may be called by any.
type Subscription struct {
	*eventlog.Subscription
	driver     *Driver
	credential Credential
	org, bot   string

	asked   *eventlog.Item // a request to check the credential that was taken; used by the reader alone
	ending  atomic.Bool    // the log holds the item that ends the subscription
	expires atomic.Int64   // when the credential expires, in Unix milliseconds; 0: never
	checkAt atomic.Int64   // when it must be checked, in Unix milliseconds; 0: no time is set
}

// ParseCursor returns the position of a cursor; nil, which means the end of the log, for an empty
// one.
func ParseCursor(cursor string) (*eventlog.Position, error) {
	if cursor == "" {
		return nil, nil
	}
	p, err := eventlog.ParsePosition(cursor)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Open subscribes for a caller that was authenticated with a credential. Of all changes of access,
// the log reports those that are later than the caller. If there was a change between the
// authentication and the subscription, Open authenticates again. The error is an *End.
func (d *Driver) Open(ctx context.Context, caller *call.Caller, c Credential, from *eventlog.Position, f eventlog.Filter) (*Subscription, error) {
	for try := 1; ; try++ {
		v := eventlog.Viewer{OrgID: caller.OrgID, BotID: caller.BotID, Admin: caller.Admin, Scopes: caller.Scopes, AuthVersion: caller.AuthVersion}
		sub, err := d.Log.Subscribe(ctx, v, from, f)
		switch {
		case err == nil:
			s := &Subscription{Subscription: sub, driver: d, credential: c, org: caller.OrgID, bot: caller.BotID}
			s.accepted(caller)
			return s, nil
		case !errors.Is(err, call.ErrStale):
			return nil, Of(err)
		case try == maxTries:
			return nil, Of(call.ErrChangesTooOften())
		}
		was := caller.AuthVersion
		caller, err = d.recheck(ctx, c, caller.OrgID, func(v call.AuthVersion) bool { return v == was })
		if err != nil {
			if e := RefusedAtOpening(err); e != nil {
				return nil, e
			}
			return nil, with(Internal, err)
		}
	}
}

// recheck authenticates again. If the result is old, it came from a cache that has not learned of a
// change of access that the log has: a commit can go on for long after readers see it, and drops
// what is cached only then. So recheck drops that itself, and authenticates again from the store.
func (d *Driver) recheck(ctx context.Context, c Credential, org string, old func(call.AuthVersion) bool) (*call.Caller, error) {
	ctx = call.OnBehalf(ctx, org)
	caller, err := c.Recheck(ctx)
	if err != nil || !old(caller.AuthVersion) {
		return caller, err
	}
	d.Forget(org)
	return c.Recheck(ctx)
}

// Next waits for the next item. The error is an *End, or that of ctx.
func (s *Subscription) Next(ctx context.Context) (*eventlog.Item, error) {
	for {
		if err := s.checkAsked(ctx); err != nil {
			return nil, err
		}
		it, err := s.Subscription.Next(ctx)
		if it, err = s.take(ctx, it, err); err != nil || !it.Recheck {
			return it, err
		}
	}
}

// Poll is Next for readers without a goroutine of their own: where Next would wait it returns nil,
// and ready is called once when there is something to read. ready must not block, and must not call
// the subscription.
//
// An item with Recheck needs nothing from the reader: the next Poll checks the credential, so that
// the reader can send what it holds before.
func (s *Subscription) Poll(ctx context.Context, ready func()) (*eventlog.Item, error) {
	if err := s.checkAsked(ctx); err != nil {
		return nil, err
	}
	it, err := s.Subscription.Poll(ctx, ready)
	return s.take(ctx, it, err)
}

// take handles what the log delivers.
func (s *Subscription) take(ctx context.Context, it *eventlog.Item, err error) (*eventlog.Item, error) {
	switch {
	case err != nil && ctx.Err() != nil: // an error of the log is returned again by the next call
		return nil, ctx.Err()
	case err != nil:
		return nil, Of(err)
	case it == nil:
		return nil, nil
	case it.Recheck:
		s.asked = it
	case it.Local != nil:
		if e, ok := it.Local.(*End); ok {
			return nil, e
		}
	}
	return it, nil
}

// checkAsked authenticates again if the log has a change of access. If the credential is refused,
// the subscription ends at once, because the client may not receive later events, unless the log
// itself ends the subscription.
func (s *Subscription) checkAsked(ctx context.Context) error {
	if s.asked == nil {
		return nil
	}
	change := s.asked.Change
	caller, err := s.driver.recheck(ctx, s.credential, s.org, func(v call.AuthVersion) bool {
		return v.Epoch == change.Epoch && v.Access < change.Seq
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	why := s.asked.Why
	s.asked = nil
	if err == nil {
		s.accepted(caller)
		return nil
	}
	if why == "" {
		why = SessionRevoked.String()
	}
	e := RefusedLater(err, why)
	switch {
	case e == nil:
		return with(Internal, err)
	case !accessEnded(err) && !s.removed(ctx):
		return e
	}
	s.EndLast(e)
	return nil
}

// removed reports whether the bot or org of the subscription was deleted.
func (s *Subscription) removed(ctx context.Context) bool {
	why, err := Lost(call.OnBehalf(ctx, s.org), s.driver.Directory, s.org, s.bot)
	return err == nil && (why == BotDeleted || why == OrgDestroyed)
}

// Check authenticates again because time has passed. It returns the *End if the subscription must
// end at once. If the log has a record of what ended the credential, the subscription ends there or
// after the events that the log holds now; Next and Poll then return the end. Another error is the
// failure to check the credential, which is tried again later.
func (s *Subscription) Check(ctx context.Context) error {
	if s.ending.Load() {
		return nil
	}
	caller, err := s.credential.Recheck(call.OnBehalf(ctx, s.org))
	switch {
	case err == nil:
		s.accepted(caller)
		return nil
	case ctx.Err() != nil:
		return nil
	}
	e, expires, now := RefusedLater(err, SessionExpired.String()), s.expires.Load(), s.driver.Now()
	switch {
	case e == nil:
		s.checkAt.Store(now.Add(tryAgain).UnixMilli())
		return err
	case expires != 0 && expires <= now.UnixMilli() || !recorded(err): // the log has no record (B2B-WS-030)
		return e
	}
	s.EndLast(e)
	return nil
}

// EndLast ends the subscription after the events that the log holds now (B2B-WS-006), unless the
// log ends it before.
func (s *Subscription) EndLast(e *End) {
	if !s.ending.Swap(true) {
		s.checkAt.Store(0)
		s.Last(e)
	}
}

// accepted records when a credential that was accepted expires.
func (s *Subscription) accepted(caller *call.Caller) {
	s.expires.Store(caller.Ends())
	s.checkAt.Store(caller.Ends())
}

// Overdue reports whether the credential may have expired at a time in Unix milliseconds, so that
// Check must be called. It returns true once; Check sets the next time.
func (s *Subscription) Overdue(now int64) bool {
	at := s.checkAt.Load()
	return at != 0 && at < now && s.checkAt.CompareAndSwap(at, 0)
}

// Stream delivers a subscription to one client. An error ends the subscription.
type Stream interface {
	// Event delivers an event.
	Event(*eventlog.Item) error
	// Heartbeat delivers the position to resume from.
	Heartbeat(cursor string) error
}

// Run delivers to a stream until the subscription, the stream or ctx ends. It begins with a
// heartbeat. With each heartbeat, and when the credential expires, it checks the credential again
// (B2B-WS-030). The error is an *End, or that of the stream or of ctx.
func (s *Subscription) Run(ctx context.Context, heartbeat time.Duration, to Stream) error {
	stopping := s.driver.Stopping
	if stopping != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
	}
	for {
		if err := to.Heartbeat(s.Position().String()); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, s.untilCheck(heartbeat))
		err := s.deliver(wait, to)
		cancel()
		switch {
		case stopping != nil && stopping.Err() != nil:
			return For(ServerStopping)
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		if err := s.Check(ctx); isEnd(err) { // another error was logged by the credential
			return err
		}
	}
}

// untilCheck returns the time until the next heartbeat and check of the credential.
func (s *Subscription) untilCheck(heartbeat time.Duration) time.Duration {
	at := s.checkAt.Load()
	if at == 0 {
		return heartbeat
	}
	left := time.Duration(at+1-s.driver.Now().UnixMilli()) * time.Millisecond
	return min(heartbeat, max(left, shortest))
}

// deliver delivers events until ctx is done, which is no error, or the subscription ends. Next
// looks at ctx only where it waits, and there may always be an event.
func (s *Subscription) deliver(ctx context.Context, to Stream) error {
	for ctx.Err() == nil {
		it, err := s.Next(ctx)
		switch {
		case isEnd(err):
			return err
		case err != nil:
			return nil
		case it.Event == nil:
			continue
		}
		if err := to.Event(it); err != nil {
			return err
		}
	}
	return nil
}

// isEnd reports whether an error is an *End.
func isEnd(err error) bool {
	if err == nil {
		return false
	}
	var e *End
	return errors.As(err, &e)
}

// recorded reports whether the log of the org has a record of the change that a refusal comes
// from. It has none of a credential that expired.
func recorded(err error) bool {
	if accessEnded(err) {
		return true
	}
	e, _ := call.AsError(err)
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID:
		return true
	}
	return false
}

// accessEnded reports whether a refusal means that the bot or its org has no access, with any
// credential. The log then ends the subscription itself, after the last visible event.
func accessEnded(err error) bool {
	e, _ := call.AsError(err)
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED:
		return true
	}
	return false
}
