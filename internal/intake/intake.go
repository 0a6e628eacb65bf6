// Package intake limits the memory of calls in progress. For requests, it counts what is read of a
// body and what it is decoded to, until the call is done (B2B-LIM-032). For responses, it counts
// what is read from the store and encoded, until the client has read it (B2B-LIM-035, [Answers]).
// Each has its own [Budget], so that clients which do not read their responses do not block
// requests.
//
// A request reserves bytes of a [Budget] before it reads them, and returns all of them at its end.
// Small requests, which are nearly all, only add to a counter. A larger one takes its bytes from
// the share of its org (of its address, if the caller is not authenticated) and from the total. The
// total is larger than a share: an org that fills its share does not block the others. If there is
// no room, a request waits for a limited time and is then refused: with RATE_LIMITED if its own
// share is full, with UNAVAILABLE if the total is.
package intake

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Small is how many bytes a request may take without counting against a share.
const Small = 16 << 10

// Sizes are the limits of a budget. A zero field has its default.
type Sizes struct {
	Small     int64         // bytes of all small requests; 16 MiB. Beyond that they count as large ones.
	Whole     int64         // bytes of all large requests; 32 MiB
	Share     int64         // of Whole, the most for one org; 8 MiB
	Anonymous int64         // of Whole, the most for all unauthenticated callers; as Share
	Address   int64         // of Whole, the most for unauthenticated callers of one address; 2 MiB
	Patience  time.Duration // how long a request waits for room; 1 s
}

// Budget is the memory that requests, or responses, may take. It is safe for concurrent use.
type Budget struct {
	sizes     Sizes
	texts     texts
	limiter   *concurrency.Limiter // for decoding
	small     atomic.Int64
	large     atomic.Int64 // bytes that large requests have taken
	refused   [2]atomic.Int64
	whole     *semaphore.Weighted
	anonymous *semaphore.Weighted

	mu     sync.Mutex
	shares map[string]*share // those in use, by key
}

// share is what all requests of one payer may take together.
type share struct {
	*semaphore.Weighted
	users int // reservations that use it; guarded by Budget.mu
}

// New returns a budget. The limiter is for decoding; nil stands for a new one.
func New(s Sizes, l *concurrency.Limiter) *Budget {
	s.Small = orDefault(s.Small, 16<<20)
	s.Whole = orDefault(s.Whole, 32<<20)
	s.Share = orDefault(s.Share, 8<<20)
	s.Anonymous = orDefault(s.Anonymous, s.Share)
	s.Address = orDefault(s.Address, 2<<20)
	s.Patience = orDefault(s.Patience, time.Second)
	return &Budget{
		sizes: s, limiter: orLimiter(l), whole: semaphore.NewWeighted(s.Whole), anonymous: semaphore.NewWeighted(s.Anonymous),
		texts: texts{
			share: "Too many large requests of this org or address are in progress", shareHint: "Send fewer large requests at once.",
			server: "The server has too many large requests in progress",
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

// Payer names the share that a request counts against, and reports whether the caller is
// unauthenticated, which makes it the share of an address.
type Payer interface {
	Payer() (share string, anonymous bool)
}

// Reservation is what one request has taken of a budget. It must not be used by several goroutines
// at once.
type Reservation struct {
	budget    *Budget
	payer     Payer
	small     int64
	large     int64
	key       string
	share     *share
	anonymous bool
	permit    concurrency.Permit
}

// Begin returns an empty reservation. It asks the payer for its share when it first takes more than
// Small bytes; by then the caller must be known.
func (b *Budget) Begin(p Payer) Reservation { return Reservation{budget: b, payer: p} }

// Take adds n bytes to the reservation. If it returns an error, the request must not go on; the
// error can be sent to the caller.
func (h *Reservation) Take(ctx context.Context, n int64) error {
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

// takeLarge takes n bytes from the share of the payer, then from the total.
func (h *Reservation) takeLarge(ctx context.Context, n int64) error {
	b := h.budget
	if h.share == nil {
		h.join()
	}
	most := b.sizes.Share
	if h.anonymous {
		most = b.sizes.Address
	}
	if h.large+n > most { // not even an unused share has room
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
	if h.anonymous && !acquire(b.anonymous) {
		h.share.Release(n)
		return b.busyServer()
	}
	if !acquire(b.whole) {
		h.share.Release(n)
		if h.anonymous {
			b.anonymous.Release(n)
		}
		return b.busyServer()
	}
	h.large += n
	b.large.Add(n)
	return nil
}

// join finds the share of the payer, and makes it if needed.
func (h *Reservation) join() {
	h.key, h.anonymous = h.payer.Payer()
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shares[h.key]
	if s == nil {
		size := b.sizes.Share
		if h.anonymous {
			size = b.sizes.Address
		}
		s = &share{Weighted: semaphore.NewWeighted(size)}
		b.shares[h.key] = s
	}
	s.users++
	h.share = s
}

// Decode waits until the body that was read may be decoded: large bodies of an org are decoded one
// after the other (B2B-LIM-020). Its error can be sent to the caller.
func (h *Reservation) Decode(ctx context.Context) (err error) {
	if h.large < concurrency.HeavyBytes {
		return nil
	}
	h.permit, err = h.budget.limiter.Decode(ctx, h.key, h.large)
	return err
}

// Run waits until the call of a frame, whose caller is known, may run; calls with a response of
// their own use [Answers.Begin]. The permit must be ended after the call. The error can be sent to
// the caller.
func (b *Budget) Run(ctx context.Context, info *call.Info) (concurrency.Permit, error) {
	info.Ready()
	return b.limiter.Begin(ctx, info)
}

// Decoded is called when the body is decoded; it lets the next one be decoded.
func (h *Reservation) Decoded() { h.permit.End() }

// End returns all that was taken. The reservation can be used again.
func (h *Reservation) End() {
	h.permit.End()
	b := h.budget
	if h.small > 0 {
		b.small.Add(-h.small)
		h.small = 0
	}
	if h.share == nil {
		return
	}
	if h.large > 0 {
		b.large.Add(-h.large)
		h.share.Release(h.large)
		if h.anonymous {
			b.anonymous.Release(h.large)
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

// retryAfter is in seconds. Requests in progress end, or are canceled, soon.
const retryAfter = 1

// texts are the messages of refusals.
type texts struct{ share, shareHint, server string }

func (b *Budget) busyShare() error {
	b.refused[byShare].Add(1)
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "%s", b.texts.share).WithHint(b.texts.shareHint)
	e.RetryAfter = retryAfter
	return e
}

func (b *Budget) busyServer() error {
	b.refused[byServer].Add(1)
	return busy(b.texts.server, "Try again.")
}

func busy(text, hint string) error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "%s", text).WithHint(hint)
	e.RetryAfter = retryAfter
	return e
}
