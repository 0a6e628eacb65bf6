package call_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/tracing"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func sendOperation() *call.Operation {
	return &call.Operation{
		Procedure: "/b2b.v1.ChannelService/SendDirectMessage",
		Access:    &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}, Changes: true,
	}
}

// TestSpans: each call has one span, with its operation, caller and outcome, and nothing secret.
// The log line of the call has its ids.
func TestSpans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse int // the authentication that is refused
		err    error
		code   string
		status codes.Code
		panics bool
	}{
		"done":             {code: "OK"},
		"refused request":  {err: call.Invalid("to: secret"), code: "VALIDATION_ERROR"},
		"refused by Admit": {refuse: 1, code: "INVALID_TOKEN"},
		"failed":           {err: errors.New("secret"), code: "INTERNAL_ERROR", status: codes.Error},
		"panicked":         {panics: true, code: "INTERNAL_ERROR", status: codes.Error},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder, log := tracetest.NewSpanRecorder(), &logtest.Buffer{}
			p := call.NewPipeline(&turning{refuse: c.refuse}, tracing.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))), false)
			p.Trace(tracing.NewTo(recorder, tracing.Settings{}, ""))
			info := &call.Info{Operation: sendOperation(), Via: "ws", Caller: &call.Caller{}, Credentials: call.Credentials{Bearer: "secret"}}
			err := p.Admit(t.Context(), info)
			if err == nil {
				_, err = p.Do(t.Context(), info, nil, nil, func(ctx context.Context) (proto.Message, error) {
					if c.panics {
						panic("secret")
					}
					if cause := call.Cause(ctx); cause != tracing.ContextOf(trace.SpanFromContext(ctx)) || cause.Parent == "" {
						t.Errorf("the cause of events is %+v", cause)
					}
					return nil, c.err
				})
			}
			if (err != nil) != (c.code != "OK") {
				t.Fatal(err)
			}
			spans := recorder.Ended()
			if len(spans) != 1 {
				t.Fatalf("%d spans", len(spans))
			}
			s, attrs := spans[0], map[string]string{}
			for _, kv := range s.Attributes() {
				attrs[string(kv.Key)] = kv.Value.String()
			}
			want := map[string]string{
				"rpc.system.name": "b2b", "rpc.method": "b2b.v1.ChannelService/SendDirectMessage", "rpc.response.status_code": c.code,
				"b2b.binding": "ws", "b2b.caller.kind": "nobody",
			}
			if c.code != "OK" {
				want["error.type"] = c.code
			}
			if c.refuse == 0 {
				want["b2b.caller.kind"], want["b2b.org.id"], want["b2b.bot.id"] = "bot", "o", "b"
			}
			if fmt.Sprint(attrs) != fmt.Sprint(want) {
				t.Errorf("attributes %v, want %v", attrs, want)
			}
			if s.Name() != "b2b.v1.ChannelService/SendDirectMessage" || s.SpanKind() != trace.SpanKindServer || s.Status().Code != c.status || s.Status().Description != "" {
				t.Errorf("span %q, kind %v, status %+v", s.Name(), s.SpanKind(), s.Status())
			}
			if !strings.Contains(log.String(), "msg=call ") || strings.Count(log.String(), "trace_id="+s.SpanContext().TraceID().String()) == 0 {
				t.Errorf("logged %s", log)
			}
		})
	}
}

// TestCause: the context that the caller sent is that of the events, whether spans are recorded or
// not (B2B-MSG-060); without one it is the span of the call (B2B-MSG-062).
func TestCause(t *testing.T) {
	t.Parallel()
	sent := tracecontext.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1")
	for name, tracer := range map[string]*tracing.Tracer{"off": nil, "on": tracing.NewTo(tracetest.NewSpanRecorder(), tracing.Settings{}, "")} {
		for _, from := range []tracecontext.Context{{}, sent} {
			p := call.NewPipeline(&turning{}, slog.New(slog.DiscardHandler), false)
			p.Trace(tracer)
			info := &call.Info{Operation: sendOperation(), Caller: &call.Caller{}, Trace: from}
			var cause tracecontext.Context
			if _, err := p.Do(t.Context(), info, nil, nil, func(ctx context.Context) (proto.Message, error) {
				cause = call.Cause(ctx)
				return &b2bv1.LogoutResponse{}, nil
			}); err != nil {
				t.Fatal(err)
			}
			if sent := from.Parent != ""; sent && cause != from || !sent && (cause.Parent != "") != (tracer != nil) {
				t.Errorf("%s: %+v becomes %+v", name, from, cause)
			}
		}
	}
}

// TestTracesOffCostNothing: without a tracer a call allocates the context that carries its Info,
// and the three objects that this test and its authenticator make.
func TestTracesOffCostNothing(t *testing.T) {
	// Not parallel: it counts allocations.
	p := call.NewPipeline(&turning{}, slog.New(slog.DiscardHandler), false)
	op, next := sendOperation(), func(context.Context) (proto.Message, error) { return nil, nil }
	ctx := t.Context()
	allocations := testing.AllocsPerRun(200, func() {
		if _, err := p.Do(ctx, &call.Info{Operation: op, Caller: &call.Caller{}}, nil, nil, next); err != nil {
			t.Error(err)
		}
	})
	if allocations > 4 {
		t.Errorf("%v allocations", allocations)
	}
}
