package call

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/tracing"
)

// Trace makes the pipeline record a span for each call. It must be called before the first call.
func (p *Pipeline) Trace(t *tracing.Tracer) { p.tracer = t }

// beginSpan starts the span of a call.
func (p *Pipeline) beginSpan(ctx context.Context, info *Info, began time.Time) (context.Context, trace.Span) {
	return p.tracer.Call(ctx, info.Operation.Procedure[1:], began, info.Trace)
}

// endSpan ends the span of a call with its caller and its outcome.
func endSpan(span trace.Span, info *Info, err error) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	code := "OK"
	attrs := make([]attribute.KeyValue, 0, 9)
	if err != nil {
		e, _ := AsError(err)
		code = CodeText(e.Code)
		attrs = append(attrs, attribute.String("error.type", code))
		if e.Code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.Code == b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR {
			span.SetStatus(codes.Error, "") // a fault of the server, not of the request
		}
	}
	c := info.Caller
	attrs = append(attrs,
		attribute.String("rpc.system.name", "b2b"),
		attribute.String("rpc.method", info.Operation.Procedure[1:]),
		attribute.String("rpc.response.status_code", code),
		attribute.String("b2b.binding", info.Via),
		attribute.String("b2b.caller.kind", c.Kind.String()))
	if c.OrgID != "" {
		attrs = append(attrs, attribute.String("b2b.org.id", c.OrgID))
	}
	if c.BotID != "" {
		attrs = append(attrs, attribute.String("b2b.bot.id", c.BotID))
	}
	span.SetAttributes(attrs...)
}

// Cause returns the position in a trace that events of the call in ctx have as their cause: the
// one that the caller sent, or else the span of the call (B2B-MSG-060).
func Cause(ctx context.Context) tracecontext.Context {
	info := From(ctx)
	if info.Trace.Parent != "" || info.pipeline == nil || info.pipeline.tracer == nil {
		return info.Trace
	}
	return tracing.ContextOf(trace.SpanFromContext(ctx))
}
