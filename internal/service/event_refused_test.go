package service

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// credential authenticates one caller, until it is refused.
type credential struct {
	caller  *call.Caller
	mu      sync.Mutex
	refusal error
}

func (c *credential) Authenticate(context.Context, call.Credentials) (*call.Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller, c.refusal
}

func (c *credential) Session(context.Context, string) (*call.Session, error) { return nil, nil }

func (c *credential) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = err
}

// subscribeAs streams events to a caller whose credential ends at the first heartbeat: change
// commits what ends it, and the credential is refused from then on. It returns the number of
// events delivered and the error that ends the stream.
func subscribeAs(t *testing.T, w *orgFixture, caller *call.Caller, refusal error, change func()) (events int, err error) {
	hub := eventlog.New(eventlog.Config{Store: sqltest.Unnoticed{Store: w.store}})
	t.Cleanup(hub.Close)
	deps := w.deps()
	deps.Events, deps.Streams, deps.Heartbeat = hub, t.Context(), 20*time.Millisecond
	services := New(deps)
	c := &credential{caller: caller}
	var subscribe *call.Operation
	for _, op := range services.Operations() {
		if op.Procedure == "/b2b.v1.EventService/Subscribe" {
			subscribe = op
		}
	}
	info := &call.Info{Operation: subscribe, Via: "rest"}
	_, err = call.NewPipeline(c, deps.Log, false).Do(t.Context(), info, nil, nil, func(ctx context.Context) (proto.Message, error) {
		began := false
		return nil, services.EventService.Subscribe(ctx, &b2bv1.SubscribeRequest{}, func(res *b2bv1.SubscribeResponse) error {
			if res.Event != nil {
				events++
			}
			if !began {
				began = true
				change()
				c.refuse(refusal)
			}
			return nil
		})
	})
	return events, err
}

// B2B-EVT-037: a check of a credential that comes before the event of the log ends a stream after
// the events that led to this, with the reason of the log.
func TestStreamCheckBeforeLog(t *testing.T) {
	t.Parallel()
	revoked := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "revoked")
	for _, c := range []struct {
		name   string
		ended  bool
		events int // delivered, of those before and after the change of access
		want   b2bv1.ErrorCode
	}{
		{"deleted", true, 1, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN},
		{"revoked", false, 1, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newOrgFixture(t)
			ann := w.bot("ann")
			events, err := subscribeAs(t, w, call.CallerOf(ann), revoked, func() {
				changed := &b2bv1.AccessChangedEvent{BotId: new("id-ann"), Ended: &c.ended}
				w.emits(news(), audienced{&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: changed}}, store.AudienceInternal}, news())
			})
			if e, _ := call.AsError(err); e.Code != c.want || events != c.events {
				t.Errorf("ended with %v after %d events, want %v after %d", err, events, c.want, c.events)
			}
		})
	}
}

// B2B-EVT-037: the log has no record of a credential that expires, so its stream ends at once.
func TestStreamOfExpired(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	caller := *call.CallerOf(w.bot("ann"))
	caller.Session = &call.Session{ExpiresAt: time.Now().UnixMilli()}
	expired := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "expired")
	events, err := subscribeAs(t, w, &caller, expired, func() { w.emits(news()) })
	if !errors.Is(err, expired) || events != 0 {
		t.Errorf("ended with %v after %d events", err, events)
	}
}

// emits commits events with their audiences.
func (w *orgFixture) emits(events ...audienced) {
	w.t.Helper()
	c := &core{Deps: w.deps()}
	err := c.Store.Update(w.t.Context(), w.org, func(tx Tx) error {
		for _, e := range events {
			if err := c.emit(w.t.Context(), tx, store.Event{Audience: e.to}, e.Event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

type audienced struct {
	*b2bv1.Event
	to store.Audience
}

// news is an event that every bot of the org may see.
func news() audienced {
	return audienced{&b2bv1.Event{Event: &b2bv1.Event_BotStatusChanged{BotStatusChanged: &b2bv1.BotStatusChangedEvent{}}}, store.AudienceOrg}
}
