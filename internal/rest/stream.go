package rest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// reconnect is how long a client waits before it reconnects, in milliseconds.
const reconnect = "2000"

var eventStream = []string{"text/event-stream; charset=utf-8"}

// stream serves a streaming operation as server-sent events. An error before the first event gets
// an ordinary error response.
func (s *handler) stream(w http.ResponseWriter, r *http.Request, info *call.Info, req proto.Message, malformed error) error {
	out := &events{w: w, control: http.NewResponseController(w)}
	info.Push = out.push
	if r.Method == http.MethodHead {
		info.Push = out.pushNothing
	}
	_, err := s.pipeline.Do(r.Context(), info, req, malformed, func(ctx context.Context) (proto.Message, error) {
		return nil, info.Operation.Stream(ctx, req, out.message)
	})
	switch {
	case r.Method == http.MethodHead && out.begun:
		return nil
	case out.broken != nil:
		return out.broken
	case !out.begun && err != nil:
		return WriteError(w, r, err)
	case err != nil:
		return out.end(err)
	case !out.begun:
		return out.begin()
	}
	return nil
}

// events writes server-sent events. It writes and flushes each before the next; after a failure it
// writes nothing more.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
	begun   bool
	broken  error // the first failure to write
}

// begin writes the headers and the delay before a reconnection.
func (e *events) begin() error {
	e.headers()
	e.buf = append(e.buf[:0], "retry: "+reconnect+"\n\n"...)
	return e.flush()
}

func (e *events) headers() {
	h := e.w.Header()
	h["Content-Type"] = eventStream
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h.Set("X-Accel-Buffering", "no") // proxies must not buffer the response
	e.w.WriteHeader(http.StatusOK)
	e.begun = true
}

// push writes an event with its position as the id, which clients send back as Last-Event-ID. A
// heartbeat is a comment that updates the id.
func (e *events) push(p call.Pushed) error {
	return e.write(func(b []byte) []byte {
		if p.Wire == nil {
			b = append(b, ": heartbeat\n"...)
		}
		if p.Cursor != "" {
			b = append(append(append(b, "id: "...), p.Cursor...), '\n')
		}
		if p.Wire != nil {
			b = append(append(append(b, "event: "...), p.Type...), "\ndata: "...)
			b = append(append(b, p.Wire...), '\n')
		}
		return b
	})
}

// pushNothing serves HEAD: the first item of a stream means that GET would get 200, and ends the
// stream (B2B-HTTP-012).
func (e *events) pushNothing(call.Pushed) error {
	if !e.begun {
		e.headers()
	}
	return errNotRead()
}

// message writes an item of a stream that is not an event stream; one that is empty is a heartbeat.
func (e *events) message(m proto.Message) error {
	data, err := wire.Append(nil, m)
	if err != nil {
		return fmt.Errorf("encode an item of a stream: %w", err)
	}
	return e.write(func(b []byte) []byte {
		if string(data) == "{}" {
			return append(b, ": heartbeat\n"...)
		}
		return append(append(append(b, "data: "...), data...), '\n')
	})
}

// end writes the last event: "resume" if the client may reconnect at once from its last id, else
// "error". The data is the JSON of the error.
func (e *events) end(err error) error {
	callErr, _ := call.AsError(err)
	data, err := appendError(nil, callErr)
	if err != nil {
		return err
	}
	kind := "error"
	if callErr.Retryable() {
		kind = "resume"
	}
	err = e.write(func(b []byte) []byte {
		b = append(b, ": the stream ends\nevent: "+kind+"\ndata: "...)
		return append(append(b, bytes.ReplaceAll(data, []byte("\n"), []byte(" "))...), '\n')
	})
	if err != nil {
		return e.broken
	}
	return nil
}

// write appends one event and sends it. Its error ends the stream. A client that is gone or does
// not read is not a fault of the server.
func (e *events) write(add func(b []byte) []byte) error {
	if !e.begun {
		if err := e.begin(); err != nil {
			return err
		}
	}
	e.buf = append(add(e.buf[:0]), '\n')
	return e.flush()
}

func (e *events) flush() error {
	if e.broken != nil {
		return errNotRead()
	}
	_, err := e.w.Write(e.buf)
	if err == nil {
		err = e.control.Flush()
	}
	if err != nil {
		e.broken = fmt.Errorf("write to a stream: %w", err)
		return errNotRead()
	}
	if cap(e.buf) > keptBuffer {
		e.buf = nil
	}
	return nil
}

// keptBuffer is the largest write buffer that an idle stream keeps, in bytes.
const keptBuffer = 4 << 10

func errNotRead() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The stream was not read")
}
