package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
)

// Tracer makes spans. A nil Tracer makes none.
type Tracer struct {
	tracer trace.Tracer
	join   bool
	queue  *queue // nil: made by NewTo
}

// Run exports spans until ctx ends, and then those that are left, for at most two seconds. The
// error is nil.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil || t.queue == nil {
		return nil
	}
	return t.queue.run(ctx)
}

// Call starts the span of a call that began at a time, and that came with a context. Unless that
// is believed (Settings.Join), the span is the first of a new trace, with a link to it.
func (t *Tracer) Call(ctx context.Context, name string, began time.Time, from tracecontext.Context) (context.Context, trace.Span) {
	remote := spanContext(from)
	if t.join && remote.IsValid() {
		return t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, remote), name,
			trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(began))
	}
	return t.root(ctx, name, trace.SpanKindServer, began, remote)
}

// Client starts the span of a request to another server, in a trace of its own with a link to what
// caused it.
func (t *Tracer) Client(ctx context.Context, name string, began time.Time, cause tracecontext.Context) trace.Span {
	_, span := t.root(ctx, name, trace.SpanKindClient, began, spanContext(cause))
	return span
}

// Job starts the span of work that no caller asked for.
func (t *Tracer) Job(ctx context.Context, name string) (context.Context, trace.Span) {
	return t.root(ctx, name, trace.SpanKindInternal, time.Now(), trace.SpanContext{})
}

func (t *Tracer) root(ctx context.Context, name string, kind trace.SpanKind, began time.Time, cause trace.SpanContext) (context.Context, trace.Span) {
	options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(kind), trace.WithTimestamp(began)}
	if cause.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: cause}))
	}
	return t.tracer.Start(ctx, name, options...)
}

// Records reports whether ctx belongs to a span that is recorded, so that parts of it are worth
// measuring.
func (t *Tracer) Records(ctx context.Context) bool {
	return t != nil && trace.SpanFromContext(ctx).IsRecording()
}

// Part records a part of the span in ctx from its beginning and end.
func (t *Tracer) Part(ctx context.Context, name string, kind trace.SpanKind, began time.Time, attrs ...attribute.KeyValue) {
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(began), trace.WithAttributes(attrs...))
	span.End()
}

// ContextOf returns what programs that are called for a span receive as its context; the zero
// Context if the span is not recorded.
func ContextOf(span trace.Span) tracecontext.Context {
	sc := span.SpanContext()
	if !sc.IsSampled() {
		return tracecontext.Context{}
	}
	return tracecontext.Context{
		Parent: "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01",
		State:  sc.TraceState().String(),
	}
}

// spanContext returns a valid context as that of a remote span, and an invalid one for none.
func spanContext(c tracecontext.Context) trace.SpanContext {
	if c.Parent == "" {
		return trace.SpanContext{}
	}
	traceID, err := trace.TraceIDFromHex(c.Parent[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	spanID, err := trace.SpanIDFromHex(c.Parent[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	var flags trace.TraceFlags
	if last := c.Parent[len(c.Parent)-1]; last&1 == 1 && last <= '9' || last == 'b' || last == 'd' || last == 'f' {
		flags = trace.FlagsSampled
	}
	state, err := trace.ParseTraceState(c.State)
	if err != nil {
		state = trace.TraceState{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: flags, TraceState: state, Remote: true})
}
