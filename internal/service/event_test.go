package service

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// newStreamFixture returns a fixture with a hub, and streams that send a heartbeat every 20 ms.
func newStreamFixture(t *testing.T, c eventlog.Config) (w *orgFixture, stop context.CancelFunc) {
	w = newOrgFixture(t)
	c.Store = w.store
	hub := eventlog.New(c)
	t.Cleanup(hub.Close)
	streams, stop := context.WithCancel(t.Context())
	deps := w.deps()
	deps.Events, deps.Streams, deps.Heartbeat = hub, streams, 20*time.Millisecond
	w.Services = New(deps)
	return w, stop
}

// TestHeartbeats: heartbeats carry the position of the log. They are sent without events, also with
// a filter that no event passes.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	w, stop := newStreamFixture(t, eventlog.Config{})
	ann := w.bot("ann")
	var cursors []string
	err := w.EventService.Subscribe(ann, &b2bv1.SubscribeRequest{Types: []string{"message"}}, func(res *b2bv1.SubscribeResponse) error {
		if res.Event != nil {
			t.Errorf("the stream delivered %v", res.Event)
		}
		cursors = append(cursors, res.GetCursor())
		switch len(cursors) {
		case 2:
			if _, err := w.ThreadService.CreateThread(ann, &b2bv1.CreateThreadRequest{Topic: new("x")}); err != nil {
				t.Error(err)
			}
		case 5:
			stop()
		}
		return nil
	})
	if !errors.Is(err, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "")) {
		t.Errorf("ended with %v", err)
	}
	if len(cursors) != 5 || cursors[0] == "" || cursors[0] != cursors[1] || cursors[4] == cursors[1] {
		t.Errorf("heartbeats at %v", cursors)
	}
}

// TestSlowReader: a reader that does not read gets a position to resume from, and misses no event
// there.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newStreamFixture(t, eventlog.Config{Queue: 4, Grace: time.Millisecond})
		ann := w.bot("ann")
		const events = 25 // more than the queue holds, fewer than a bot may create
		got := map[string]bool{}
		last, slow := "", 0
		take := func(res *b2bv1.SubscribeResponse) error {
			if id := res.GetEvent().GetThreadCreated().GetThread().GetId(); id != "" {
				if got[id] {
					t.Errorf("%s was delivered twice", id)
				}
				got[id] = true
			}
			last = res.GetCursor()
			return nil
		}
		err := w.EventService.Subscribe(ann, &b2bv1.SubscribeRequest{}, func(res *b2bv1.SubscribeResponse) error {
			if slow++; slow == 1 {
				for range events {
					time.Sleep(2 * time.Millisecond) // longer than Grace
					if _, err := w.ThreadService.CreateThread(ann, &b2bv1.CreateThreadRequest{Topic: new("x")}); err != nil {
						t.Fatal(err)
					}
				}
			}
			return take(res)
		})
		e, ok := call.AsError(err)
		resume, _ := e.Extras["cursor"].(string)
		if !ok || e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || resume != last || len(got) == events {
			t.Fatalf("ended with %v %v after %d events at %q", err, e.Extras, len(got), last)
		}
		ctx, cancel := context.WithTimeout(ann, 10*time.Second)
		defer cancel()
		err = w.EventService.Subscribe(ctx, &b2bv1.SubscribeRequest{Cursor: &resume}, func(res *b2bv1.SubscribeResponse) error {
			if len(got) == events {
				cancel()
			}
			return take(res)
		})
		if !errors.Is(err, context.Canceled) || len(got) != events {
			t.Errorf("resumed up to %d events: %v", len(got), err)
		}
	})
}

func TestSubscribeRefuses(t *testing.T) {
	t.Parallel()
	w, _ := newStreamFixture(t, eventlog.Config{})
	ann := w.bot("ann")
	nonsense := "x"
	for name, req := range map[string]*b2bv1.SubscribeRequest{
		"cursor": {Cursor: &nonsense}, "types": {Types: []string{"access_changed"}},
	} {
		err := w.EventService.Subscribe(ann, req, func(*b2bv1.SubscribeResponse) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "VALIDATION_ERROR: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.EventService.ListCatchupEvents(ann, &b2bv1.ListCatchupEventsRequest{}); err == nil {
		t.Error("a catch-up needs since")
	}
	if _, err := w.EventService.CountCatchupEvents(ann, &b2bv1.CountCatchupEventsRequest{}); err == nil {
		t.Error("a count needs since")
	}
}
