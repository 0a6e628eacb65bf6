package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/internal/rpc"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// door lets bots in to the protocols for agents, MCP and A2A, and reads what they send within the limits
// of requests. What serves them then calls this server as any client does, in the process.
type door struct {
	edge     call.Edge
	pipeline *call.Pipeline
	intake   *intake.Budget
	answers  *intake.Answers
	log      *slog.Logger
	client   *b2b.Client     // of this server, for the caller of the request in the context
	stopping context.Context // ends when the server stops: requests that wait end
}

// element is how much memory an element of a request takes beside its content, once it is decoded.
const element = 96

// newDoor returns the door. self returns the handler of the server.
func newDoor(
	stopping context.Context, edge call.Edge, pipeline *call.Pipeline, budget *intake.Budget, answers *intake.Answers, log *slog.Logger,
	self func() http.Handler,
) *door {
	return &door{
		stopping: stopping, edge: edge, pipeline: pipeline, intake: budget, answers: answers, log: log,
		client: b2b.New("http://b2b.internal"+edge.BasePath, b2b.WithHTTPClient(inProcess{self}), b2b.WithRetries(0)),
	}
}

// admit authenticates the caller of a request, reads the body, and passes both to next. Only a bearer
// token counts. An error of next, which has written nothing then, is the response.
func (d *door) admit(w http.ResponseWriter, r *http.Request, via string, next func(http.ResponseWriter, *http.Request) error) {
	info := d.edge.Info(r, via)
	info.Credentials.SessionID, info.Credentials.CrossSite = "", false
	reservation := d.intake.Begin(info)
	defer reservation.End()
	body, err := d.read(r, info, &reservation)
	if err != nil {
		d.refuse(w, r, info, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(d.stopping, cancel)() // its result says whether it was in time
	in := r.WithContext(call.WithInfo(within(ctx, r), info))
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if err := next(&countedWriter{ResponseWriter: w, door: d, info: info, request: r}, in); err != nil {
		d.refuse(w, r, info, err)
	}
}

// countedWriter is a response of which large parts count as memory of the caller's org until its client
// has read them (B2B-LIM-035).
type countedWriter struct {
	http.ResponseWriter
	door    *door
	info    *call.Info
	request *http.Request
	begun   bool
}

// WriteHeader implements http.ResponseWriter.
func (c *countedWriter) WriteHeader(status int) {
	c.begun = true
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *countedWriter) Write(p []byte) (int, error) {
	reservation, err := c.door.answers.Hold(c.request.Context(), c.info, int64(len(p)))
	defer reservation.End()
	switch {
	case err != nil && c.begun:
		return 0, err
	case err != nil: // it is the response
		c.begun = true
		c.door.refuse(c.ResponseWriter, c.request, c.info, err)
		return len(p), nil
	}
	c.begun = true
	return c.ResponseWriter.Write(p)
}

// Flush implements http.Flusher. An error means that the client is gone.
func (c *countedWriter) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (c *countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (d *door) refuse(w http.ResponseWriter, r *http.Request, info *call.Info, err error) {
	d.pipeline.Refused(r.Context(), info, err)
	if e, ok := call.AsError(err); ok && e.Status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	_ = rest.WriteError(w, r, err) // an error means that the client is gone
}

// read authenticates the caller, and then reads the body. It keeps no more memory than the body has,
// since a call may wait.
func (d *door) read(r *http.Request, info *call.Info, reservation *intake.Reservation) (body []byte, err error) {
	if err := d.pipeline.Identify(r.Context(), info); err != nil {
		return nil, err
	}
	if info.Caller.Kind != call.Bot {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "This is for bots")
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	buf.B, err = reservation.Read(r.Context(), buf.B, r.Body, r.ContentLength, rpc.MaxMessage)
	switch _, known := call.AsError(err); {
	case errors.Is(err, intake.ErrTooLarge):
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The request is larger than %d bytes", rpc.MaxMessage)
	case known:
		return nil, err
	case err != nil:
		return nil, call.Invalid("body: could not be read to its end")
	case len(buf.B) == 0:
		return nil, nil // the handler says what it needs
	}
	elements, err := wire.CheckJSON(buf.B)
	if err != nil {
		return nil, call.Invalid("%s", err)
	}
	if err := reservation.Decode(r.Context()); err != nil {
		return nil, err
	}
	defer reservation.Decoded()
	if !json.Valid(buf.B) {
		return nil, call.Invalid("body: is not valid JSON")
	}
	return bytes.Clone(buf.B), reservation.Take(r.Context(), int64(elements)*element)
}
