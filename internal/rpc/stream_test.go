package rpc

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// fakeStream is a stream of one procedure without messages.
type fakeStream struct {
	connect.StreamingHandlerConn
	procedure string
}

func (s fakeStream) Spec() connect.Spec { return connect.Spec{Procedure: s.procedure} }

// of returns the context of a call that came through the handler.
func of(t *testing.T, info *call.Info) context.Context {
	return context.WithValue(t.Context(), requestKey{}, &request{info: info})
}

// TestStreams passes streams through the pipeline without a server.
func TestStreams(t *testing.T) {
	t.Parallel()
	auth := &oneCaller{}
	operations := call.Services{}.Operations()
	i := &interceptor{
		pipeline:   call.NewPipeline(auth, slog.New(slog.DiscardHandler), false),
		operations: map[string]*call.Operation{operations[0].Procedure: operations[0]},
	}
	open := i.WrapStreamingHandler(func(ctx context.Context, _ connect.StreamingHandlerConn) error {
		if call.CallerOf(ctx).BotID != "b" {
			t.Error("the stream does not know its caller")
		}
		return call.NotFound("thread")
	})
	known := fakeStream{procedure: operations[0].Procedure} // AddArtifact: a bot with scope thread
	for _, c := range []struct {
		name   string
		ctx    context.Context
		caller *call.Caller
		conn   fakeStream
		want   connect.Code
		code   b2bv1.ErrorCode
	}{
		{"nobody", of(t, &call.Info{Caller: &call.Caller{}}), nil, known, connect.CodeUnauthenticated, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED},
		{"scope", of(t, &call.Info{Caller: &call.Caller{}}), &call.Caller{Kind: call.Bot, BotID: "b", Scopes: call.ScopeRead}, known, connect.CodePermissionDenied, b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE},
		{"allowed", of(t, &call.Info{Caller: &call.Caller{}}), &call.Caller{Kind: call.Bot, BotID: "b", Scopes: call.ScopeThread}, known, connect.CodeNotFound, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND},
		{"not an operation", of(t, &call.Info{}), nil, fakeStream{procedure: b2bv1connect.BotServiceGetMeProcedure}, connect.CodeUnimplemented, 0},
		{"past the handler", t.Context(), nil, known, connect.CodeInternal, 0},
	} {
		auth.caller = c.caller
		err := open(c.ctx, c.conn)
		var failed *connect.Error
		if !errors.As(err, &failed) || failed.Code() != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
			continue
		}
		if c.code == 0 {
			continue
		}
		m, err := failed.Details()[0].Value()
		if d, ok := m.(*b2bv1.ErrorDetail); err != nil || !ok || d.GetCode() != c.code {
			t.Errorf("%s: detail %v, %v", c.name, m, err)
		}
	}
}
