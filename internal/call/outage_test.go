package call_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// unavailable is an outage; calls that fail in it can be repeated.
type unavailable struct{ kind string }

func (a unavailable) Error() string                 { return "unavailable: " + a.kind }
func (a unavailable) Outage() (string, string, int) { return a.kind, "Try again.", 7 }

// Many calls that fail in an outage are logged as one line for each kind, with their number. Every
// caller receives an error, and each internal error is logged (B2B-LIM-014).
func TestLogOfAnOutage(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := call.NewPipeline(&turning{}, slog.New(slog.NewTextHandler(&log, nil)), false)
	op := &call.Operation{Procedure: "p", Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}}
	fails := func(err error) *call.Error {
		_, failed := p.Do(t.Context(), &call.Info{Operation: op}, nil, nil, func(context.Context) (proto.Message, error) {
			return nil, fmt.Errorf("keep: %w", err)
		})
		e, _ := call.AsError(failed)
		return e
	}
	for range 500 {
		for _, kind := range []string{"full", "gone"} {
			if e := fails(unavailable{kind}); e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.RetryAfter != 7 || e.Message != kind {
				t.Fatalf("a caller receives %v", e)
			}
		}
	}
	for range 3 {
		fails(errors.New("an internal error"))
	}
	logged := func(when string, lines map[string]int) {
		t.Helper()
		for what, want := range lines {
			if n := strings.Count(log.String(), what); n != want {
				t.Errorf("%s, %q is %d times in the log, want %d: %.2000s", when, what, n, want, log.String())
			}
		}
	}
	logged("during the outage", map[string]int{"level=WARN": 2, "kind=full count=1 ": 1, "kind=gone count=1 ": 1, "level=ERROR": 3})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := p.Run(ended); err != nil {
		t.Error(err)
	}
	logged("at the end", map[string]int{"level=WARN": 4, "kind=full count=499 ": 1, "kind=gone count=499 ": 1, "level=ERROR": 3})
}
