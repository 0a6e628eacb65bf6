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

// marks notes who was there, until it is written.
type marks struct {
	mu      sync.Mutex
	pending *batch
	writing *batch // what Flush has taken and not yet written; nil: nothing
	flush   sync.Mutex
}

// batch is what was noted since the last flush. Times are Unix milliseconds.
type batch struct {
	bots     map[string]mark
	tokens   map[string]mark
	sessions map[string]extension
}

// mark is when somebody last called, and when they had called before that.
type mark struct{ at, before int64 }

type extension struct {
	org     string
	expires int64
}

func newBatch() *batch {
	return &batch{bots: map[string]mark{}, tokens: map[string]mark{}, sessions: map[string]extension{}}
}

func (b *batch) empty() bool { return len(b.bots)+len(b.tokens)+len(b.sessions) == 0 }

// touch notes that a bot called, with a scoped token unless that is empty.
func (m *marks) touch(bot, token string, now int64) {
	m.mu.Lock()
	m.pending.bots[bot] = mark{at: now, before: m.pending.bots[bot].at}
	if token != "" {
		m.pending.tokens[token] = mark{at: now, before: m.pending.tokens[token].at}
	}
	m.mu.Unlock()
}

// extend notes that a session now lives until expires.
func (m *marks) extend(hash, org string, expires int64) {
	m.mu.Lock()
	m.pending.sessions[hash] = extension{org: org, expires: expires}
	m.mu.Unlock()
}

// extension is until when an unwritten extension lets a session live, or 0.
func (m *marks) extension(hash string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	expires := m.pending.sessions[hash].expires
	if m.writing != nil {
		expires = max(expires, m.writing.sessions[hash].expires)
	}
	return expires
}

// LastSeen answers when a bot called before its latest call, if that is not written yet: Unix
// milliseconds, or 0. Leaving out the latest call is what makes a bot that asks about itself
// see its previous call and not the asking (B2B-AUTH-010); others see the latest within a
// second.
func (a *Authenticator) LastSeen(bot string) int64 {
	return a.marks.before(bot, func(b *batch) map[string]mark { return b.bots })
}

// LastUsed is the same for scoped tokens.
func (a *Authenticator) LastUsed(token string) int64 {
	return a.marks.before(token, func(b *batch) map[string]mark { return b.tokens })
}

func (m *marks) before(id string, of func(*batch) map[string]mark) int64 {
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

// Run writes the marks once a second until ctx ends. Only store failures that persist lose marks; each is logged, and tried
// again with the next.
func (a *Authenticator) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.flush(ctx); err != nil && ctx.Err() == nil {
				a.log.ErrorContext(ctx, "marks of calls were not written", "error", err)
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
		return fmt.Errorf("write the last marks of calls: %w", err)
	}
	return nil
}

// flush writes what is pending. What cannot be written stays pending.
func (a *Authenticator) flush(ctx context.Context) error {
	m := &a.marks
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

// write answers what it could not write.
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

func latest(marks map[string]mark) map[string]int64 {
	at := make(map[string]int64, len(marks))
	for id, m := range marks {
		at[id] = m.at
	}
	return at
}

// restore takes back what an older batch could not write.
func (b *batch) restore(older *batch) {
	restoreMarks(b.bots, older.bots)
	restoreMarks(b.tokens, older.tokens)
	for hash, e := range older.sessions {
		if e.expires > b.sessions[hash].expires {
			b.sessions[hash] = e
		}
	}
}

func restoreMarks(into, older map[string]mark) {
	for id, o := range older {
		m, called := into[id]
		switch {
		case !called:
			into[id] = o
		case m.before == 0:
			into[id] = mark{at: m.at, before: o.at}
		}
	}
}
