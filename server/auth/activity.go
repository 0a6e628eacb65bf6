package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const (
	flushEvery = time.Second
	flushTime  = 5 * time.Second // how long Close waits for the store
)

// activity has the times of calls that are not in the store yet.
type activity struct {
	mu      sync.Mutex
	pending *batch
	writing *batch // what flush is writing; nil: nothing
	flush   sync.Mutex
}

// batch is the activity since the last flush. Times are Unix milliseconds.
type batch struct {
	bots     map[string]calls
	tokens   map[string]calls
	sessions map[string]extension
}

// calls are the times of the latest call and of the one before it; 0: none.
type calls struct{ at, before int64 }

type extension struct {
	org     string
	expires int64
}

func newBatch() *batch {
	return &batch{bots: map[string]calls{}, tokens: map[string]calls{}, sessions: map[string]extension{}}
}

func (b *batch) empty() bool { return len(b.bots)+len(b.tokens)+len(b.sessions) == 0 }

// touch notes that a bot called, with a scoped token unless that is empty.
func (m *activity) touch(bot, token string, now int64) {
	m.mu.Lock()
	m.pending.bots[bot] = calls{at: now, before: m.pending.bots[bot].at}
	if token != "" {
		m.pending.tokens[token] = calls{at: now, before: m.pending.tokens[token].at}
	}
	m.mu.Unlock()
}

// extend notes that a session now ends at expires.
func (m *activity) extend(hash, org string, expires int64) {
	m.mu.Lock()
	m.pending.sessions[hash] = extension{org: org, expires: expires}
	m.mu.Unlock()
}

// extension returns the end of a session by an extension that is not written yet, or 0.
func (m *activity) extension(hash string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	expires := m.pending.sessions[hash].expires
	if m.writing != nil {
		expires = max(expires, m.writing.sessions[hash].expires)
	}
	return expires
}

// LastSeen returns the time of the call before a bot's latest one, in Unix milliseconds, or 0
// when the store has it. A bot that reads its own profile so sees its previous call and not
// this one (B2B-AUTH-010). Others see the latest call within a second.
func (a *Authenticator) LastSeen(bot string) int64 {
	return a.activity.before(bot, func(b *batch) map[string]calls { return b.bots })
}

// LastUsed is LastSeen for scoped tokens.
func (a *Authenticator) LastUsed(token string) int64 {
	return a.activity.before(token, func(b *batch) map[string]calls { return b.tokens })
}

func (m *activity) before(id string, of func(*batch) map[string]calls) int64 {
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

// Run writes the activity once a second until ctx ends. A failed write is logged and repeated
// with the next one, so activity is lost only when the store fails until Close.
func (a *Authenticator) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.flush(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "the times of calls could not be written", "error", err)
			}
		}
	}
}

// Close writes what is left and stops listening to the store.
func (a *Authenticator) Close() error {
	a.unhook()
	if a.confirm != nil {
		a.confirm.tasks.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := a.flush(ctx); err != nil {
		return fmt.Errorf("write the last times of calls: %w", err)
	}
	return nil
}

// flush writes what is pending. What could not be written stays pending.
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

// write writes a batch and returns what it could not write.
func (a *Authenticator) write(ctx context.Context, b *batch) (*batch, error) {
	failed := newBatch()
	var errs []error
	if len(b.bots) > 0 {
		bots, tokens := latest(b.bots), latest(b.tokens)
		err := a.store.Update(ctx, "", func(tx store.Tx) error {
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
		err := a.store.Update(ctx, org, func(tx store.Tx) error {
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

func latest(all map[string]calls) map[string]int64 {
	at := make(map[string]int64, len(all))
	for id, m := range all {
		at[id] = m.at
	}
	return at
}

// restore merges what could not be written of an older batch.
func (b *batch) restore(older *batch) {
	restoreCalls(b.bots, older.bots)
	restoreCalls(b.tokens, older.tokens)
	for hash, e := range older.sessions {
		if e.expires > b.sessions[hash].expires {
			b.sessions[hash] = e
		}
	}
}

func restoreCalls(into, older map[string]calls) {
	for id, o := range older {
		m, called := into[id]
		switch {
		case !called:
			into[id] = o
		case m.before == 0:
			into[id] = calls{at: m.at, before: o.at}
		}
	}
}
