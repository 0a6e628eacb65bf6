package rpc

import (
	"context"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
)

// compressed is the size from which responses are compressed, if the client accepts that. Smaller
// ones gain nothing.
const compressed = 4 << 10

// handler serves every service of the schema.
type handler struct {
	services   map[string]http.Handler    // by "/b2b.v1.ThreadService/"
	paths      map[string]string          // procedures by path, in the case of the schema and in lower case
	streams    map[string]bool            // procedures that stream
	operations map[string]*call.Operation // by procedure
	edge       call.Edge
	intake     *intake.Budget
	pipeline   *call.Pipeline
	elsewhere  Elsewhere
	errors     *connect.ErrorWriter
}

// Elsewhere handles requests that are not calls of this binding, in the manner of REST.
type Elsewhere struct {
	Next   http.Handler                                          // paths and methods that are not bound
	Refuse func(http.ResponseWriter, *http.Request, error) error // writes an error
}

// New returns the binding. Its paths begin with "/b2b.v1."; operations are those of the services.
// Requests count against budget, responses against answers; nil stands for a new one.
func New(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge, budget *intake.Budget, answers *intake.Answers, elsewhere Elsewhere) http.Handler {
	return newHandler(services, operations, pipeline, edge, budget, answers, elsewhere)
}

// newHandler is New with interceptors between the pipeline and the services, for tests.
func newHandler(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge, budget *intake.Budget, answers *intake.Answers, elsewhere Elsewhere, inner ...connect.Interceptor) http.Handler {
	if budget == nil {
		budget = intake.New(intake.Sizes{}, nil)
	}
	if answers == nil {
		answers = intake.NewAnswers(intake.Sizes{}, nil)
	}
	i := &interceptor{pipeline: pipeline, answers: answers, edge: edge, operations: make(map[string]*call.Operation, len(operations))}
	for _, op := range operations {
		i.operations[op.Procedure] = op
	}
	h := &handler{
		edge: edge, intake: budget, operations: i.operations, pipeline: pipeline, elsewhere: elsewhere, paths: make(map[string]string, len(operations)), streams: map[string]bool{},
		errors: connect.NewErrorWriter(codecs()),
		services: services.Handlers(
			connect.WithRequestGate(i.gate),
			connect.WithInterceptors(append([]connect.Interceptor{i}, inner...)...),
			codecs(),
			connect.WithReadMaxBytes(MaxMessage),
			connect.WithCompressMinBytes(compressed),
		),
	}
	for _, op := range operations {
		h.paths[op.Procedure] = op.Procedure
		h.paths[lower(op.Procedure)] = op.Procedure
		h.streams[op.Procedure] = op.Stream != nil || op.Receive != nil
	}
	return h
}

// ServeHTTP serves one call.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	procedure, ok := h.procedure(r.URL.Path)
	if !ok || r.Method != http.MethodPost {
		h.nothingHere(w, r)
		return
	}
	if !accepts(r.Header, h.streams[procedure]) {
		h.unsupported(w, r)
		return
	}
	if procedure != r.URL.Path {
		r = at(procedure, r)
	}
	w.Header()["Cache-Control"] = []string{"no-store"}
	q := &request{info: h.edge.Info(r, "rpc")}
	if r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		q.drained = r.Body
	}
	defer q.body.end()
	defer q.answer.End()
	out := r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
	if q.body.begin(r, h.operations[procedure], h.intake.Begin(q.info)) {
		out.Header = r.Header.Clone()
		out.Header.Del("Content-Encoding")
		out.ContentLength = -1
	}
	out.Body = &q.body
	q.ResponseWriter = w
	h.services[procedure[:strings.LastIndexByte(procedure, '/')+1]].ServeHTTP(q, out)
	if q.body.refusal != nil && !q.begun {
		h.pipeline.Refused(r.Context(), q.info, q.body.refusal)
	}
}

// request is the state of an HTTP request that connect does not pass on.
type request struct {
	http.ResponseWriter // see WriteHeader
	info                *call.Info
	drained             io.Reader // the rest of the body, to be read if the call is refused; nil: not needed
	body                body
	answer              intake.Answer
	begun               bool // the pipeline runs, or has refused, the call
}

// WriteHeader implements http.ResponseWriter. The client may read slowly, so the call returns its
// permits to decode and to read first.
func (q *request) WriteHeader(status int) {
	q.body.reservation.Decoded()
	q.answer.Pause()
	q.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (q *request) Write(p []byte) (int, error) {
	q.body.reservation.Decoded()
	q.answer.Pause()
	return q.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, which connect uses.
func (q *request) Flush() {
	if f, ok := q.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (q *request) Unwrap() http.ResponseWriter { return q.ResponseWriter }

type requestKey struct{}

// requestOf returns the request of a call, or nil if the call did not come through the handler.
func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// refused returns why the body was refused, if it was, else err.
func (q *request) refused(err error) error {
	if q.body.refusal != nil {
		return q.body.refusal
	}
	return err
}
