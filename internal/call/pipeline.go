package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/tally"
	"github.com/b2b-protocol/b2b/internal/tracing"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// maxTries bounds how often a change runs when the access of its org keeps changing meanwhile
// (see ErrStale).
const maxTries = 8

// Pipeline runs the checks before every service method.
type Pipeline struct {
	auth Authenticator
	log  *slog.Logger
	dev  bool // callers without a credential count as super admins

	meter   Meter           // nil: calls are not measured
	tracer  *tracing.Tracer // nil: traces are off
	outages *tally.Log      // calls that failed because something the server depends on is unavailable or full
}

// NewPipeline returns a pipeline. With dev, every caller counts as a super admin in operations
// for super admins; this is for development without an admin secret only (B2B-ENV-011).
func NewPipeline(auth Authenticator, log *slog.Logger, dev bool) *Pipeline {
	return &Pipeline{auth: auth, log: log, dev: dev, outages: tally.New(log, "call failed")}
}

// Run logs how many calls failed in an outage, at most once a minute (B2B-LIM-014), until ctx
// ends. Without it the last failures of an outage are not logged.
func (p *Pipeline) Run(ctx context.Context) error { return p.outages.Run(ctx) }

// admitValid is how long the result of Admit is valid. When reading the body takes longer, Do
// authenticates the caller again.
const admitValid = time.Second

// Admit authenticates the caller and checks its access. Bindings call it before they read a body
// (B2B-HTTP-021), and then [Pipeline.Do], which repeats these checks only if reading the body
// took longer than a second. The error is always an *Error.
func (p *Pipeline) Admit(ctx context.Context, info *Info) (err error) {
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			err = p.recovered(ctx, info, v)
		}
		if err != nil {
			p.refused(ctx, info, start, err)
		}
	}()
	info.pipeline = p
	info.Credentials.VersionChecked = info.Operation.Changes
	if err := p.authorize(ctx, info); err != nil {
		return p.toError(ctx, info, err)
	}
	info.admitted, info.admission = start, time.Since(start)
	return nil
}

// Do runs one call. It authenticates the caller and checks its access, unless Admit has just done
// so; then it returns malformed, if that is not nil; then it checks the limits of the schema; then
// it runs next, which calls the service method with a context that carries info. malformed is
// the binding's error about the request, which only callers with access receive. The error is
// always an *Error.
func (p *Pipeline) Do(ctx context.Context, info *Info, req proto.Message, malformed error, next func(context.Context) (proto.Message, error)) (res proto.Message, err error) {
	start := time.Now()
	p.begin(info)
	if info.Access != nil {
		info.Access.noteRequest(req)
	}
	admitted := !info.admitted.IsZero() && start.Sub(info.admitted) < admitValid
	var span trace.Span
	if p.tracer != nil {
		began := start
		if !info.admitted.IsZero() {
			began = info.admitted
		}
		ctx, span = p.beginSpan(ctx, info, began)
	}
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, p.recovered(ctx, info, v)
		}
		if span != nil {
			endSpan(span, info, err)
		}
		p.end(ctx, info, start, err)
	}()
	if !admitted {
		info.pipeline = p
		info.Credentials.VersionChecked = info.Operation.Changes
	}
	for tries := 1; ; tries++ {
		if !admitted || tries > 1 {
			if err := p.authorize(ctx, info); err != nil {
				return nil, p.toError(ctx, info, err)
			}
		}
		res, err = attempt(ctx, info, req, malformed, next)
		switch {
		case err == nil:
			return res, nil
		case errors.Is(err, ErrStale) && tries < maxTries:
			info.Credentials.VersionChecked = false
			continue
		case errors.Is(err, ErrStale):
			err = ErrChangesTooOften()
		case info.Credentials.VersionChecked && isRefusal(err):
			err = p.refusedInstead(ctx, info, err)
		}
		return nil, p.toError(ctx, info, err)
	}
}

// attempt runs a call of an admitted caller once.
func attempt(ctx context.Context, info *Info, req proto.Message, malformed error, next func(context.Context) (proto.Message, error)) (proto.Message, error) {
	if malformed != nil {
		return nil, malformed
	}
	if req != nil {
		if err := info.Operation.CheckBounds(req); err != nil {
			return nil, err
		}
	}
	return next(WithInfo(ctx, info))
}

// isRefusal reports whether an error is about the request, rather than a failure of the server.
func isRefusal(err error) bool {
	e, ok := AsError(err)
	return ok && e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE && e.Code != b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR
}

// refusedInstead returns the error of a change that was refused: that of its caller if this was
// cached and has no access any more, else err. The change may have been refused before its
// transaction compared the version of the caller.
func (p *Pipeline) refusedInstead(ctx context.Context, info *Info, err error) error {
	info.Credentials.VersionChecked = false
	if now := p.authorize(ctx, info); now != nil {
		if isRefusal(now) {
			return now
		}
	}
	return err
}

// recovered logs a panic and returns the error for the client.
func (p *Pipeline) recovered(ctx context.Context, info *Info, v any) error {
	p.log.ErrorContext(ctx, "panic in a call", "procedure", info.Operation.Procedure, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "Internal server error")
}

// Identify authenticates the caller of a request that names no operation.
func (p *Pipeline) Identify(ctx context.Context, info *Info) error {
	caller, err := p.authenticate(ctx, info)
	if err != nil {
		return p.toError(ctx, info, err)
	}
	info.Caller = caller
	Authenticated(ctx)
	return nil
}

// authorize sets the caller of the call and checks its access.
func (p *Pipeline) authorize(ctx context.Context, info *Info) error {
	if Public(info.Operation.Access) {
		if info.Credentials.SessionID == "" {
			return nil
		}
		session, err := p.auth.Session(ctx, info.Credentials.SessionID)
		if err != nil || session == nil {
			return err
		}
		if info.Credentials.CrossSite {
			return errCrossSite()
		}
		info.Caller = &Caller{Session: session}
		Authenticated(ctx)
		return nil
	}
	if p.dev && operatorOnly(info.Operation.Access) {
		info.Caller = &Caller{Kind: SuperAdmin}
		return nil
	}
	caller, err := p.authenticate(ctx, info)
	if err != nil {
		if _, refused := AsError(err); refused && operatorOnly(info.Operation.Access) && !errors.Is(err, errCrossSite()) {
			return refusal(info.Operation.Access, &Caller{})
		}
		return err
	}
	info.Caller = caller
	Authenticated(ctx)
	if err := CheckAccess(info.Operation.Access, caller); err == nil || !info.Credentials.VersionChecked {
		return err
	}
	info.Credentials.VersionChecked = false // a refusal is never served from the cache
	return p.authorize(ctx, info)
}

func (p *Pipeline) authenticate(ctx context.Context, info *Info) (*Caller, error) {
	caller, err := p.auth.Authenticate(ctx, info.Credentials)
	if err != nil {
		return nil, err
	}
	if caller.Session != nil && info.Credentials.CrossSite {
		return nil, errCrossSite()
	}
	return caller.within(ctx), nil
}

// ErrChangesTooOften returns the error of a call that found its caller out of date at every try (see
// ErrStale).
func ErrChangesTooOften() error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The tokens, roles or statuses of this org changed while the call ran, several times").WithHint("Try again.")
}

func errCrossSite() error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_CSRF_ERROR, "The session's cookie came from a page of another site")
}

// limitError converts the error of an exceeded limit to a VALIDATION_ERROR; nil stays nil.
func limitError(err error) error {
	if err == nil {
		return nil
	}
	return Invalid("%s", err)
}

// toError converts any error to an *Error. It logs internal errors and hides their text.
func (p *Pipeline) toError(ctx context.Context, info *Info, err error) error {
	e, ok := AsError(err)
	if ok {
		return e
	}
	if ctx.Err() != nil {
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The call was cancelled, or took too long")
	}
	procedure := ""
	if info.Operation != nil {
		procedure = info.Operation.Procedure
	}
	if e.Code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE { // an outage, which fails many calls at once
		p.outages.Count(e.Message, "procedure", procedure, "error", err)
	} else {
		p.log.ErrorContext(ctx, "call failed", "procedure", procedure, "error", err)
	}
	return e
}

func (p *Pipeline) logCall(ctx context.Context, info *Info, start time.Time, err error) {
	if !p.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	code, procedure := "ok", ""
	if err != nil {
		code = CodeText(codeOf(err))
	}
	if info.Operation != nil {
		procedure = info.Operation.Procedure
	}
	p.log.DebugContext(ctx, "call", "procedure", procedure, "via", info.Via, "caller", info.Caller.Key(), "code", code, "took", time.Since(start))
}
