package call

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Meter counts calls and measures their time (package metrics). The operation of info is nil for a
// request that names none. Its methods are called by many goroutines and must not block.
type Meter interface {
	// Begin counts a call that begins to run. Each Begin has one End.
	Begin(info *Info)
	// End counts the end of a call. The code of a call that succeeded is unspecified. took is the
	// time that the server needed, without reading the request and writing the response. gone
	// reports that a call failed and its client had cancelled it or had disconnected.
	End(info *Info, code b2bv1.ErrorCode, took time.Duration, gone bool)
	// Refused counts a call that did not begin to run.
	Refused(info *Info, code b2bv1.ErrorCode)
}

// Measure makes the pipeline report its calls. It must be called before the first call.
func (p *Pipeline) Measure(m Meter) { p.meter = m }

// Refused records a call that a binding refuses without [Pipeline.Do], such as one with a body that
// is too large. Calls that Admit or Do refuse are recorded already.
func (p *Pipeline) Refused(ctx context.Context, info *Info, err error) {
	p.refused(ctx, info, time.Now(), err)
}

// Ready marks the moment from which the call waits for the server alone: its request was read. Its
// time counts from there; without it, from the beginning of Do.
func (i *Info) Ready() { i.ready = time.Now() }

// begin reports that a call begins to run.
func (p *Pipeline) begin(info *Info) {
	if p.meter != nil {
		p.meter.Begin(info)
	}
}

// end records a call that ran, and began to do so at start.
func (p *Pipeline) end(ctx context.Context, info *Info, start time.Time, err error) {
	if p.meter != nil {
		if !info.ready.IsZero() {
			start = info.ready
		}
		p.meter.End(info, codeOf(err), info.admission+time.Since(start), err != nil && errors.Is(ctx.Err(), context.Canceled))
	}
	if info.Access != nil {
		info.Access.noteEnd(ctx, err)
	}
	p.logCall(ctx, info, start, err)
}

// refused records a call that did not run.
func (p *Pipeline) refused(ctx context.Context, info *Info, start time.Time, err error) {
	if p.meter != nil {
		p.meter.Refused(info, codeOf(err))
	}
	if p.tracer != nil && info.Operation != nil {
		var span trace.Span
		ctx, span = p.beginSpan(ctx, info, start)
		endSpan(span, info, err)
	}
	if info.Access != nil {
		info.Access.noteEnd(ctx, err)
	}
	p.logCall(ctx, info, start, err)
}

// codeOf returns the code of an error; unspecified for nil.
func codeOf(err error) b2bv1.ErrorCode {
	if err == nil {
		return b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED
	}
	e, _ := AsError(err)
	return e.Code
}
