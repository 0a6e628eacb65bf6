package call_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A call is authenticated once, before its body is read. It is authenticated again only when
// reading the body takes long, or when the change returns ErrStale (B2B-HTTP-021).
func TestAdmit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   time.Duration // the time to read it
		stale  int           // how often the change returns ErrStale
		refuse int           // which authentication is refused; 0: none
		asked  int
		runs   int
	}{
		"at once":          {0, 0, 0, 1, 1},
		"within a second":  {900 * time.Millisecond, 0, 0, 1, 1},
		"slowly":           {2 * time.Second, 0, 0, 2, 1},
		"slowly, refused":  {2 * time.Second, 0, 2, 2, 0},
		"stale":            {0, 1, 0, 2, 2},
		"refused by Admit": {0, 0, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				auth := &turning{refuse: c.refuse}
				p := call.NewPipeline(auth, slog.New(slog.DiscardHandler), false)
				info := &call.Info{Operation: &call.Operation{
					Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}, Changes: true,
				}}
				runs := 0
				err := p.Admit(t.Context(), info)
				if err == nil {
					time.Sleep(c.body)
					_, err = p.Do(t.Context(), info, nil, nil, func(context.Context) (proto.Message, error) {
						if runs++; runs <= c.stale {
							return nil, call.ErrStale
						}
						return &b2bv1.LogoutResponse{}, nil
					})
				}
				if (err != nil) != (c.refuse > 0) || auth.asked != c.asked || runs != c.runs {
					t.Errorf("authenticated %d times, run %d times, %v; want %d, %d", auth.asked, runs, err, c.asked, c.runs)
				}
			})
		})
	}
}

// A call without an org uses the share of its address; of IPv6, of its /64 prefix.
func TestPayer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caller   call.Caller
		address  string
		share    string
		stranger bool
	}{
		{call.Caller{Kind: call.Bot, OrgID: "o"}, "192.0.2.1", "o", false},
		{call.Caller{Kind: call.SuperAdmin}, "192.0.2.1", "operator", false},
		{call.Caller{}, "192.0.2.1", "address 192.0.2.1", true},
		{call.Caller{}, "2001:db8:1:2:3::4", "address 2001:db8:1:2::/64", true},
		{call.Caller{}, "::ffff:192.0.2.1", "address ::ffff:192.0.2.1", true},
		{call.Caller{}, "somewhere", "address somewhere", true},
	} {
		share, stranger := (&call.Info{Caller: &c.caller, RemoteIP: c.address}).Payer()
		if share != c.share || stranger != c.stranger {
			t.Errorf("%+v: %q, %v", c, share, stranger)
		}
	}
}
