package b2btest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// handlers are the calls that the fake server has. They run one at a time.
type handlers struct {
	org *org

	b2bv1connect.UnimplementedArtifactServiceHandler
	b2bv1connect.UnimplementedBotServiceHandler
	b2bv1connect.UnimplementedChannelServiceHandler
	b2bv1connect.UnimplementedEventServiceHandler
	b2bv1connect.UnimplementedThreadServiceHandler
	b2bv1connect.UnimplementedWebSocketServiceHandler
}

// executor is an interceptor that authenticates a call, executes it once for each request id, and
// wakes the listeners.
type executor struct{ *FakeServer }

// WrapUnary implements connect.Interceptor.
func (e executor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		bot, err := e.org.authenticate(req.Header())
		if err != nil {
			return nil, err
		}
		res, err := e.org.once(bot, req, func() (connect.AnyResponse, error) {
			return next(context.WithValue(ctx, callerKey{}, bot), req)
		})
		e.wake()
		if connect.CodeOf(err) == connect.CodeUnimplemented {
			return nil, unsupported(req.Spec().Procedure)
		}
		if err == nil && e.lost > 0 {
			e.lost--
			panic(http.ErrAbortHandler) // breaks the connection
		}
		return res, err
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (executor) WrapStreamingHandler(connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(_ context.Context, conn connect.StreamingHandlerConn) error {
		return unsupported(conn.Spec().Procedure)
	}
}

// WrapStreamingClient implements connect.Interceptor. A server never calls it.
func (executor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// unsupported returns the error of a call that the fake server does not have.
func unsupported(path string) error {
	return connect.NewError(connect.CodeUnimplemented, fmt.Errorf("the fake server has no %s: use b2btest.Start", path))
}

type callerKey struct{}

func caller(ctx context.Context) *b2bv1.Bot {
	bot, _ := ctx.Value(callerKey{}).(*b2bv1.Bot)
	return bot
}

// done is a call with a request id that succeeded.
type done struct {
	request  string
	response connect.AnyResponse
}

// once executes a call, or returns the response of the call with the same request id.
func (o *org) once(bot *b2bv1.Bot, req connect.AnyRequest, execute func() (connect.AnyResponse, error)) (connect.AnyResponse, error) {
	message, ok := req.Any().(proto.Message)
	if !ok {
		return nil, errors.New("the request is no message")
	}
	m := message.ProtoReflect()
	field := m.Descriptor().Fields().ByName("request_id")
	if field == nil || field.Kind() != protoreflect.StringKind || !m.Has(field) {
		return execute()
	}
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	key := bot.GetId() + " " + m.Get(field).String()
	if before, known := o.done[key]; known {
		if before.request != req.Spec().Procedure+string(request) {
			return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED, "the request_id was used for another request")
		}
		return before.response, nil
	}
	res, err := execute()
	if err == nil {
		o.done[key] = done{req.Spec().Procedure + string(request), res}
	}
	return res, err
}

func (o *org) authenticate(h http.Header) (*b2bv1.Bot, error) {
	bot := o.tokens[strings.TrimPrefix(h.Get("Authorization"), "Bearer ")]
	if bot == nil {
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "unknown token")
	}
	return bot, nil
}

func refuse(code b2bv1.ErrorCode, text string) error {
	return catalogue.Error(text, &b2bv1.ErrorDetail{Code: code})
}

func missing(what string) error {
	return refuse(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, what+" not found")
}

func invalid(text string) error {
	return refuse(b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, text)
}
