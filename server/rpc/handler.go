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
	services map[string]http.Handler // by "/b2b.v1.ThreadService/"
	edge     call.Edge
}

// New makes the binding; its paths begin with "/b2b.v1.". The operations are those
// of the services.
func New(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge) http.Handler {
	return newHandler(services, operations, pipeline, edge)
}

// newHandler lets tests stand between the pipeline and the services.
func newHandler(services call.Services, operations []*call.Operation, pipeline *call.Pipeline, edge call.Edge, inner ...connect.Interceptor) http.Handler {
	i := &interceptor{pipeline: pipeline, edge: edge, operations: make(map[string]*call.Operation, len(operations))}
	for _, op := range operations {
		i.operations[op.Procedure] = op
	}
	return &handler{
		edge: edge,
		services: services.Handlers(
			connect.WithInterceptors(append([]connect.Interceptor{i}, inner...)...),
			codecs(),
			connect.WithReadMaxBytes(MaxMessage),
			connect.WithCompressMinBytes(compressed),
		),
	}
}

// ServeHTTP serves one call; paths of no service are answered 404.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, ok := h.services[r.URL.Path[:strings.LastIndexByte(r.URL.Path, '/')+1]]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header()["Cache-Control"] = []string{"no-store"}
	ctx := withInfo(r.Context(), h.edge.Info(r, "rpc"))
	service.ServeHTTP(w, r.WithContext(withConnection(ctx, w, r)))
}
