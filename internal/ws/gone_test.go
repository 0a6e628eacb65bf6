package ws

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
)

// failing is a directory that fails, and during whose reads something can happen.
type failing struct{ meanwhile func() }

func (f failing) Org(context.Context, string) (*store.Org, error) {
	f.meanwhile()
	return nil, errors.New("no answer")
}

func (f failing) Bot(context.Context, string, string) (*store.Bot, error) {
	return nil, errors.ErrUnsupported
}

// A client that leaves while the reason for the end of its connection is read causes no error in
// the log; a directory that fails does.
func TestGoneWhileEnding(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		var log logtest.Buffer
		c := &client{}
		c.ctx, c.cancel = context.WithCancel(t.Context())
		c.closing.Do(func() {}) // there is no socket that could be closed
		c.server = &Server{Config: Config{Log: slog.New(slog.NewTextHandler(&log, nil)), Store: failing{func() {
			if gone {
				c.cancel()
			}
		}}}}
		c.endFor(subscription.For(subscription.AccessLost))
		c.cancel()
		if logged := strings.Contains(log.String(), "subscription of a connection failed"); logged == gone {
			t.Errorf("client gone %v: logged %q", gone, log.String())
		}
	}
}
