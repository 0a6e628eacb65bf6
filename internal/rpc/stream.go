package rpc

import (
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// stream checks the messages that it receives. Package edge limits the time.
type stream struct {
	connect.StreamingHandlerConn
	request *request
	pushed  call.Pushed // being sent
	bounds  func(proto.Message) error
}

// push sends an event, whose encoding is shared by all readers, or a heartbeat.
func (s *stream) push(p call.Pushed) error {
	if p.Event == nil {
		return s.Send(&b2bv1.SubscribeResponse{Cursor: &p.Cursor})
	}
	s.pushed = p
	return s.Send(&s.pushed)
}

// Receive reads a request; it returns io.EOF at the end.
func (s *stream) Receive(msg any) error {
	if err := s.StreamingHandlerConn.Receive(msg); err != nil {
		return s.request.refused(err)
	}
	m, ok := msg.(proto.Message)
	if !ok {
		return fmt.Errorf("the request is a %T", msg)
	}
	if err := malformed(m); err != nil {
		return err
	}
	return s.bounds(m)
}

// Send writes one message. A client that is gone is not a fault of the server.
func (s *stream) Send(msg any) error {
	if err := s.StreamingHandlerConn.Send(msg); err != nil {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The stream was not read")
	}
	return nil
}

// asCall converts an error of connect about a request to a call error.
func asCall(err error) error {
	var wrong *connect.Error
	if !errors.As(err, &wrong) {
		return err
	}
	switch wrong.Code() {
	case connect.CodeResourceExhausted:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The request is larger than %d bytes", MaxMessage)
	case connect.CodeCanceled, connect.CodeDeadlineExceeded, connect.CodeUnavailable:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The call was cancelled, or took too long")
	}
	return call.Invalid("%s", wrong.Message())
}

// drained is how many bytes of a refused upload are read nevertheless: a client that sends
// everything before it reads then gets the response instead of a broken connection.
const drained = 16 << 20

// drainedMessage is the same for a call that its caller may not make.
const drainedMessage = 2 << 20

// drain reads at most this many bytes that a refused client still sends. On HTTP/2 this is not
// needed: the stream is reset.
func (q *request) drain(most int64) {
	if q.drained != nil {
		_, _ = io.CopyN(io.Discard, q.drained, most) // the call is refused in any case
	}
}
