package b2b

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
)

const (
	// largestFrame is how many bytes a frame of a WebSocket, or an event of a stream with all its lines,
	// may have. The server sends at most a few MiB.
	largestFrame = 64 << 20
	// defaultResponse is how many bytes a response may have.
	defaultResponse = 64 << 20
)

// TooLargeError is the error of a response, or of an event, that is larger than the client reads
// (B2B-SDK-039, B2B-SDK-040). The limit protects the memory of the program from what is no server of
// this protocol.
type TooLargeError struct {
	// Limit is how many bytes it may have.
	Limit int
	what  string
	err   error
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("b2b: %s has more than %d bytes", e.what, e.Limit)
}

// Unwrap returns what the transport reported, if it did.
func (e *TooLargeError) Unwrap() error { return e.err }

// WithMaxResponseSize sets how many bytes the response of a call may have, also after decompression;
// the default is 64 MiB, and 0 means any size. A larger one is a [*TooLargeError]. Of a stream, such
// as the download of a file, it bounds each message and not the whole.
func WithMaxResponseSize(bytes int) Option { return func(o *options) { o.largest = max(bytes, 0) } }

// sized is an interceptor that returns the error of a response that is too large as a
// *TooLargeError.
type sized int

// WrapUnary implements connect.Interceptor.
func (s sized) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		return res, s.typed(err)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (s sized) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return sizedStream{next(ctx, spec), s}
	}
}

// WrapStreamingHandler implements connect.Interceptor. A client never calls it.
func (s sized) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// typed returns a *TooLargeError for the error with which Connect refuses a message. The same code of
// the server is an error that came over the wire.
func (s sized) typed(err error) error {
	if connect.CodeOf(err) != connect.CodeResourceExhausted || connect.IsWireError(err) || DetailOf(err) != nil {
		return err
	}
	return &TooLargeError{Limit: int(s), what: "the response", err: err}
}

type sizedStream struct {
	connect.StreamingClientConn
	sized sized
}

func (s sizedStream) Receive(m any) error { return s.sized.typed(s.StreamingClientConn.Receive(m)) }

var errTooLong = errors.New("the line is too long")

// readLine returns a line with its end. One that is longer than most bytes is errTooLong, and no more
// of it is read.
func readLine(r *bufio.Reader, most int) (line []byte, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) > most {
			return nil, errTooLong
		}
		line = append(line, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
