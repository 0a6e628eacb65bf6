package call

import (
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"google.golang.org/protobuf/proto"
)

// result converts a typed response to a proto.Message; an error becomes an untyped nil.
func result[M proto.Message](m M, err error) (proto.Message, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

func add(handlers map[string]http.Handler) func(string, http.Handler) {
	return func(path string, h http.Handler) { handlers[path] = h }
}

// typed converts a received message to the type that the service takes.
func typed[M proto.Message](m proto.Message, err error) (M, error) {
	if err != nil {
		return *new(M), err
	}
	if t, ok := m.(M); ok {
		return t, nil
	}
	return *new(M), fmt.Errorf("call: received a %T, want a %T", m, *new(M))
}

// received returns a function that returns the next message of a Connect stream, or io.EOF.
func received[M any](stream *connect.ClientStream[M]) func() (*M, error) {
	return func() (*M, error) {
		switch {
		case stream.Receive():
			return stream.Msg(), nil
		case stream.Err() != nil:
			return nil, stream.Err()
		}
		return nil, io.EOF
	}
}
