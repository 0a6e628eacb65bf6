package intake

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
)

// Answers limits the memory of responses (B2B-LIM-035): how many calls of an org read and encode
// one at the same time, and how many bytes wait for clients to read them. It is safe for concurrent
// use.
type Answers struct {
	budget *Budget
}

// NewAnswers returns limits for responses. The default sizes are 128 MiB for all, 32 MiB for an org
// and 8 MiB for unauthenticated callers.
func NewAnswers(s Sizes, l *concurrency.Limiter) *Answers {
	s.Whole = orDefault(s.Whole, 128<<20)
	s.Share = orDefault(s.Share, 32<<20)
	s.Anonymous = orDefault(s.Anonymous, 8<<20)
	b := New(s, l)
	b.texts = texts{
		share: "Too many large responses to this org or address are unread", shareHint: "Read responses faster, or request fewer and smaller pages at once.",
		server: "The server has too many large responses that are unread",
	}
	return &Answers{budget: b}
}

// Answer is what one call has reserved. The zero Answer has reserved nothing. It must not be used
// by several goroutines at once.
type Answer struct {
	of          *Answers
	info        *call.Info
	permit      concurrency.Permit
	reservation Reservation
}

// Begin is called before a call runs; its caller must be known. A call that only reads waits for
// its turn. The error can be sent to the caller.
func (a *Answers) Begin(ctx context.Context, info *call.Info) (Answer, error) {
	info.Ready()
	permit, err := a.budget.limiter.Begin(ctx, info)
	if err != nil {
		return Answer{}, err
	}
	return Answer{of: a, info: info, permit: permit}, nil
}

// Hold reserves n bytes of a response whose caller is known, while they are written to a client that may
// read slowly. It is for responses of other protocols, which are made without Begin. The reservation must
// be ended. The error can be sent to the caller.
func (a *Answers) Hold(ctx context.Context, info *call.Info, n int64) (Reservation, error) {
	r := a.budget.Begin(info)
	if n <= Small {
		return r, nil
	}
	return r, r.takeLarge(ctx, min(n, a.budget.sizes.Share))
}

// Expected returns how many bytes the response probably has, if it is a heavy one; 0 if not
// ([concurrency.Permit.Expected]).
func (a *Answer) Expected() int64 { return a.permit.Expected() }

// Take must be called for every response, with the bytes that it occupies in memory until it is
// written. It lets the next call of the org read. More than [Small] bytes are taken from the share
// of the caller. If there is no room in time, a call that only reads gets an error, to be sent
// instead of the response. The response of a call that changed something is sent in any case, after
// the wait.
func (a *Answer) Take(ctx context.Context, n int64) error {
	defer a.permit.Answered(n)
	if n <= Small || a.of == nil {
		return nil
	}
	a.reservation = a.of.budget.Begin(a.info)
	most := a.of.budget.sizes.Share
	if _, anonymous := a.info.Payer(); anonymous {
		most = a.of.budget.sizes.Address
	}
	err := a.reservation.takeLarge(ctx, min(n, most)) // a response larger than a share takes the whole share
	if !a.info.Operation.Reads {
		return nil
	}
	return err
}

// Pause returns the permit of the call before the response is written to a client that may read
// slowly. The reservation for the response stays. Further calls do nothing.
func (a *Answer) Pause() { a.permit.End() }

// End returns all that the call has reserved. Further calls do nothing.
func (a *Answer) End() {
	a.permit.End()
	if a.reservation.budget != nil {
		a.reservation.End()
	}
}
