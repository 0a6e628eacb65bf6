package rpc

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// procedure returns the procedure of a path. The case of letters and one trailing slash do not
// matter (B2B-HTTP-030).
func (h *handler) procedure(path string) (string, bool) {
	if p, ok := h.paths[path]; ok {
		return p, true
	}
	p, ok := h.paths[lower(strings.TrimSuffix(path, "/"))]
	return p, ok
}

// lower lowers ASCII letters only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// at returns the request with the path that the generated code expects.
func at(procedure string, r *http.Request) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = procedure, ""
	out := *r
	out.URL = &u
	return &out
}

// nothingHere responds to a path that is not a call: to gRPC clients with a gRPC error, to others
// like any path without an operation (B2B-HTTP-032).
func (h *handler) nothingHere(w http.ResponseWriter, r *http.Request) {
	if !isGRPC(r) {
		h.elsewhere.Next.ServeHTTP(w, r)
		return
	}
	info := h.edge.Info(r, "rpc")
	err := h.pipeline.Identify(r.Context(), info)
	if err == nil {
		e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, "No such path or method")
		h.pipeline.Refused(r.Context(), info, e)
		err = recode(ToConnect(e), connect.CodeUnimplemented)
	} else {
		h.pipeline.Refused(r.Context(), info, err)
		err = ToConnect(err)
	}
	_ = h.errors.Write(w, r, err) // an error means that the client is gone
}

// recode replaces the code of an error.
func recode(err error, code connect.Code) error {
	var from *connect.Error
	if !errors.As(err, &from) {
		return err
	}
	out := connect.NewError(code, errors.New(from.Message()))
	for _, d := range from.Details() {
		out.AddDetail(d)
	}
	return out
}

// unsupported refuses a body of a media type that the call does not accept.
func (h *handler) unsupported(w http.ResponseWriter, r *http.Request) {
	info := h.edge.Info(r, "rpc")
	err := h.pipeline.Identify(r.Context(), info)
	if err == nil {
		err = call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNSUPPORTED_MEDIA_TYPE, "The call does not take a body of this media type").
			WithHint("Send Content-Type: application/json or application/proto; application/connect+json or application/connect+proto to a call that streams; or use gRPC or gRPC-web.")
	}
	h.pipeline.Refused(r.Context(), info, err)
	_ = h.elsewhere.Refuse(w, r, err) // an error means that the client is gone
}

func isGRPC(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc")
}

// accepts reports whether a call accepts the media type of the request. It removes a charset
// parameter, which has no effect.
func accepts(h http.Header, streams bool) bool {
	kind := h.Get("Content-Type")
	if ok, known := kinds[kind]; known {
		return ok.takes(streams)
	}
	base, params, err := mime.ParseMediaType(kind)
	if err != nil || len(params) > 1 || len(params) == 1 && !strings.EqualFold(params["charset"], "utf-8") {
		return false
	}
	ok, known := kinds[base]
	if !known || !ok.takes(streams) {
		return false
	}
	h.Set("Content-Type", base)
	return true
}

// kindOf is the kind of calls that use a media type.
type kindOf int

const (
	anyCall kindOf = iota
	unaryCall
	streamCall
)

func (k kindOf) takes(streams bool) bool {
	return k == anyCall || streams == (k == streamCall)
}

// kinds are the media types of Connect, gRPC and gRPC-web.
var kinds = map[string]kindOf{
	"application/json":                unaryCall,
	"application/json; charset=utf-8": unaryCall,
	"application/proto":               unaryCall,
	"application/connect+json":        streamCall,
	"application/connect+proto":       streamCall,
	"application/grpc":                anyCall,
	"application/grpc+json":           anyCall,
	"application/grpc+proto":          anyCall,
	"application/grpc-web":            anyCall,
	"application/grpc-web+json":       anyCall,
	"application/grpc-web+proto":      anyCall,
}
