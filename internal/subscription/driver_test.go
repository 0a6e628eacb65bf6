package subscription

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a driver on a store with the org o and its bot b. Its hub reads new events only when a
// subscription asks for them, so that a test decides what comes first.
type fixture struct {
	testing.TB
	Driver
	store *sqlstore.Store
	now   time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	st := sqltest.Open(t, filepath.Join(t.TempDir(), "b2b.db"))
	hub := eventlog.New(eventlog.Config{Store: sqltest.Unnoticed{Store: st}})
	t.Cleanup(hub.Close)
	f := &fixture{TB: t, store: st, now: time.UnixMilli(1_000_000)}
	f.Driver = Driver{Log: hub, Directory: st, Now: func() time.Time { return f.now }, Forget: func(string) {}}
	f.update("", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: "o", Name: "o", Status: store.OrgActive})
	})
	f.update("o", func(tx store.Tx) error {
		return tx.CreateBot(t.Context(), &store.Bot{ID: "b", OrgID: "o", Name: "b", TokenHash: "b", AuthRole: store.AuthMember, JoinStatus: store.BotActive})
	})
	return f
}

func (f *fixture) update(org string, fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(f.Context(), org, fn); err != nil {
		f.Fatal(err)
	}
}

// emit appends an event that every bot sees, or with a reason or ended a change of the access of b.
func (f *fixture) emit(why string, ended, access bool) {
	f.Helper()
	e, to := &b2bv1.Event{Event: &b2bv1.Event_BotStatusChanged{BotStatusChanged: &b2bv1.BotStatusChangedEvent{}}}, store.AudienceOrg
	kind := eventtype.BotStatusChanged
	if access {
		e = &b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{BotId: proto.String("b"), Ended: &ended, CloseReason: &why}}}
		to, kind = store.AudienceInternal, eventtype.AccessChanged
	}
	payload, err := proto.Marshal(e)
	if err != nil {
		f.Fatal(err)
	}
	f.update("o", func(tx store.Tx) error {
		_, err := tx.Append(f.Context(), store.Event{Type: kind, Audience: to, Payload: payload})
		return err
	})
}

func (f *fixture) news()                 { f.emit("", false, false) }
func (f *fixture) credential(why string) { f.emit(why, false, true) }

// caller returns the bot as it is authenticated now.
func (f *fixture) caller() *call.Caller {
	f.Helper()
	top, err := f.store.LogTop(f.Context(), "o")
	if err != nil {
		f.Fatal(err)
	}
	return &call.Caller{Kind: call.Bot, OrgID: "o", BotID: "b", Scopes: call.ScopeFull, AuthVersion: call.AuthVersion{Epoch: top.Epoch, Access: top.Access}}
}

// credential answers Recheck, and counts it.
type credential struct {
	recheck func(context.Context) (*call.Caller, error)
	times   int
}

func (c *credential) Recheck(ctx context.Context) (*call.Caller, error) {
	c.times++
	return c.recheck(ctx)
}

func (f *fixture) refusing(err error) *credential {
	return &credential{recheck: func(context.Context) (*call.Caller, error) { return nil, err }}
}

func (f *fixture) accepting() *credential {
	return &credential{recheck: func(context.Context) (*call.Caller, error) { return f.caller(), nil }}
}

func (f *fixture) open(c *credential) *Subscription {
	f.Helper()
	s, err := f.Open(f.Context(), f.caller(), c, nil, eventlog.Filter{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	return s
}

// next returns the next item or error; "" stands for an event, else the reason text of the end.
func (f *fixture) next(s *Subscription) (string, *End) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	it, err := s.Next(ctx)
	var e *End
	switch {
	case errors.As(err, &e):
		_, text := e.Close()
		return text, e
	case err != nil:
		f.Fatal(err)
	case it.Local != nil:
		return "local", nil
	}
	return "", nil
}

// read makes the hub read the log, and returns when the subscription has what is in it.
func (f *fixture) read(s *Subscription) {
	f.Helper()
	human, err := f.Driver.Log.Subscribe(f.Context(), eventlog.Viewer{OrgID: "o"}, nil, eventlog.Filter{})
	if err != nil {
		f.Fatal(err)
	}
	defer human.Close()
	human.Last("read")
	for {
		if it, err := human.Next(f.Context()); err != nil {
			f.Fatal(err)
		} else if it.Local != nil {
			return
		}
	}
}

var (
	errRevoked = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "revoked")
	errOutage  = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "no database")
)

// TestOpen: a caller that is up to date is not authenticated again; one from before a change of
// access is, until it is up to date or refused.
func TestOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	accepted := f.accepting()
	f.open(accepted)
	if accepted.times != 0 {
		t.Errorf("a current caller was authenticated %d times again", accepted.times)
	}
	stale := f.caller()
	f.credential("")
	s, err := f.Open(t.Context(), stale, accepted, nil, eventlog.Filter{})
	if err != nil || accepted.times != 1 {
		t.Fatalf("a caller from before a change: %v after %d authentications", err, accepted.times)
	}
	s.Close()
	for _, c := range []struct {
		err  error
		want Reason
	}{{errRevoked, TokenInvalid}, {errOutage, Internal}} {
		var e *End
		if _, err := f.Open(t.Context(), stale, f.refusing(c.err), nil, eventlog.Filter{}); !errors.As(err, &e) || e.Reason != c.want || !errors.Is(e, c.err) {
			t.Errorf("refused with %v: %v", c.err, err)
		}
	}
	var e *End
	never := &credential{recheck: func(context.Context) (*call.Caller, error) { return stale, nil }}
	if _, err := f.Open(t.Context(), stale, never, nil, eventlog.Filter{}); !errors.As(err, &e) || e.Reason != Internal || errors.Is(err, call.ErrStale) || never.times != 2*(maxTries-1) {
		t.Errorf("a caller that stays out of date: %v after %d authentications", err, never.times)
	}
}

// TestRecheckOfChange: what a request of the log to check the credential leads to.
func TestRecheckOfChange(t *testing.T) {
	t.Parallel()
	deleted := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID, "deleted")
	for _, c := range []struct {
		name   string
		err    error
		events int // delivered before the end, of the one before and the one after the change
		want   Reason
		text   string
	}{
		{"accepted", nil, 2, 0, ""},
		{"revoked", errRevoked, 1, TokenRevoked, "Token revoked"},
		{"evicted", call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "evicted"), 1, SessionRevoked, "why"},
		{"deleted session", deleted, 1, BotDeleted, "Token regenerated"},
		{"rejected", call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "rejected"), 2, BotRejected, "bot_rejected"},
		{"outage", errOutage, 1, Internal, "Internal error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			credential := f.accepting()
			if c.err != nil {
				credential = f.refusing(c.err)
			}
			s := f.open(credential)
			f.news()
			f.credential("why")
			f.news()
			f.read(s)
			events := 0
			for {
				text, e := f.next(s)
				if e == nil {
					if events++; c.err == nil && events == 2 {
						break
					}
					continue
				}
				if e.Reason != c.want || text != c.text {
					t.Errorf("ended with reason %d %q, want %d %q", e.Reason, text, c.want, c.text)
				}
				break
			}
			if events != c.events || credential.times != 1 {
				t.Errorf("%d events and %d checks, want %d and 1", events, credential.times, c.events)
			}
		})
	}
}

// TestRecheckAfterCancel: a check of the credential that was cancelled is made by the next call.
func TestRecheckAfterCancel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	credential := &credential{recheck: func(ctx context.Context) (*call.Caller, error) {
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errRevoked
	}}
	s := f.open(credential)
	f.credential("")
	f.read(s)
	if it, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v", it, err)
	}
	if _, e := f.next(s); e == nil || e.Reason != TokenRevoked || credential.times != 2 {
		t.Errorf("ended with %v after %d checks", e, credential.times)
	}
}

// TestPollChecksAfterItems: Poll returns the request to check the credential before it checks, so
// that the reader can send what it holds.
func TestPollChecksAfterItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	credential := f.accepting()
	s := f.open(credential)
	f.credential("")
	f.read(s)
	ready := func() {}
	if it, err := s.Poll(t.Context(), ready); err != nil || !it.Recheck || credential.times != 0 {
		t.Fatalf("%+v, %v after %d checks", it, err, credential.times)
	}
	if it, err := s.Poll(t.Context(), ready); it != nil || err != nil || credential.times != 1 {
		t.Errorf("%+v, %v after %d checks", it, err, credential.times)
	}
}

// TestCheck: what a check at a time leads to.
func TestCheck(t *testing.T) {
	t.Parallel()
	expired := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED, "expired")
	f := newFixture(t)
	var e *End

	s := f.open(f.accepting())
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("an accepted credential: %v", err)
	}
	s = f.open(f.refusing(expired))
	if err := s.Check(t.Context()); !errors.As(err, &e) || e.Reason != TokenExpired {
		t.Errorf("an expired token: %v", err)
	}

	// The log has a record of a revoked token, so the events before the end come first.
	revoked := f.refusing(errRevoked)
	s = f.open(revoked)
	f.news()
	for range 2 {
		if err := s.Check(t.Context()); err != nil || revoked.times != 1 {
			t.Errorf("a revoked token: %v after %d checks", err, revoked.times)
		}
	}
	if text, e := f.next(s); e != nil {
		t.Fatalf("ended with %q before the event", text)
	}
	if _, e := f.next(s); e == nil || e.Reason != TokenRevoked {
		t.Errorf("ended with %v", e)
	}

	// A credential that has expired has no record, whatever the refusal is.
	session := f.refusing(call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "no session"))
	caller := f.caller()
	caller.Session = &call.Session{ExpiresAt: f.now.UnixMilli()}
	s, err := f.Open(t.Context(), caller, session, nil, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Overdue(f.now.UnixMilli()) || !s.Overdue(f.now.UnixMilli()+1) || s.Overdue(f.now.UnixMilli()+1) {
		t.Error("a credential that expires is not overdue once, after that time")
	}
	if err := s.Check(t.Context()); !errors.As(err, &e) || e.Reason != SessionRevoked || e.text != "Session expired" {
		t.Errorf("an expired session: %v", err)
	}

	// A failure to check is tried again later, and ends nothing.
	s = f.open(f.refusing(errOutage))
	if err := s.Check(t.Context()); !errors.Is(err, errOutage) {
		t.Errorf("a check that fails: %v", err)
	}
	if again := f.now.Add(tryAgain).UnixMilli(); s.Overdue(again) || !s.Overdue(again+1) {
		t.Error("a check that failed is not tried again in time")
	}
}

// stream records what Run delivers, and calls each with it.
type stream struct {
	events int
	each   func(cursor string) error
	event  func() // nil: nothing
}

func (s *stream) Event(*eventlog.Item) error {
	if s.events++; s.event != nil {
		s.event()
	}
	return nil
}

func (s *stream) Heartbeat(cursor string) error { return s.each(cursor) }

// TestRun: a stream begins with a heartbeat, goes on while its credential cannot be checked, and
// ends when the server stops.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	f.Stopping = stopping
	outage := f.refusing(errOutage)
	s := f.open(outage)
	beats := 0
	to := &stream{each: func(cursor string) error {
		if beats++; cursor == "" {
			t.Error("a heartbeat has no position")
		}
		if beats == 4 {
			stop()
		}
		return nil
	}}
	var e *End
	if err := s.Run(t.Context(), time.Millisecond, to); !errors.As(err, &e) || e.Reason != ServerStopping || outage.times != 3 {
		t.Errorf("ended with %v after %d checks", err, outage.times)
	}
}

// TestRunEnds: a stream ends with its credential, its client or its context.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	quiet := &stream{each: func(string) error { return nil }}
	var e *End
	f.news()
	if err := f.open(f.refusing(errRevoked)).Run(t.Context(), time.Millisecond, quiet); !errors.As(err, &e) || e.Reason != TokenRevoked {
		t.Errorf("a revoked token: %v", err)
	}
	gone := errors.New("gone")
	if err := f.open(f.accepting()).Run(t.Context(), time.Millisecond, &stream{each: func(string) error { return gone }}); !errors.Is(err, gone) {
		t.Errorf("a client that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.open(f.accepting()).Run(ctx, time.Hour, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// TestRunIsNeverIdle: a stream for which there is always an event ends when its credential expires
// (B2B-WS-030), the server stops or the client is gone.
func TestRunIsNeverIdle(t *testing.T) {
	t.Parallel()
	const most = 300 // events; the stream must end before the last
	expired := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED, "expired")
	for _, c := range []struct {
		name string
		want func(error) bool
		err  error // of a check of the credential
		stop bool  // the server stops
		gone bool  // the client is gone
	}{
		{name: "expired", err: expired, want: func(err error) bool { return endsFor(err, TokenExpired) }},
		{name: "stopping", stop: true, want: func(err error) bool { return endsFor(err, ServerStopping) }},
		{name: "gone", gone: true, want: func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			stopping, stop := context.WithCancel(t.Context())
			ctx, leave := context.WithCancel(t.Context())
			defer stop()
			defer leave()
			f.Stopping = stopping
			credential := f.accepting()
			if c.err != nil {
				credential = f.refusing(c.err)
			}
			s := f.open(credential)
			for range most {
				f.news()
			}
			f.read(s)
			heartbeat := time.Hour
			if c.err != nil {
				heartbeat = time.Millisecond
			}
			to := &stream{each: func(string) error { return nil }}
			to.event = func() {
				switch {
				case c.stop:
					stop()
				case c.gone:
					leave()
				}
				time.Sleep(time.Millisecond) // Sleeps: an event takes as long as the time between two checks.
			}
			if err := s.Run(ctx, heartbeat, to); !c.want(err) || to.events >= most {
				t.Errorf("ended with %v after %d events", err, to.events)
			}
		})
	}
}

// endsFor reports whether an error is an end for a reason.
func endsFor(err error, r Reason) bool {
	var e *End
	return errors.As(err, &e) && e.Reason == r
}

// TestRecheckOfCache: a caller from a cache that has not learned of a change of access neither ends
// the opening of a subscription, nor is it the answer to that change. The cache is dropped once.
func TestRecheckOfCache(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, forgotten := f.caller(), 0
	f.Forget = func(org string) {
		if forgotten++; org != "o" {
			t.Errorf("the callers of %q are dropped", org)
		}
	}
	cached := func(then *credential) *credential {
		forgotten = 0
		return &credential{recheck: func(ctx context.Context) (*call.Caller, error) {
			if forgotten == 0 {
				return old, nil
			}
			return then.recheck(ctx)
		}}
	}
	revoked := cached(f.refusing(errRevoked))
	s := f.open(revoked)
	f.credential("")
	f.news()
	f.read(s)
	if text, e := f.next(s); e == nil || e.Reason != TokenRevoked || revoked.times != 2 || forgotten != 1 {
		t.Errorf("ended with %q, %v after %d checks", text, e, revoked.times)
	}
	accepted := cached(f.accepting())
	s, err := f.Open(t.Context(), old, accepted, nil, eventlog.Filter{})
	if err != nil || accepted.times != 2 || forgotten != 1 {
		t.Fatalf("opening: %v after %d checks", err, accepted.times)
	}
	s.Close()
	forgotten = 0 // and nothing is dropped for a caller that is up to date
	current := f.accepting()
	s = f.open(current)
	f.credential("")
	f.news()
	f.read(s)
	if text, e := f.next(s); e != nil || current.times != 1 || forgotten != 0 {
		t.Errorf("ended with %q, %v after %d checks", text, e, current.times)
	}
}

// TestChecksCountForOrg: checks of a credential use the share of the org of its subscription, so
// that an org with many connections does not delay the callers of others (B2B-LIM-020).
func TestChecksCountForOrg(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var payers []string
	c := &credential{recheck: func(ctx context.Context) (*call.Caller, error) {
		payers = append(payers, call.PayerOf(ctx))
		return f.caller(), nil
	}}
	stale := f.caller()
	f.credential("")
	s, err := f.Open(t.Context(), stale, c, nil, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f.credential("")
	f.news()
	f.read(s)
	if text, e := f.next(s); e != nil {
		t.Fatalf("ended with %q, %v", text, e)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"o", "o", "o"}; !slices.Equal(payers, want) {
		t.Errorf("opening, a change and a check count for %q, want %q", payers, want)
	}
}
