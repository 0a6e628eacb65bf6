package b2b

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// smallBody is how many bytes the body of a request may have to be copied. With its headers it takes
// a few writes at most: net/http buffers 4 KiB.
const smallBody = 16 << 10

// buffer gives a small request a body of a type that net/http knows to be in memory. It sends the
// headers and such a body in one write and one packet. Before any other body, such as that of
// Connect, it flushes the headers, since reading the body may block.
func buffer(r *http.Request) error {
	if r.ContentLength <= 0 || r.ContentLength > smallBody {
		return nil
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return fmt.Errorf("b2b: read the body of the request: %w", err)
	}
	if err := r.Body.Close(); err != nil {
		return fmt.Errorf("b2b: close the body of the request: %w", err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
