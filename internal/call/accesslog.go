package call

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Access is what the access log needs of one call (package accesslog): the pipeline notes it in
// the Access of an Info, if that has one.
type Access struct {
	Info      *Info // nil: the request did not reach a binding that makes one
	Code      b2bv1.ErrorCode
	RequestID string            // the request_id of a change
	Span      trace.SpanContext // of the call, if it is recorded
}

type accessKey struct{}

// WithAccess returns a context in which [Edge.Info] finds the Access of its Info.
func WithAccess(ctx context.Context, a *Access) context.Context {
	return context.WithValue(ctx, accessKey{}, a)
}

// accessOf returns the Access for the Info of a request; nil: there is no access log.
func accessOf(ctx context.Context, info *Info) *Access {
	a, ok := ctx.Value(accessKey{}).(*Access)
	if !ok {
		return nil
	}
	a.Info = info
	return a
}

// noteRequest notes the request_id of a request.
func (a *Access) noteRequest(req proto.Message) {
	if r, ok := req.(interface{ GetRequestId() string }); ok {
		a.RequestID = r.GetRequestId()
	}
}

// noteEnd notes the outcome of a call. The first one is that of the call.
func (a *Access) noteEnd(ctx context.Context, err error) {
	if a.Code == b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED {
		a.Code = codeOf(err)
	}
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() {
		a.Span = c
	}
}
