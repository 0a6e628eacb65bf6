package eventlog_test

import (
	"errors"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// version returns the auth version of a caller that is authenticated now.
func (fx *fixture) version() call.AuthVersion {
	fx.Helper()
	top, err := fx.store.LogTop(fx.Context(), fx.org)
	if err != nil {
		fx.Fatal(err)
	}
	return call.AuthVersion{Epoch: top.Epoch, Access: top.Access}
}

// TestStaleViewer: Subscribe refuses a viewer from before a change of access, whether the tail has
// handled the change or only the store has it, and admits one from after it. So a subscription
// misses no change between the authentication and its begin (B2B-WS-005).
func TestStaleViewer(t *testing.T) {
	t.Parallel()
	for name, notified := range map[string]bool{"in the tail": true, "in the store": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fx := newFixture(t)
			c := eventlog.Config{Store: fx.store}
			if !notified {
				c.Store = sqltest.Unnoticed{Store: fx.store}
			}
			h := fx.hub(c)
			bots := fx.bots(2)
			for _, v := range []eventlog.Viewer{fx.bot(bots[0]), fx.human()} {
				keeps := fx.subscribe(h, fx.human(), nil) // the tail runs on
				v.AuthVersion = fx.version()
				fx.subscribe(h, v, nil)
				fx.news()
				fx.subscribe(h, v, nil) // that was no change of access
				fx.emit(store.Event{Audience: store.AudienceInternal}, accessChanged(bots[1]))
				if notified {
					fx.handled(h)
				}
				if _, err := h.Subscribe(t.Context(), v, nil, eventlog.Filter{}); !errors.Is(err, call.ErrStale) {
					t.Errorf("a viewer from before the change: %v", err)
				}
				v.AuthVersion = fx.version()
				s := fx.subscribe(h, v, nil)
				fx.emit(store.Event{Audience: store.AudienceInternal}, accessChanged(v.BotID))
				s.Last("end") // so that the tail reads the log
				for it := fx.next(s); !it.Recheck; it = fx.next(s) {
					if it.Local != nil {
						t.Fatal("a change after Subscribe is not reported")
					}
				}
				v.AuthVersion = fx.version()
				v.AuthVersion.Epoch += "x"
				if _, err := h.Subscribe(t.Context(), v, nil, eventlog.Filter{}); !errors.Is(err, call.ErrStale) {
					t.Errorf("a viewer from another log: %v", err)
				}
				keeps.Close()
			}
		})
	}
}

// TestStaleViewerLeavesNothing: a refused subscription does not count against the limit of its bot.
func TestStaleViewerLeavesNothing(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	h := fx.hub(eventlog.Config{Streams: 1})
	v := fx.bot(fx.bots(1)[0])
	v.AuthVersion = fx.version()
	fx.emit(store.Event{Audience: store.AudienceInternal}, accessChanged(v.BotID))
	for range 3 {
		if _, err := h.Subscribe(t.Context(), v, nil, eventlog.Filter{}); !errors.Is(err, call.ErrStale) {
			t.Fatal(err)
		}
	}
	v.AuthVersion = fx.version()
	fx.subscribe(h, v, nil)
}
