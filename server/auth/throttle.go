package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// Throttle counts failed logins and refuses more of them for a while (B2B-AUTH-048,
// B2B-AUTH-049). A count begins with the first failure and is forgotten after Span; the
// failure that reaches Limit starts a lock of another Span, after which the count begins anew.
//
// The counts are kept in the store: all nodes count together, and a restart forgets
// none.
type Throttle struct {
	Store store.Store
	Now   func() time.Time
}

// Attempt is what the failures of a login are counted as.
type Attempt struct {
	Key   string
	Limit int
	Span  time.Duration
}

// Attempts are the counts that a login from an address belongs to: that of the address,
// then that of what it asks for there. subject separates those of a kind, and may be
// secret.
//
// relayed says that the login came through a proxy that is not believed, so that the address
// is that of many clients. They count apart from those who connect from there themselves: so
// strangers behind a proxy on the server's own machine do not lock an operator out there
// (B2B-AUTH-081).
func Attempts(address string, relayed bool, kind, subject string) []Attempt {
	if address = call.AddressBlock(address); relayed {
		address += " relayed"
	}
	own := Attempt{Key: Hash(address + "\x00" + kind + "\x00" + subject), Limit: 5, Span: 15 * time.Minute}
	if kind == "super_admin" || kind == "health" { // both ask for the admin secret
		own.Limit, own.Span = 3, 30*time.Minute
	}
	return []Attempt{{Key: Hash(address), Limit: 20, Span: 15 * time.Minute}, own}
}

// Wait answers for how long logins of these attempts are refused: 0, not at all.
func (t *Throttle) Wait(ctx context.Context, attempts []Attempt) (time.Duration, error) {
	counts, err := failures(ctx, t.Store, attempts)
	return locked(counts, attempts, t.Now().UnixMilli()), err
}

// Failed counts a login that failed, unless others that failed at the same time have
// locked it: that one does not count, and has to wait as Wait says.
func (t *Throttle) Failed(ctx context.Context, attempts []Attempt) (wait time.Duration, err error) {
	err = t.Store.Update(ctx, "", func(tx store.Tx) error {
		counts, err := failures(ctx, tx, attempts)
		if err != nil {
			return err
		}
		now := t.Now().UnixMilli()
		if wait = locked(counts, attempts, now); wait > 0 {
			return nil
		}
		for _, a := range attempts {
			f := counts[a.Key]
			if over(f, a, now) {
				f = store.LoginFailures{Key: a.Key, EndsAt: now + a.Span.Milliseconds()}
			}
			if f.Failed++; f.Failed == int64(a.Limit) {
				f.EndsAt = now + a.Span.Milliseconds()
			}
			if err := tx.PutLoginFailures(ctx, &f); err != nil {
				return fmt.Errorf("count a failed login: %w", err)
			}
		}
		return nil
	})
	return wait, err
}

// Passed forgets the failures of what was asked for, for it was had in the end; those
// of the address stay.
func (t *Throttle) Passed(ctx context.Context, attempts []Attempt) error {
	own := attempts[len(attempts)-1]
	counts, err := failures(ctx, t.Store, []Attempt{own})
	if err != nil || len(counts) == 0 {
		return err
	}
	err = t.Store.Update(ctx, "", func(tx store.Tx) error { return tx.DeleteLoginFailures(ctx, own.Key) })
	if err != nil {
		return fmt.Errorf("forget failed logins: %w", err)
	}
	return nil
}

func failures(ctx context.Context, r store.LoginFailureReader, attempts []Attempt) (map[string]store.LoginFailures, error) {
	keys := make([]string, len(attempts))
	for i, a := range attempts {
		keys[i] = a.Key
	}
	rows, err := r.LoginFailures(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read failed logins: %w", err)
	}
	out := make(map[string]store.LoginFailures, len(rows))
	for _, f := range rows {
		out[f.Key] = f
	}
	return out, nil
}

// clockSkew is how far the clocks of nodes may be apart.
const clockSkew = 10 * time.Second

// over reports whether a count has ended: by its time, or because it would end later than
// one that began now, so that it is from before the clock was put back (B2B-LIFE-020).
func over(f store.LoginFailures, a Attempt, now int64) bool {
	return f.EndsAt <= now || f.EndsAt > now+(a.Span+clockSkew).Milliseconds()
}

// locked is for how long the attempts are refused by these counts: until the last of
// their locks ends.
func locked(counts map[string]store.LoginFailures, attempts []Attempt, now int64) time.Duration {
	var wait int64
	for _, a := range attempts {
		if f := counts[a.Key]; f.Failed >= int64(a.Limit) && !over(f, a, now) {
			wait = max(wait, f.EndsAt-now)
		}
	}
	return time.Duration(wait) * time.Millisecond
}
