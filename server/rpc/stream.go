package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	connection
	pace   *call.Pace  // of what a client streams
	pushed call.Pushed // being sent
	bounds func(proto.Message) error
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
	if err := malformed(m); err != nil {
		return err
	}
	return s.bounds(m)
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

// drained is how much more is read of an upload that was refused, in bytes: clients that
// send all before they read meet the answer instead of a broken connection.
const drained = 16 << 20

// connection sets the deadlines of the one that a stream is on. Where they cannot be set
// there is none.
type connection struct {
	read, write func(time.Time) error
	body        io.Reader // nil: the client need not be heard out
}

// drain reads on in what a refused client still sends, a bounded amount.
func (c connection) drain(pace *call.Pace) {
	if c.body == nil {
		return
	}
	for n := 0; n < drained; {
		_ = c.read(pace.Deadline())
		more, err := io.CopyN(io.Discard, c.body, 64<<10)
		if err != nil {
			return // the refusal stands, whatever comes of it
		}
		pace.Add(int(more))
		n += int(more)
	}
}

// lift takes the deadlines off, for what comes next on the connection.
func (c connection) lift() {
	_ = c.read(time.Time{})
	_ = c.write(time.Time{})
}

type connectionKey struct{}

// withConnection carries the connection of a request to streams. On HTTP/2 a client is
// told when nobody listens to it any more.
func withConnection(ctx context.Context, w http.ResponseWriter, r *http.Request) context.Context {
	control := http.NewResponseController(w)
	c := connection{read: control.SetReadDeadline, write: control.SetWriteDeadline}
	if r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		c.body = r.Body
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

func connectionOf(ctx context.Context) connection {
	if c, ok := ctx.Value(connectionKey{}).(connection); ok {
		return c
	}
	none := func(time.Time) error { return nil }
	return connection{read: none, write: none}
}
