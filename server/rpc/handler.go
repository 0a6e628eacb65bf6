package rpc

import (
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/server/call"
)

// MaxMessage is the size of the largest request that is read, after
// decompression: 1 MiB.
const MaxMessage = 1 << 20

// compressed is the size from which answers are compressed for those who can read
// that: smaller ones gain nothing.
const compressed = 4 << 10

// handler serves every service of the schema.
type handler struct {
	services  map[string]http.Handler // by "/b2b.v1.ThreadService/"
	paths     map[string]string       // procedures by their paths, as they are and in lower case
	streams   map[string]bool         // procedures that stream
	edge      call.Edge
	pipeline  *call.Pipeline
	elsewhere Elsewhere
	errors    *connect.ErrorWriter
}

// Elsewhere answers what is no call of this binding, in the words of REST.
type Elsewhere struct {
	Next   http.Handler                                          // paths and methods that are not bound
	Refuse func(http.ResponseWriter, *http.Request, error) error // writes an error
}

// New makes the binding; its paths begin with "/b2b.v1.". The operations are those
// of the services.
func New(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge, elsewhere Elsewhere) http.Handler {
	return newHandler(services, operations, pipeline, edge, elsewhere)
}

// newHandler lets tests stand between the pipeline and the services.
func newHandler(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge, elsewhere Elsewhere, inner ...connect.Interceptor) http.Handler {
	i := &interceptor{pipeline: pipeline, edge: edge, operations: make(map[string]*call.Operation, len(operations))}
	for _, op := range operations {
		i.operations[op.Procedure] = op
	}
	h := &handler{
		edge: edge, pipeline: pipeline, elsewhere: elsewhere, paths: make(map[string]string, len(operations)), streams: map[string]bool{},
		errors: connect.NewErrorWriter(codecs()),
		services: services.Handlers(
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
	ctx := withInfo(r.Context(), h.edge.Info(r, "rpc"))
	h.services[procedure[:strings.LastIndexByte(procedure, '/')+1]].ServeHTTP(w, r.WithContext(withBody(ctx, r)))
}
