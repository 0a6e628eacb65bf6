package auth

import (
	"container/list"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Throttle counts failed logins and refuses more of them for a while (http-core.md
// §17.1). A count begins with the first failure and is forgotten after Span; the failure
// that reaches Limit starts a lock of another Span, after which the count begins anew.
//
// Each node counts in its memory, which is bounded. With Redis all nodes count there,
// too; while it fails, each has its own count.
type Throttle struct {
	Redis *redis.Client // nil: none
	Log   *slog.Logger
	Now   func() time.Time

	mu     sync.Mutex
	counts map[string]*list.Element // of *failures
	byAge  list.List                // oldest first
}

// throttled bounds the counts in memory; a new one drops the oldest. That is a few
// megabytes: who wants to be forgotten early must fail from so many addresses.
const throttled = 1 << 16

// Attempt is what the failures of a login are counted as.
type Attempt struct {
	Key   string
	Limit int
	Span  time.Duration
}

type failures struct {
	key  string
	n    int
	ends time.Time
}

// Attempts are the counts that a login from an address belongs to: that of the address,
// then that of what it asks for there. subject tells those of a kind apart, and may be
// secret.
func Attempts(address, kind, subject string) []Attempt {
	address = block(address)
	own := Attempt{Key: Hash(address + "\x00" + kind + "\x00" + subject), Limit: 5, Span: 15 * time.Minute}
	if kind == "super_admin" {
		own.Limit, own.Span = 3, 30*time.Minute
	}
	return []Attempt{{Key: Hash(address), Limit: 20, Span: 15 * time.Minute}, own}
}

// block is the block of addresses that one client has: 64 bits of IPv6.
func block(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

const throttleKey = "b2b:login:"

// failLogin counts a failure: arguments are the limit and the span in milliseconds.
var failLogin = redis.NewScript(`local n = redis.call('INCR', KEYS[1])
if n == 1 or n == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return n`)

// Wait answers for how long logins of these attempts are refused: 0, not at all.
func (t *Throttle) Wait(ctx context.Context, attempts []Attempt) time.Duration {
	for _, a := range attempts {
		if wait := max(t.locked(a), t.lockedByAll(ctx, a)); wait > 0 {
			return wait
		}
	}
	return 0
}

// Failed counts a login that failed. One that fails while it is locked does not count.
func (t *Throttle) Failed(ctx context.Context, attempts []Attempt) {
	for _, a := range attempts {
		t.count(a)
		if t.Redis == nil {
			continue
		}
		if err := failLogin.Run(ctx, t.Redis, []string{throttleKey + a.Key}, a.Limit, a.Span.Milliseconds()).Err(); err != nil {
			t.failing(ctx, err)
		}
	}
}

// Passed forgets the failures of what was asked for, for it was had in the end; those
// of the address stay.
func (t *Throttle) Passed(ctx context.Context, attempts []Attempt) {
	a := attempts[len(attempts)-1]
	t.mu.Lock()
	t.drop(t.counts[a.Key])
	t.mu.Unlock()
	if t.Redis == nil {
		return
	}
	if err := t.Redis.Del(ctx, throttleKey+a.Key).Err(); err != nil {
		t.failing(ctx, err)
	}
}

func (t *Throttle) failing(ctx context.Context, err error) {
	t.Log.WarnContext(ctx, "Redis does not count failed logins, each node counts alone", "error", err)
}

func (t *Throttle) lockedByAll(ctx context.Context, a Attempt) time.Duration {
	if t.Redis == nil {
		return 0
	}
	var n *redis.StringCmd
	var left *redis.DurationCmd
	_, err := t.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		n, left = p.Get(ctx, throttleKey+a.Key), p.PTTL(ctx, throttleKey+a.Key)
		return nil
	})
	if err == redis.Nil {
		return 0
	}
	if err != nil {
		t.failing(ctx, err)
		return 0
	}
	if failed, err := n.Int(); err != nil || failed < a.Limit {
		return 0
	}
	return left.Val()
}

func (t *Throttle) locked(a Attempt) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.live(a.Key); f != nil && f.n >= a.Limit {
		return f.ends.Sub(t.Now())
	}
	return 0
}

func (t *Throttle) count(a Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.live(a.Key)
	if f == nil {
		if t.counts == nil {
			t.counts = map[string]*list.Element{}
		}
		if t.byAge.Len() >= throttled {
			t.drop(t.byAge.Front())
		}
		f = &failures{key: a.Key, ends: t.Now().Add(a.Span)}
		t.counts[a.Key] = t.byAge.PushBack(f)
	}
	if f.n++; f.n == a.Limit {
		f.ends = t.Now().Add(a.Span)
		t.byAge.MoveToBack(t.counts[a.Key])
	}
}

// live is the count of a key unless its time is over; mu is held.
func (t *Throttle) live(key string) *failures {
	e := t.counts[key]
	if e == nil {
		return nil
	}
	f := e.Value.(*failures)
	if !f.ends.After(t.Now()) {
		t.drop(e)
		return nil
	}
	return f
}

func (t *Throttle) drop(e *list.Element) {
	if e != nil {
		delete(t.counts, t.byAge.Remove(e).(*failures).key)
	}
}
