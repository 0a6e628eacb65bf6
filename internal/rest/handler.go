package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config configures the REST binding.
type Config struct {
	Operations []*call.Operation // those without an HTTP rule are ignored
	Pipeline   *call.Pipeline
	Intake     *intake.Budget  // for bodies; nil: a new one
	Answers    *intake.Answers // nil: a new one
	Edge       call.Edge
	Log        *slog.Logger
	Keep       *Keep // nil: no responses are kept
}

// handler serves every route.
type handler struct {
	router   *router
	pipeline *call.Pipeline
	intake   *intake.Budget
	answers  *intake.Answers
	edge     call.Edge
	log      *slog.Logger
	keeper   *keeper
}

// New returns the REST binding. It returns an error if an HTTP rule of the schema cannot be served:
// two equal rules, an unknown field, or an RPC without an implementation.
func New(c Config) (http.Handler, error) {
	routes, err := newRouter(c.Operations)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	if c.Intake == nil {
		c.Intake = intake.New(intake.Sizes{}, nil)
	}
	if c.Answers == nil {
		c.Answers = intake.NewAnswers(intake.Sizes{}, nil)
	}
	return &handler{router: routes, pipeline: c.Pipeline, intake: c.Intake, answers: c.Answers, edge: c.Edge, log: c.Log, keeper: newKeeper(c.Keep)}, nil
}

// ServeHTTP serves one request in the stages that the package comment lists.
func (s *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	if err := s.serve(w, r, buf); err != nil {
		// The client is most likely gone, so there is no response.
		s.log.DebugContext(r.Context(), "response not written", "method", r.Method, "error", err)
	}
}

// serve runs the stages. It returns an error if the response cannot be written. The caller is
// authenticated before a byte of the body is read (B2B-HTTP-021).
func (s *handler) serve(w http.ResponseWriter, r *http.Request, buf *wire.Buffer) error {
	m, err := s.router.find(r.Method, r.URL.EscapedPath())
	if err != nil {
		return refuse(w, r, call.Invalid("path: has a broken percent escape"))
	}
	info := s.edge.Info(r, "rest")
	if m.route == nil {
		return refuse(w, r, s.nothingHere(r.Context(), info))
	}
	info.Operation = m.route.op
	var (
		res         proto.Message
		reservation intake.Reservation
		answer      intake.Answer
		reading     *read
		hit         bool
		h           header
		body        content
	)
	if info.Operation.Receive != nil {
		res, err = s.upload(r, info)
	} else {
		if err := s.pipeline.Admit(r.Context(), info); err != nil {
			return refuse(w, r, err)
		}
		reservation = s.intake.Begin(info)
		defer reservation.End()
		if err := readBody(r, info.Operation, buf, &reservation); err != nil {
			reservation.Decoded()
			s.pipeline.Refused(r.Context(), info, err)
			return refuse(w, r, err)
		}
		req, malformed := m.request(r, buf.B)
		reservation.Decoded()
		switch {
		case info.Operation.SendsFile:
			reservation.End() // a download may take long
			return s.download(w, r, info, req, malformed)
		case info.Operation.Stream != nil:
			reservation.End()
			return s.stream(w, r, info, req, malformed)
		}
		if answer, err = s.answers.Begin(r.Context(), info); err != nil {
			s.pipeline.Refused(r.Context(), info, err)
			return WriteError(w, r, err)
		}
		defer answer.End()
		if info.Operation.Waits {
			info.Pause = answer.Pause
		}
		res, err = s.pipeline.Do(r.Context(), info, req, malformed, func(ctx context.Context) (proto.Message, error) {
			reading = s.keeper.begin(r, info)
			if h, body, hit = reading.kept(r); hit {
				return nil, nil
			}
			return reading.invoke(ctx, info.Operation, req)
		})
	}
	if err != nil {
		answer.Pause() // the client may read slowly
		return WriteError(w, r, err)
	}
	if hit {
		return s.sendKept(w, r, &answer, h, body)
	}
	expected := answer.Expected()
	if info.Prepared != nil {
		expected = int64(info.Prepared.Size)
	}
	out := wire.GetBufferFor(expected)
	defer wire.PutBuffer(out)
	body, h, err = m.route.respond(out, r, info, res)
	if err != nil {
		s.log.ErrorContext(r.Context(), "response not encoded", "procedure", info.Operation.Procedure, "error", err)
		answer.Pause()
		return WriteError(w, r, err)
	}
	reading.keep(h, body)
	var kept int64
	if len(out.B) > intake.Small && h.sends(r) {
		// The client may read slowly, so only what is written is kept in memory.
		kept, res = int64(cap(out.B)), nil
		if cap(buf.B) > intake.Small {
			wire.PutBuffer(&wire.Buffer{B: buf.B}) // nothing decoded refers to it
			buf.B = nil
		}
	}
	if err := answer.Take(r.Context(), kept); err != nil {
		return WriteError(w, r, err)
	}
	if kept > 0 && info.Operation.Receive == nil {
		reservation.End()
	}
	if info.Cookie != nil {
		s.edge.WriteCookie(w.Header(), info.Cookie)
	}
	return h.write(w, r, body)
}

// sendKept sends a kept response. It takes no memory of the caller: it is shared.
func (s *handler) sendKept(w http.ResponseWriter, r *http.Request, answer *intake.Answer, h header, body content) error {
	if err := answer.Take(r.Context(), 0); err != nil {
		return WriteError(w, r, err)
	}
	return h.write(w, r, body)
}

// nothingHere returns the error for a path or method without an operation. Callers that are not
// authenticated get the error of authentication instead.
func (s *handler) nothingHere(ctx context.Context, info *call.Info) error {
	err := s.pipeline.Identify(ctx, info)
	if err == nil {
		err = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "No such path or method")
	}
	s.pipeline.Refused(ctx, info, err)
	return err
}

// recover responds to a panic in the binding itself; the pipeline recovers those of services.
func (s *handler) recover(w http.ResponseWriter, r *http.Request) {
	v := recover()
	switch v {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(v)
	}
	s.log.ErrorContext(r.Context(), "panic in the REST binding", "method", r.Method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	w.Header().Del("Etag")
	w.Header().Del("Set-Cookie")
	if err := WriteError(w, r, fmt.Errorf("panic: %v", v)); err != nil {
		s.log.DebugContext(r.Context(), "response not written", "method", r.Method, "error", err)
	}
}
