package call

import (
	"net/http"

	"google.golang.org/protobuf/proto"
)

// result makes a proto.Message of a typed answer, and an untyped nil of none.
func result[M proto.Message](m M, err error) (proto.Message, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

func add(handlers map[string]http.Handler) func(string, http.Handler) {
	return func(path string, h http.Handler) { handlers[path] = h }
}
