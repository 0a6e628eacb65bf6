package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/tally"
)

// maxTries bounds how often one call is done when who may do what changes meanwhile.
const maxTries = 8

// Pipeline is the one way to a service method.
type Pipeline struct {
	auth Authenticator
	log  *slog.Logger
	open bool

	outages *tally.Log // calls that failed for what the server cannot reach, or has no room for
}

// NewPipeline makes a pipeline. With open, anybody counts as a super admin on the
// operator's calls: for development without an admin secret only.
func NewPipeline(auth Authenticator, log *slog.Logger, open bool) *Pipeline {
	return &Pipeline{auth: auth, log: log, open: open, outages: tally.New(log, "call failed")}
}

// Run tells in the log how many calls failed in an outage, once a minute at most
// (B2B-LIM-014), until ctx ends. Without it the end of an outage may not be told.
func (p *Pipeline) Run(ctx context.Context) error { return p.outages.Run(ctx) }

// fresh is how long what Admit found counts: a body that takes longer to come is worked
// on only after its caller was looked up anew.
const fresh = time.Second

// Admit decides who calls and whether that caller may: bindings ask it before they read a
// body (B2B-HTTP-021). A call that it admitted goes on with [Pipeline.Do], which does not
// ask again unless reading took longer than a second. The error is always an *Error.
func (p *Pipeline) Admit(ctx context.Context, info *Info) (err error) {
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			err = p.caught(ctx, info, v)
		}
		if err != nil {
			p.logCall(ctx, info, start, err)
		}
	}()
	info.pipeline = p
	info.Credentials.VersionChecked = info.Operation.Changes
	if err := p.authorize(ctx, info); err != nil {
		return p.tell(ctx, info, err)
	}
	info.admitted = start
	return nil
}

// Do runs one call: identity and access, unless Admit has just done that, then malformed
// (what the binding found wrong with the request, or nil; told only to those who may
// call), the limits of the schema, then next, which runs the service method with a context
// that carries info. The error is always an *Error.
func (p *Pipeline) Do(ctx context.Context, info *Info, req proto.Message, malformed error, next func(context.Context) (proto.Message, error)) (res proto.Message, err error) {
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, p.caught(ctx, info, v)
		}
		p.logCall(ctx, info, start, err)
	}()
	admitted := !info.admitted.IsZero() && start.Sub(info.admitted) < fresh
	if !admitted {
		info.pipeline = p
		info.Credentials.VersionChecked = info.Operation.Changes
	}
	for tries := 1; ; tries++ {
		if !admitted || tries > 1 {
			if err := p.authorize(ctx, info); err != nil {
				return nil, p.tell(ctx, info, err)
			}
		}
		if malformed != nil {
			return nil, p.tell(ctx, info, malformed)
		}
		if req != nil {
			if err := info.Operation.CheckBounds(req); err != nil {
				return nil, err
			}
		}
		res, err = next(WithInfo(ctx, info))
		switch {
		case err == nil:
			return res, nil
		case errors.Is(err, ErrStale) && tries < maxTries:
			info.Credentials.VersionChecked = false
			continue
		case errors.Is(err, ErrStale):
			err = errChangesTooOften()
		}
		return nil, p.tell(ctx, info, err)
	}
}

// caught logs a panic and answers what the caller is told of it.
func (p *Pipeline) caught(ctx context.Context, info *Info, v any) error {
	p.log.ErrorContext(ctx, "panic in a call", "procedure", info.Operation.Procedure, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "Internal server error")
}

// Identify only authenticates: for requests that name no operation.
func (p *Pipeline) Identify(ctx context.Context, info *Info) error {
	caller, err := p.authenticate(ctx, info)
	if err != nil {
		return p.tell(ctx, info, err)
	}
	info.Caller = caller
	Authenticated(ctx)
	return nil
}

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
	if p.open && operatorOnly(info.Operation.Access) {
		info.Caller = &Caller{Kind: SuperAdmin}
		return nil
	}
	caller, err := p.authenticate(ctx, info)
	if err != nil {
		if _, told := AsError(err); told && operatorOnly(info.Operation.Access) && !errors.Is(err, errCrossSite()) {
			return refusal(info.Operation.Access, &Caller{})
		}
		return err
	}
	info.Caller = caller
	Authenticated(ctx)
	if err := CheckAccess(info.Operation.Access, caller); err == nil || !info.Credentials.VersionChecked {
		return err
	}
	info.Credentials.VersionChecked = false // refusals are not from memory
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
	return caller, nil
}

func errChangesTooOften() error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "Who may do what in this org changes too often just now").WithHint("Try again.")
}

func errCrossSite() error {
	return Errorf(b2bv1.ErrorCode_ERROR_CODE_CSRF_ERROR, "The session's cookie came from a page of another site")
}

// told is what a caller is told of a limit that its request does not keep.
func limitError(err error) error {
	if err == nil {
		return nil
	}
	return Invalid("%s", err)
}

// tell turns any error into an *Error; what is not one is logged and hidden.
func (p *Pipeline) tell(ctx context.Context, info *Info, err error) error {
	e, ok := AsError(err)
	if ok {
		return e
	}
	if ctx.Err() != nil {
		return Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The call was given up")
	}
	procedure := ""
	if info.Operation != nil {
		procedure = info.Operation.Procedure
	}
	if e.Code == b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE { // not a fault of this server, and of many calls at once
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
	code := "ok"
	if err != nil {
		e, _ := AsError(err)
		code = CodeText(e.Code)
	}
	p.log.DebugContext(ctx, "call", "procedure", info.Operation.Procedure, "via", info.Via, "caller", info.Caller.Key(), "code", code, "took", time.Since(start))
}
