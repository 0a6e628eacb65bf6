package retention_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/tracing"
)

// TestSpans: each run of a job has one span, with the status error if it failed, whatever number of
// steps it takes.
func TestSpans(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		recorder := tracetest.NewSpanRecorder()
		tracer := tracing.NewTo(recorder, tracing.Settings{}, "")
		for _, c := range []struct {
			fails error
			want  codes.Code
		}{{nil, codes.Unset}, {errors.New("no"), codes.Error}} {
			f.advance(7 * time.Hour) // the period of the job, and more
			r := f.runner("node that begins after " + f.now().String())
			r.Tracer = tracer
			r.Orgs = orgsFunc(func(context.Context, string, retention.Step) error { return c.fails })
			if _, err := r.Do(f.ctx, "lifecycle"); (err != nil) != (c.fails != nil) {
				f.Fatal(err)
			}
		}
		spans := recorder.Ended()
		if len(spans) != 2 {
			f.Fatalf("%d spans of 2 runs", len(spans))
		}
		for i, want := range []codes.Code{codes.Unset, codes.Error} {
			if s := spans[i]; s.Name() != "retention lifecycle" || s.Status().Code != want {
				f.Errorf("run %d has the span %q with the status %v", i, s.Name(), s.Status())
			}
		}
	})
}
