package tracing

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID   = "00f067aa0ba902b7"
	sampled  = "00-" + traceID + "-" + spanID + "-01"
	ignored  = "00-" + traceID + "-" + spanID + "-00"
	oddFlags = "00-" + traceID + "-" + spanID + "-ab"
)

// TestCall: the context of a caller is linked, and neither its flag nor its trace is believed,
// unless the settings say so.
func TestCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings Settings
		from     tracecontext.Context
		recorded bool
		joined   bool
	}{
		{"no context", Settings{}, tracecontext.Context{}, true, false},
		{"linked", Settings{}, tracecontext.Parse(sampled, "a=1"), true, false},
		{"the flag of a caller does not stop recording", Settings{}, tracecontext.Parse(ignored, ""), true, false},
		{"the flag of a caller does not start recording", Settings{Sampler: "parentbased_always_off"}, tracecontext.Parse(sampled, ""), false, false},
		{"joined", Settings{Join: true}, tracecontext.Parse(sampled, "a=1"), true, true},
		{"joined, other flags", Settings{Join: true}, tracecontext.Parse(oddFlags, ""), true, true},
		{"joined, not recorded", Settings{Join: true}, tracecontext.Parse(ignored, ""), false, true},
		{"joined, recorded by the flag", Settings{Join: true, Sampler: "parentbased_always_off"}, tracecontext.Parse(sampled, ""), true, true},
		{"joined, sampler without parents", Settings{Join: true, Sampler: "always_off"}, tracecontext.Parse(sampled, ""), false, true},
		{"nothing to join", Settings{Join: true}, tracecontext.Context{}, true, false},
		{"never", Settings{Sampler: "traceidratio", Ratio: 0}, tracecontext.Context{}, false, false},
		{"by ratio", Settings{Sampler: "traceidratio", Ratio: 1}, tracecontext.Context{}, true, false},
	} {
		recorder := tracetest.NewSpanRecorder()
		tracer := NewTo(recorder, c.settings, "")
		began := time.Now().Add(-time.Second)
		ctx, span := tracer.Call(t.Context(), "op", began, c.from)
		if tracer.Records(ctx) {
			tracer.Part(ctx, "COMMIT", trace.SpanKindClient, began)
		}
		span.End()
		if got := span.IsRecording() || len(recorder.Ended()) > 0; got != c.recorded {
			t.Errorf("%s: recorded %v", c.name, got)
		}
		if joined := span.SpanContext().TraceID().String() == traceID; joined != c.joined {
			t.Errorf("%s: joined %v", c.name, joined)
		}
		if !c.recorded {
			if ContextOf(span) != (tracecontext.Context{}) {
				t.Errorf("%s: passes on %+v", c.name, ContextOf(span))
			}
			continue
		}
		part, root := recorder.Ended()[0], recorder.Ended()[1]
		if part.Parent().SpanID() != root.SpanContext().SpanID() || part.SpanContext().TraceID() != root.SpanContext().TraceID() {
			t.Errorf("%s: the part is not one of the call", c.name)
		}
		if root.SpanKind() != trace.SpanKindServer || !root.StartTime().Equal(began) {
			t.Errorf("%s: kind %v from %v", c.name, root.SpanKind(), root.StartTime())
		}
		links := root.Links()
		switch linked := c.from.Parent != "" && !c.joined; {
		case linked && (len(links) != 1 || links[0].SpanContext.TraceID().String() != traceID || links[0].SpanContext.SpanID().String() != spanID ||
			links[0].SpanContext.TraceState().String() != c.from.State || root.Parent().IsValid()):
			t.Errorf("%s: links %+v, parent %v", c.name, links, root.Parent())
		case !linked && len(links) != 0:
			t.Errorf("%s: links %+v", c.name, links)
		}
		if c.joined && root.Parent().SpanID().String() != spanID {
			t.Errorf("%s: parent %v", c.name, root.Parent())
		}
		if got := ContextOf(span); tracecontext.Parse(got.Parent, got.State) != got || spanContext(got).SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s: passes on %+v", c.name, got)
		}
	}
}

// TestOff: without an endpoint there is no tracer, and asking costs no allocation.
func TestOff(t *testing.T) {
	// Not parallel: it counts allocations.
	tracer := New(Settings{Service: "b2b"}, "1", slog.New(slog.DiscardHandler))
	if tracer != nil {
		t.Fatal("a tracer without an endpoint")
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if tracer.Records(ctx) {
			t.Error("records")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := tracer.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestLogger: lines about a recorded span have its ids; other lines do not.
func TestLogger(t *testing.T) {
	t.Parallel()
	var out logtest.Buffer
	log := Logger(slog.New(slog.NewTextHandler(&out, nil))).With("a", 1)
	log.Info("before")
	tracer := NewTo(tracetest.NewSpanRecorder(), Settings{}, "")
	ctx, span := tracer.Job(t.Context(), "job")
	log.InfoContext(ctx, "in it")
	log.InfoContext(context.Background(), "after")
	want := "trace_id=" + span.SpanContext().TraceID().String() + " span_id=" + span.SpanContext().SpanID().String()
	if text := out.String(); strings.Count(text, "trace_id") != 1 || !strings.Contains(text, `msg="in it" a=1 `+want) {
		t.Errorf("logged %s", text)
	}
}
