package call_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// turning is an authenticator that returns a caller with another auth version at each call.
type turning struct {
	asked  int // calls of Authenticate
	refuse int // the call that it refuses, from 1; 0: none
}

func (a *turning) Authenticate(context.Context, call.Credentials) (*call.Caller, error) {
	if a.asked++; a.asked == a.refuse {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "gone")
	}
	return &call.Caller{Kind: call.Bot, OrgID: "o", BotID: "b", TokenHash: "t", AuthVersion: call.AuthVersion{Access: int64(a.asked)}}, nil
}

func (a *turning) Session(context.Context, string) (*call.Session, error) { return nil, nil }

// A call that reads a stream runs once. The change at its end is repeated while access changes,
// with the current caller (B2B-FILE-011).
func TestConclude(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stale, refuse int // how often the change finds its caller stale; which authentication is refused
		changes       int
		code          b2bv1.ErrorCode
	}{
		"at once":        {0, 0, 1, 0},
		"stale twice":    {2, 0, 3, 0},
		"stale always":   {100, 0, 8, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE},
		"refused":        {0, 2, 0, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN},
		"stale, refused": {5, 3, 1, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN},
	} {
		t.Run(name, func(t *testing.T) {
			auth := &turning{refuse: c.refuse}
			p := call.NewPipeline(auth, slog.New(slog.DiscardHandler), false)
			op := &call.Operation{Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}, Changes: true}
			bodies, changes := 0, 0
			info := &call.Info{Operation: op}
			_, err := p.Do(t.Context(), info, nil, nil, func(ctx context.Context) (proto.Message, error) {
				bodies++
				return &b2bv1.LogoutResponse{}, call.From(ctx).Conclude(ctx, func() error {
					changes++
					if now := call.CallerOf(ctx).AuthVersion.Access; now != int64(changes)+1 {
						t.Errorf("change %d is made by the caller of authentication %d", changes, now)
					}
					if changes <= c.stale {
						return call.ErrStale
					}
					return nil
				})
			})
			if bodies != 1 || changes != c.changes {
				t.Errorf("the call ran %d times, its change %d times, want 1 and %d", bodies, changes, c.changes)
			}
			var refused *call.Error
			switch {
			case c.code == 0 && err != nil:
				t.Error(err)
			case c.code != 0 && (!errors.As(err, &refused) || refused.Code != c.code):
				t.Errorf("ended with %v, want %v", err, c.code)
			}
		})
	}
}
