package intake

import (
	"context"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/concurrency"
)

// Answers bounds the memory of answers (B2B-LIM-035): how many calls of an org gather and
// encode one at the same moment, and how many bytes wait for clients to read them. It is
// safe for concurrent use.
type Answers struct {
	room    *Budget
	limiter *concurrency.Limiter
}

// NewAnswers makes the bounds of answers. The defaults of the sizes are 128 MiB for the
// whole, 32 MiB for an org, 8 MiB for strangers.
func NewAnswers(s Sizes, l *concurrency.Limiter) *Answers {
	s.Whole = orDefault(s.Whole, 128<<20)
	s.Share = orDefault(s.Share, 32<<20)
	s.Strangers = orDefault(s.Strangers, 8<<20)
	l = orLimiter(l)
	b := New(s, l)
	b.texts = texts{
		share: "Too many large answers to this org or address are not read yet", shareHint: "Read answers faster, or ask for fewer and smaller pages at once.",
		server: "The server holds as many large answers as it can",
	}
	return &Answers{room: b, limiter: l}
}

// Answer is what one call has of the bounds. The zero Answer has nothing. It is for one
// goroutine at a time.
type Answer struct {
	of   *Answers
	info *call.Info
	slot concurrency.Slot
	hold Hold
}

// Begin is called before a call is done; the caller must be known. A call that only reads
// waits for its turn. The error can be told to the caller.
func (a *Answers) Begin(ctx context.Context, info *call.Info) (Answer, error) {
	slot, err := a.limiter.Begin(ctx, info)
	if err != nil {
		return Answer{}, err
	}
	return Answer{of: a, info: info, slot: slot}, nil
}

// Take is called, always, with the bytes that an encoded answer has in memory until it is
// written: the next call of the org may read. More
// than [Small] are taken from the share of the caller. The error, when there is no room in
// time, can be told to the caller instead of the answer. What has changed something is
// answered in any case, after the wait.
func (a *Answer) Take(ctx context.Context, n int64) error {
	defer a.slot.Answered(n)
	if n <= Small || a.of == nil {
		return nil
	}
	a.hold = a.of.room.Begin(a.info)
	most := a.of.room.sizes.Share
	if _, stranger := a.info.Payer(); stranger {
		most = a.of.room.sizes.Address
	}
	err := a.hold.takeLarge(ctx, min(n, most)) // one that is larger goes alone
	if !a.info.Operation.Reads {
		return nil
	}
	return err
}

// Pause gives back the turn of the call, before a client is written to that may read slowly;
// what its answer takes stays. A second time it does nothing.
func (a *Answer) Pause() { a.slot.End() }

// End gives back all that the call has; a second time it does nothing.
func (a *Answer) End() {
	a.slot.End()
	if a.hold.budget != nil {
		a.hold.End()
	}
}
