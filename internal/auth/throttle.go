package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Throttle counts failed logins and refuses more of them for a while (B2B-AUTH-048,
// B2B-AUTH-049). A count starts with the first failure and is dropped after Span. The failure
// that reaches Limit starts a lock of another Span, after which the count starts at 0.
//
// The counts are rows of the store, so that all nodes share them and a restart keeps them.
type Throttle struct {
	Store ThrottleStore
	Now   func() time.Time
}

// Attempt is one count of failed logins and its limit.
type Attempt struct {
	Key   string
	Limit int
	Span  time.Duration
}

// Attempts returns the two counts of a login: that of the client's address, and that of the
// address together with kind and subject. subject is what the login is for, such as an org's
// id; it may be secret, since only its hash is stored.
//
// relayed reports that the login came through a proxy that is not trusted, so that the address
// is shared by many clients. These are counted apart from clients that connect directly:
// otherwise strangers behind a proxy on the server's own machine could lock out an operator
// who works there (B2B-AUTH-081).
func Attempts(address string, relayed bool, kind, subject string) []Attempt {
	if address = call.AddressBlock(address); relayed {
		address += " relayed"
	}
	own := Attempt{Key: Hash(address + "\x00" + kind + "\x00" + subject), Limit: 5, Span: 15 * time.Minute}
	if kind == "super_admin" || kind == "health" { // both take the admin secret
		own.Limit, own.Span = 3, 30*time.Minute
	}
	return []Attempt{{Key: Hash(address), Limit: 20, Span: 15 * time.Minute}, own}
}

// Wait returns for how long logins of these attempts are still refused; 0: they are not.
func (t *Throttle) Wait(ctx context.Context, attempts []Attempt) (time.Duration, error) {
	counts, err := failures(ctx, t.Store, attempts)
	return lockTime(counts, attempts, t.Now().UnixMilli()), err
}

// Failed counts a failed login. If concurrent failures have started a lock meanwhile, it counts
// nothing and returns the time left of the lock, as Wait does.
func (t *Throttle) Failed(ctx context.Context, attempts []Attempt) (wait time.Duration, err error) {
	err = t.Store.Update(ctx, "", func(tx ThrottleTx) error {
		counts, err := failures(ctx, tx, attempts)
		if err != nil {
			return err
		}
		now := t.Now().UnixMilli()
		if wait = lockTime(counts, attempts, now); wait > 0 {
			return nil
		}
		for _, a := range attempts {
			f := counts[a.Key]
			if expired(f, a, now) {
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

// Passed drops the count of failures of the address together with what the login was for, after
// a login that succeeded. The count of the address alone stays.
func (t *Throttle) Passed(ctx context.Context, attempts []Attempt) error {
	own := attempts[len(attempts)-1]
	counts, err := failures(ctx, t.Store, []Attempt{own})
	if err != nil || len(counts) == 0 {
		return err
	}
	err = t.Store.Update(ctx, "", func(tx ThrottleTx) error { return tx.DeleteLoginFailures(ctx, own.Key) })
	if err != nil {
		return fmt.Errorf("delete the count of failed logins: %w", err)
	}
	return nil
}

func failures(ctx context.Context, r failureReader, attempts []Attempt) (map[string]store.LoginFailures, error) {
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

// clockSkew is the largest tolerated difference between the clocks of two nodes.
const clockSkew = 10 * time.Second

// expired reports whether a count no longer applies: its end has passed, or is later than the
// end of a count that starts now. The latter happens when the clock was put back, and the count
// is then dropped (B2B-LIFE-020).
func expired(f store.LoginFailures, a Attempt, now int64) bool {
	return f.EndsAt <= now || f.EndsAt > now+(a.Span+clockSkew).Milliseconds()
}

// lockTime returns the time until the last lock of these counts ends; 0: none is locked.
func lockTime(counts map[string]store.LoginFailures, attempts []Attempt, now int64) time.Duration {
	var wait int64
	for _, a := range attempts {
		if f := counts[a.Key]; f.Failed >= int64(a.Limit) && !expired(f, a, now) {
			wait = max(wait, f.EndsAt-now)
		}
	}
	return time.Duration(wait) * time.Millisecond
}
