package call_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// meter notes what it receives.
type meter struct{ notes []string }

func (m *meter) note(what string, code b2bv1.ErrorCode, took time.Duration) {
	m.notes = append(m.notes, fmt.Sprint(what, " ", call.CodeText(code), " ", took))
}

func (m *meter) Begin(*call.Info) { m.notes = append(m.notes, "begin") }
func (m *meter) End(_ *call.Info, code b2bv1.ErrorCode, took time.Duration, gone bool) {
	what := "end"
	if gone {
		what = "gone"
	}
	m.note(what, code, took)
}
func (m *meter) Refused(_ *call.Info, code b2bv1.ErrorCode) { m.note("refused", code, 0) }

// The meter receives each call once, with the time that the server needed for it.
func TestMeter(t *testing.T) {
	t.Parallel()
	const body, wait, service = 500 * time.Millisecond, 20 * time.Millisecond, 3 * time.Millisecond
	for name, c := range map[string]struct {
		refuse int   // which authentication is refused; 0: none
		busy   error // of the binding, before Do
		fails  error // of the service
		panics bool
		leaves bool // the client, while the service runs
		want   []string
	}{
		"succeeds":             {want: []string{"begin", "end UNSPECIFIED 23ms"}},
		"fails":                {fails: call.NotFound("Thread"), want: []string{"begin", "end NOT_FOUND 23ms"}},
		"fails internally":     {fails: errors.New("disk"), want: []string{"begin", "end INTERNAL_ERROR 23ms"}},
		"client leaves":        {leaves: true, fails: errors.New("stopped"), want: []string{"begin", "gone UNAVAILABLE 23ms"}},
		"panics":               {panics: true, want: []string{"begin", "end INTERNAL_ERROR 23ms"}},
		"refused by Admit":     {refuse: 1, want: []string{"refused INVALID_TOKEN 0s"}},
		"refused by a binding": {busy: call.Invalid("body"), want: []string{"refused VALIDATION_ERROR 0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := call.NewPipeline(&turning{refuse: c.refuse}, slog.New(slog.DiscardHandler), false), &meter{}
				p.Measure(m)
				info := &call.Info{Caller: &call.Caller{}, Operation: &call.Operation{
					Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}},
				}}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				err := p.Admit(ctx, info)
				time.Sleep(body) // Sleeps: in the bubble.
				switch {
				case err != nil:
				case c.busy != nil:
					p.Refused(t.Context(), info, c.busy)
				default:
					info.Ready()
					time.Sleep(wait) // Sleeps: in the bubble.
					_, _ = p.Do(ctx, info, nil, nil, func(context.Context) (proto.Message, error) {
						time.Sleep(service) // Sleeps: in the bubble.
						if c.leaves {
							leave()
						}
						if c.panics {
							panic("oops")
						}
						return &b2bv1.LogoutResponse{}, c.fails
					})
				}
				if !slices.Equal(m.notes, c.want) {
					t.Errorf("the meter received %q, want %q", m.notes, c.want)
				}
			})
		})
	}
}
