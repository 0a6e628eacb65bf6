// Package intake bounds the memory of calls that are under way: of requests, what is read
// of a body and what it is decoded to, until the call is done (B2B-LIM-032); of answers,
// what is read of the store and encoded, until the client has it (B2B-LIM-035, [Answers]).
// Both have a [Budget] of their own, so that clients which do not read keep nobody from
// sending.
//
// A request takes what it is about to read from a [Budget], and gives all of it back at
// its end. Small requests, nearly all of them, only add to one counter. A larger one takes
// its bytes from the share of its org (of its address, when nobody has proven who calls)
// and from the whole, which is larger than a share: an org that fills its share does not
// stop the others. Where there is no room, a request waits for a bounded time and is then
// refused: with RATE_LIMITED when its own share is full, with UNAVAILABLE when the server
// is.
package intake

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/concurrency"
)

// Small is how many bytes a request may take without a share.
const Small = 16 << 10

// Sizes are the bounds of a budget. A field that is zero has its default.
type Sizes struct {
	Small     int64         // bytes of all small requests; 16 MiB. Beyond it they count as larger ones.
	Whole     int64         // bytes of all larger requests; 32 MiB
	Share     int64         // of those, what the requests of one org may have; 8 MiB
	Strangers int64         // of those, what the requests of all strangers may have; as much as one org
	Address   int64         // of those, what strangers of one address may have; 2 MiB
	Patience  time.Duration // how long a request waits for room; 1 s
}

// Budget is the memory that requests, or answers, may take. It is safe for concurrent use.
type Budget struct {
	sizes     Sizes
	texts     texts
	limiter   *concurrency.Limiter // of what is decoded
	small     atomic.Int64
	whole     *semaphore.Weighted
	strangers *semaphore.Weighted

	mu     sync.Mutex
	shares map[string]*share // those in use
}

// share is what the requests of one caller may have together.
type share struct {
	*semaphore.Weighted
	users int // holds that have or want something of it; guarded by Budget.mu
}

// New makes a budget. The limiter is of what is decoded; nil is one of its own.
func New(s Sizes, l *concurrency.Limiter) *Budget {
	s.Small = orDefault(s.Small, 16<<20)
	s.Whole = orDefault(s.Whole, 32<<20)
	s.Share = orDefault(s.Share, 8<<20)
	s.Strangers = orDefault(s.Strangers, s.Share)
	s.Address = orDefault(s.Address, 2<<20)
	s.Patience = orDefault(s.Patience, time.Second)
	return &Budget{
		sizes: s, limiter: orLimiter(l), whole: semaphore.NewWeighted(s.Whole), strangers: semaphore.NewWeighted(s.Strangers),
		texts: texts{
			share: "Too many large requests of this org or address are under way", shareHint: "Send fewer large requests at once.",
			server: "The server reads as many large requests as it can",
		},
		shares: make(map[string]*share),
	}
}

func orLimiter(l *concurrency.Limiter) *concurrency.Limiter {
	if l == nil {
		return concurrency.NewLimiter(concurrency.Config{})
	}
	return l
}

func orDefault[T int64 | time.Duration](v, usual T) T {
	if v <= 0 {
		return usual
	}
	return v
}

// Payer says whose share a request takes from: a name of the share, and whether that is a
// stranger's, who has proven nothing.
type Payer interface {
	Payer() (share string, stranger bool)
}

// Hold is what one request has of a budget. It is for one goroutine at a time.
type Hold struct {
	budget   *Budget
	payer    Payer
	small    int64
	large    int64
	key      string
	share    *share
	stranger bool
	slot     concurrency.Slot
}

// Begin makes a hold that has nothing yet. The payer is asked when it first takes more than
// Small: by then the caller must be known.
func (b *Budget) Begin(p Payer) Hold { return Hold{budget: b, payer: p} }

// Take adds n bytes to what the request has. The error says why it must not go on; it is
// one that the caller can be told.
func (h *Hold) Take(ctx context.Context, n int64) error {
	if n <= 0 {
		return nil
	}
	b := h.budget
	if h.large == 0 && h.small+n <= Small {
		if b.small.Add(n) <= b.sizes.Small {
			h.small += n
			return nil
		}
		b.small.Add(-n)
	}
	return h.takeLarge(ctx, n)
}

// takeLarge takes from the share of the caller, then from the whole.
func (h *Hold) takeLarge(ctx context.Context, n int64) error {
	b := h.budget
	if h.share == nil {
		h.join()
	}
	most := b.sizes.Share
	if h.stranger {
		most = b.sizes.Address
	}
	if h.large+n > most { // a share that is empty would not do
		return b.busyShare()
	}
	wait, cancel := ctx, context.CancelFunc(nil)
	acquire := func(s *semaphore.Weighted) bool {
		if s.TryAcquire(n) {
			return true
		}
		if cancel == nil {
			wait, cancel = context.WithTimeout(ctx, b.sizes.Patience)
		}
		return s.Acquire(wait, n) == nil
	}
	defer func() {
		if cancel != nil {
			cancel()
		}
	}()
	if !acquire(h.share.Weighted) {
		return b.busyShare()
	}
	if h.stranger && !acquire(b.strangers) {
		h.share.Release(n)
		return b.busyServer()
	}
	if !acquire(b.whole) {
		h.share.Release(n)
		if h.stranger {
			b.strangers.Release(n)
		}
		return b.busyServer()
	}
	h.large += n
	return nil
}

// join finds the share of the caller.
func (h *Hold) join() {
	h.key, h.stranger = h.payer.Payer()
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shares[h.key]
	if s == nil {
		size := b.sizes.Share
		if h.stranger {
			size = b.sizes.Address
		}
		s = &share{Weighted: semaphore.NewWeighted(size)}
		b.shares[h.key] = s
	}
	s.users++
	h.share = s
}

// Decode waits until what was read may be decoded: large bodies are decoded in turn
// (B2B-LIM-020). The error can be told to the caller.
func (h *Hold) Decode(ctx context.Context) (err error) {
	if h.large < concurrency.HeavyBytes {
		return nil
	}
	h.slot, err = h.budget.limiter.Decode(ctx, h.key, h.large)
	return err
}

// Decoded is called when what was read is decoded: the next one may be.
func (h *Hold) Decoded() { h.slot.End() }

// End gives back all that the request has. It may go on to take anew.
func (h *Hold) End() {
	h.slot.End()
	b := h.budget
	if h.small > 0 {
		b.small.Add(-h.small)
		h.small = 0
	}
	if h.share == nil {
		return
	}
	if h.large > 0 {
		h.share.Release(h.large)
		if h.stranger {
			b.strangers.Release(h.large)
		}
		b.whole.Release(h.large)
		h.large = 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.share.users--; h.share.users == 0 {
		delete(b.shares, h.key)
	}
	h.share = nil
}

// retryAfter is in seconds: what is under way is done or given up soon.
const retryAfter = 1

// texts are what refusals say.
type texts struct{ share, shareHint, server string }

func (b *Budget) busyShare() error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "%s", b.texts.share).WithHint(b.texts.shareHint)
	e.RetryAfter = retryAfter
	return e
}

func (b *Budget) busyServer() error { return busy(b.texts.server, "Try again.") }

func busy(text, hint string) error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "%s", text).WithHint(hint)
	e.RetryAfter = retryAfter
	return e
}
