package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	flushEvery   = time.Second
	flushTimeout = 5 * time.Second // how long Close waits for the store
)

// activity collects in memory which credentials were used, until [Authenticator.flush]
// writes it to the store.
type activity struct {
	mu      sync.Mutex
	pending *batch
	writing *batch // taken by flush and not yet written; nil: no flush is running
	flush   sync.Mutex
}

// batch is the activity since the last flush. Times are Unix milliseconds.
type batch struct {
	bots     map[string]callTimes
	tokens   map[string]callTimes
	sessions map[string]extension
}

// callTimes are the times of a bot's or token's latest call and of the call before it.
type callTimes struct{ at, before int64 }

// extension is the new expiry of a session of an org.
type extension struct {
	org     string
	expires int64
}

func newBatch() *batch {
	return &batch{bots: map[string]callTimes{}, tokens: map[string]callTimes{}, sessions: map[string]extension{}}
}

func (b *batch) empty() bool { return len(b.bots)+len(b.tokens)+len(b.sessions) == 0 }

// touch records a call of a bot; token is the scoped token that was used, or empty.
func (m *activity) touch(bot, token string, now int64) {
	m.mu.Lock()
	m.pending.bots[bot] = callTimes{at: now, before: m.pending.bots[bot].at}
	if token != "" {
		m.pending.tokens[token] = callTimes{at: now, before: m.pending.tokens[token].at}
	}
	m.mu.Unlock()
}

// extend records that a session expires later.
func (m *activity) extend(hash, org string, expires int64) {
	m.mu.Lock()
	m.pending.sessions[hash] = extension{org: org, expires: expires}
	m.mu.Unlock()
}

// extension returns the expiry of a session's extension that is not written yet, or 0.
func (m *activity) extension(hash string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	expires := m.pending.sessions[hash].expires
	if m.writing != nil {
		expires = max(expires, m.writing.sessions[hash].expires)
	}
	return expires
}

// LastSeen returns the time of the call before a bot's latest call, in Unix milliseconds, or 0
// when the store already has it. The latest call is left out so that a bot that reads its own
// profile sees its previous call and not the current one (B2B-AUTH-010). Other callers see the
// latest call within a second, once it is written.
func (a *Authenticator) LastSeen(bot string) int64 {
	return a.activity.before(bot, func(b *batch) map[string]callTimes { return b.bots })
}

// LastUsed is LastSeen for scoped tokens.
func (a *Authenticator) LastUsed(token string) int64 {
	return a.activity.before(token, func(b *batch) map[string]callTimes { return b.tokens })
}

// before returns the time of the call before the latest one, or 0 if it is not in memory.
func (m *activity) before(id string, of func(*batch) map[string]callTimes) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	latest, called := of(m.pending)[id]
	if latest.before != 0 || m.writing == nil {
		return latest.before
	}
	written := of(m.writing)[id]
	if called {
		return written.at
	}
	return written.before
}

// Run writes the activity to the store once a second until ctx ends. What cannot be written stays
// for the next time; that is logged at most once a minute.
func (a *Authenticator) Run(ctx context.Context) error {
	return a.unwritten.Repeat(ctx, flushEvery, "written", a.flush)
}

// Close removes the commit hook from the store and writes the remaining activity.
func (a *Authenticator) Close() error {
	a.unhook()
	if a.tops != nil {
		a.tops.tasks.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := a.flush(ctx); err != nil {
		return fmt.Errorf("write the remaining last-seen times: %w", err)
	}
	return nil
}

// flush writes the pending activity. What cannot be written stays pending.
func (a *Authenticator) flush(ctx context.Context) error {
	m := &a.activity
	m.flush.Lock()
	defer m.flush.Unlock()

	m.mu.Lock()
	b := m.pending
	if b.empty() {
		m.mu.Unlock()
		return nil
	}
	m.pending, m.writing = newBatch(), b
	m.mu.Unlock()

	failed, err := a.write(ctx, b)
	m.mu.Lock()
	m.writing = nil
	m.pending.restore(failed)
	m.mu.Unlock()
	return err
}

// write writes a batch and returns the part that could not be written.
func (a *Authenticator) write(ctx context.Context, b *batch) (*batch, error) {
	failed := newBatch()
	var errs []error
	if len(b.bots) > 0 {
		bots, tokens := latest(b.bots), latest(b.tokens)
		err := a.store.Update(ctx, "", func(tx Tx) error {
			if err := tx.TouchBots(ctx, bots); err != nil {
				return err
			}
			return tx.TouchTokens(ctx, tokens)
		})
		if err != nil {
			failed.bots, failed.tokens = b.bots, b.tokens
			errs = append(errs, fmt.Errorf("touch bots and tokens: %w", err))
		}
	}
	orgs := make(map[string]map[string]int64)
	for hash, e := range b.sessions {
		if orgs[e.org] == nil {
			orgs[e.org] = make(map[string]int64)
		}
		orgs[e.org][hash] = e.expires
	}
	for org, sessions := range orgs {
		err := a.store.Update(ctx, org, func(tx Tx) error {
			for hash, expires := range sessions {
				if err := tx.ExtendSession(ctx, hash, expires); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			for hash := range sessions {
				failed.sessions[hash] = b.sessions[hash]
			}
			errs = append(errs, fmt.Errorf("extend sessions: %w", err))
		}
	}
	return failed, errors.Join(errs...)
}

func latest(times map[string]callTimes) map[string]int64 {
	at := make(map[string]int64, len(times))
	for id, m := range times {
		at[id] = m.at
	}
	return at
}

// restore merges the unwritten part of an older batch into b; newer times take precedence.
func (b *batch) restore(older *batch) {
	restoreTimes(b.bots, older.bots)
	restoreTimes(b.tokens, older.tokens)
	for hash, e := range older.sessions {
		if e.expires > b.sessions[hash].expires {
			b.sessions[hash] = e
		}
	}
}

func restoreTimes(into, older map[string]callTimes) {
	for id, o := range older {
		m, called := into[id]
		switch {
		case !called:
			into[id] = o
		case m.before == 0:
			into[id] = callTimes{at: m.at, before: o.at}
		}
	}
}
