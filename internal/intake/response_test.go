package intake_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/intake"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func callOf(org string, reads bool) *call.Info {
	op := &call.Operation{Reads: reads, Changes: !reads, Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}}
	return &call.Info{Operation: op, Caller: &call.Caller{Kind: call.Bot, OrgID: org}}
}

// answerOf begins a response and takes n bytes for it.
func answerOf(t *testing.T, a *intake.Answers, info *call.Info, n int64) (held intake.Answer, code b2bv1.ErrorCode) {
	t.Helper()
	held, err := a.Begin(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	if err = held.Take(t.Context(), n); err == nil {
		return held, 0
	}
	var e *call.Error
	if !errors.As(err, &e) || e.RetryAfter < 1 || e.Hint == "" {
		t.Fatalf("refused with %v, want a code, retry_after and a hint", err)
	}
	return held, e.Code
}

// Unread large responses of an org block its own large responses; small ones, those of changes and
// those of other orgs are sent (B2B-LIM-035).
func TestAnswers(t *testing.T) {
	t.Parallel()
	a := intake.NewAnswers(sizes, nil)
	first, code := answerOf(t, a, callOf("a", true), 90<<10)
	if code != 0 {
		t.Fatalf("the first is refused: %v", code)
	}
	for _, c := range []struct {
		name string
		info *call.Info
		size int64
		want b2bv1.ErrorCode
	}{
		{"a second", callOf("a", true), 20 << 10, limited},
		{"a small one", callOf("a", true), 16 << 10, 0},
		{"one of a change", callOf("a", false), 20 << 10, 0},
		{"another org's", callOf("b", true), 90 << 10, 0},
	} {
		held, code := answerOf(t, a, c.info, c.size)
		if code != c.want {
			t.Errorf("%s: %v, want %v", c.name, code, c.want)
		}
		held.End()
		held.End() // a second time has no effect
	}
	first.End()
	again, code := answerOf(t, a, callOf("a", true), 1<<30)
	if code != 0 {
		t.Errorf("one that is larger than the share, alone: %v", code)
	}
	if _, code := answerOf(t, a, callOf("a", true), 20<<10); code != limited {
		t.Errorf("one beside it: %v", code)
	}
	again.End()
}

// Calls that read run one after the other until their responses are encoded (B2B-LIM-020).
func TestReadsInTurn(t *testing.T) {
	t.Parallel()
	a := intake.NewAnswers(sizes, concurrency.NewLimiter(concurrency.Config{Scheduler: concurrency.Scheduler{Processors: 1}}))
	first, err := a.Begin(t.Context(), callOf("a", true))
	if err != nil {
		t.Fatal(err)
	}
	begin := func(info *call.Info) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		held, err := a.Begin(ctx, info)
		held.End()
		return err
	}
	if err := begin(callOf("a", true)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more: %v, want it to wait", err)
	}
	for name, info := range map[string]*call.Info{"a change": callOf("a", false), "another org": callOf("b", true)} {
		if err := begin(info); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := first.Take(t.Context(), 100); err != nil {
		t.Error(err)
	}
	if err := begin(callOf("a", true)); err != nil {
		t.Errorf("after the first is encoded: %v", err)
	}
	first.End()
}

// A small response costs no allocation.
func BenchmarkAnswer(b *testing.B) {
	a := intake.NewAnswers(intake.Sizes{}, nil)
	for name, info := range map[string]*call.Info{"read": callOf("o", true), "change": callOf("o", false)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				held, err := a.Begin(b.Context(), info)
				if err != nil {
					b.Fatal(err)
				}
				if err := held.Take(b.Context(), 300); err != nil {
					b.Fatal(err)
				}
				held.End()
			}
		})
	}
}
