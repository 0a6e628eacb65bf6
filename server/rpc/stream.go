package rpc

import (
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
)

// stream checks what comes in. How long what comes and goes may take is the concern of
// the server's edge.
type stream struct {
	connect.StreamingHandlerConn
	request *request
	pushed  call.Pushed // being sent
	bounds  func(proto.Message) error
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

// Send writes one message. A client that is gone is no fault of the server.
func (s *stream) Send(msg any) error {
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
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The call was cancelled, or took too long")
	}
	return call.Invalid("%s", wrong.Message())
}

// drained is how much more is read of an upload that was refused, in bytes: clients that
// send all before they read meet the answer instead of a broken connection.
const drained = 16 << 20

// drainedMessage is the same of a call that its caller may not make.
const drainedMessage = 2 << 20

// drain reads on in what a refused client still sends, at most so many bytes. On HTTP/2 a
// client is told when nobody listens to it any more, and need not be heard out.
func (q *request) drain(most int64) {
	if q.drained != nil {
		_, _ = io.CopyN(io.Discard, q.drained, most) // the refusal stands, whatever comes of it
	}
}
