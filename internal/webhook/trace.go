package webhook

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/tracing"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// attemptSpan is the span of one attempt; the zero attemptSpan is none.
type attemptSpan struct{ span trace.Span }

// beginSpan starts the span of an attempt to deliver an event.
func (r *reader) beginSpan(ctx context.Context, it *eventlog.Item) attemptSpan {
	if r.d.Tracer == nil {
		return attemptSpan{}
	}
	return r.d.beginSpan(ctx, cause(it.Event))
}

// beginSpan starts the span of an attempt, with what caused the event that is delivered.
func (d *Dispatcher) beginSpan(ctx context.Context, cause tracecontext.Context) attemptSpan {
	if d.Tracer == nil {
		return attemptSpan{}
	}
	return attemptSpan{d.Tracer.Client(ctx, "POST webhook", time.Now(), cause)}
}

// cause returns the position in a trace that caused an event (B2B-MSG-060).
func cause(e *b2bv1.Event) tracecontext.Context {
	var of interface {
		GetTraceparent() string
		GetTracestate() string
	}
	switch e := e.GetEvent().(type) {
	case *b2bv1.Event_Message:
		of = e.Message.GetMessage()
	case *b2bv1.Event_ThreadMessage:
		of = e.ThreadMessage.GetMessage()
	case *b2bv1.Event_ThreadArtifact:
		of = e.ThreadArtifact.GetArtifact()
	default:
		return tracecontext.Context{}
	}
	return tracecontext.Parse(of.GetTraceparent(), of.GetTracestate())
}

// context returns what the receiver gets as the position of the span.
func (s attemptSpan) context() tracecontext.Context {
	if s.span == nil {
		return tracecontext.Context{}
	}
	return tracing.ContextOf(s.span)
}

// end ends the span with the result of the attempt. The URL of the webhook, which is a secret, is
// left out.
func (s attemptSpan) end(ref store.HookRef, id string, res result) {
	if s.span == nil {
		return
	}
	defer s.span.End()
	if !s.span.IsRecording() {
		return
	}
	s.span.SetAttributes(
		attribute.String("http.request.method", "POST"),
		attribute.String("b2b.org.id", ref.OrgID),
		attribute.String("b2b.bot.id", ref.BotID),
		attribute.String("b2b.webhook.delivery", id))
	if res.status != 0 {
		s.span.SetAttributes(attribute.Int("http.response.status_code", res.status))
	}
	if res.reason != "" {
		s.span.SetStatus(codes.Error, res.reason)
	}
}
