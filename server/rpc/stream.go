package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
)

// patience is how long one message of a stream may be under way; more than between
// heartbeats, each of which moves the deadline on.
const patience = 30 * time.Second

// stream checks what comes in and bounds how long what goes out may take: a client
// that does not read must not hold its stream for ever.
type stream struct {
	connect.StreamingHandlerConn
	deadline func(time.Time) error
	pushed   call.Pushed // being sent
}

// push sends an event, whose encoding all readers share, or a heartbeat.
func (s *stream) push(p call.Pushed) error {
	if p.Event == nil {
		return s.Send(&b2bv1.SubscribeResponse{Cursor: &p.Cursor})
	}
	s.pushed = p
	return s.Send(&s.pushed)
}

// Receive reads the request. Its end is io.EOF.
func (s *stream) Receive(msg any) error {
	if err := s.StreamingHandlerConn.Receive(msg); err != nil {
		return err
	}
	m, ok := msg.(proto.Message)
	if !ok {
		return fmt.Errorf("the request is a %T", msg)
	}
	return malformed(m)
}

// Send writes one message. A client that is gone is no fault of the server.
func (s *stream) Send(msg any) error {
	// Where no deadline can be set there is no connection.
	_ = s.deadline(time.Now().Add(patience))
	if err := s.StreamingHandlerConn.Send(msg); err != nil {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The stream was not read")
	}
	return nil
}

// asCall says in our words what connect finds wrong with a request.
func asCall(err error) error {
	var wrong *connect.Error
	if !errors.As(err, &wrong) {
		return err
	}
	switch wrong.Code() {
	case connect.CodeResourceExhausted:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The request is larger than %d bytes", MaxMessage)
	case connect.CodeCanceled, connect.CodeDeadlineExceeded, connect.CodeUnavailable:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The call was given up")
	}
	return call.Invalid("%s", wrong.Message())
}

type deadlineKey struct{}

// withDeadline carries what sets the deadline of writing to streams.
func withDeadline(ctx context.Context, c *http.ResponseController) context.Context {
	return context.WithValue(ctx, deadlineKey{}, c.SetWriteDeadline)
}

func deadlineOf(ctx context.Context) func(time.Time) error {
	if set, ok := ctx.Value(deadlineKey{}).(func(time.Time) error); ok {
		return set
	}
	return func(time.Time) error { return nil }
}
