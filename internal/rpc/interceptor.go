package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/wire"
)

// interceptor passes calls through the pipeline. It is the outermost interceptor, so that the
// others run only for permitted callers.
type interceptor struct {
	pipeline   *call.Pipeline
	answers    *intake.Answers
	edge       call.Edge
	operations map[string]*call.Operation // by procedure
}

// gate authenticates and authorizes the caller before a byte of the request is read (B2B-HTTP-021).
// Over HTTP/1 it then reads a limited part of a refused request, so that the client gets the
// response.
func (i *interceptor) gate(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
	info, err := i.begin(ctx, spec.Procedure)
	if err != nil {
		return nil, err
	}
	if err := i.pipeline.Admit(ctx, info); err != nil {
		requestOf(ctx).drain(drainedMessage)
		return nil, ToConnect(err)
	}
	return nil, nil
}

// copies is how many copies of a response are in memory while it is written: connect keeps the
// message and its encoding.
const copies = 2

// WrapUnary handles one request and its response.
func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		info, err := i.begin(ctx, req.Spec().Procedure)
		if err != nil {
			return nil, err
		}
		msg, ok := req.Any().(proto.Message)
		if !ok {
			return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("the request is a %T", req.Any()))
		}
		requestOf(ctx).begun = true
		requestOf(ctx).body.reservation.Decoded()
		out := &requestOf(ctx).answer // until ServeHTTP returns
		if *out, err = i.answers.Begin(ctx, info); err != nil {
			i.pipeline.Refused(ctx, info, err)
			return nil, ToConnect(err)
		}
		if info.Operation.Waits {
			info.Pause = out.Pause
		}
		var answer connect.AnyResponse
		_, err = i.pipeline.Do(ctx, info, msg, malformed(msg), func(ctx context.Context) (proto.Message, error) {
			res, err := next(ctx, req)
			answer = res
			return nil, err
		})
		if err != nil {
			return nil, ToConnect(err)
		}
		if sent, ok := answer.Any().(proto.Message); ok {
			if err := out.Take(ctx, copies*int64(proto.Size(sent))); err != nil {
				return nil, ToConnect(err)
			}
		}
		if info.Cookie != nil {
			i.edge.WriteCookie(answer.Header(), info.Cookie)
		}
		return answer, nil
	}
}

// malformed returns what is invalid in a request that protobuf could decode.
func malformed(msg proto.Message) error {
	var fault *wire.FieldError
	if errors.As(wire.CheckTexts(msg), &fault) {
		return call.Invalid("%s", fault.Error())
	}
	return nil
}

// WrapStreamingHandler handles a stream. The caller is authorized first; the request is checked
// when it is read.
func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		info, err := i.begin(ctx, conn.Spec().Procedure)
		if err != nil {
			return err
		}
		q := requestOf(ctx)
		q.begun = true
		out := &stream{StreamingHandlerConn: conn, request: q, bounds: info.Operation.CheckBounds}
		info.Push = out.push
		_, err = i.pipeline.Do(ctx, info, nil, nil, func(ctx context.Context) (proto.Message, error) {
			err := asCall(next(ctx, out))
			if err != nil && conn.Spec().StreamType == connect.StreamTypeClient {
				q.drain(drained)
			}
			return nil, err
		})
		if err != nil {
			return ToConnect(err)
		}
		return nil
	}
}

// WrapStreamingClient does nothing: the server makes no calls.
func (i *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// begin returns the call with its operation.
func (i *interceptor) begin(ctx context.Context, procedure string) (*call.Info, error) {
	q := requestOf(ctx)
	if q == nil {
		return nil, connect.NewError(connect.CodeInternal, fmt.Errorf("%s was not called through the handler", procedure))
	}
	if q.info.Operation = i.operations[procedure]; q.info.Operation == nil {
		return nil, connect.NewError(connect.CodeUnimplemented, fmt.Errorf("%s is not an operation", procedure))
	}
	return q.info, nil
}
