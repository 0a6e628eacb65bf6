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

// stream checks what comes in and bounds how long what comes and goes may take: a client
// that does not send, or does not read, must not hold its stream for ever. Heartbeats
// come more often than the time that one message has.
type stream struct {
	connect.StreamingHandlerConn
	deadlines
	pace   *call.Pace  // of what a client streams
	pushed call.Pushed // being sent
}

// push sends an event, whose encoding all readers share, or a heartbeat.
func (s *stream) push(p call.Pushed) error {
	if p.Event == nil {
		return s.Send(&b2bv1.SubscribeResponse{Cursor: &p.Cursor})
	}
	s.pushed = p
	return s.Send(&s.pushed)
}

// Receive reads a request. The end is io.EOF.
func (s *stream) Receive(msg any) error {
	if s.Spec().StreamType == connect.StreamTypeClient {
		_ = s.read(s.pace.Deadline())
	}
	if err := s.StreamingHandlerConn.Receive(msg); err != nil {
		return err
	}
	m, ok := msg.(proto.Message)
	if !ok {
		return fmt.Errorf("the request is a %T", msg)
	}
	s.pace.Add(proto.Size(m))
	return malformed(m)
}

// Send writes one message. A client that is gone is no fault of the server.
func (s *stream) Send(msg any) error {
	_ = s.write(time.Now().Add(call.Stall))
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

// deadlines set those of a connection. Where they cannot be set there is none.
type deadlines struct {
	read, write func(time.Time) error
}

// lift takes them off, for what comes next on the connection.
func (d deadlines) lift() {
	_ = d.read(time.Time{})
	_ = d.write(time.Time{})
}

type controlKey struct{}

// withControl carries what sets the deadlines to streams.
func withControl(ctx context.Context, c *http.ResponseController) context.Context {
	return context.WithValue(ctx, controlKey{}, deadlines{c.SetReadDeadline, c.SetWriteDeadline})
}

func deadlinesOf(ctx context.Context) deadlines {
	if d, ok := ctx.Value(controlKey{}).(deadlines); ok {
		return d
	}
	none := func(time.Time) error { return nil }
	return deadlines{none, none}
}
