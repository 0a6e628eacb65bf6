package store

import (
	"context"
	"sync/atomic"
)

// Moment is a time in the order of the changes of this process.
type Moment uint64

// Changes are the bots that a commit may have changed.
type Changes struct {
	Bots    []string // ids
	AllBots bool     // any bot of the org, or without an org, of any
}

// Reads collects which tables were read, of which Tables is a set.
type Reads struct{ tables atomic.Uint64 }

type readsKey struct{}

// WithReads returns a context. The reads with it are added to the Reads.
func WithReads(ctx context.Context) (context.Context, *Reads) {
	r := new(Reads)
	return context.WithValue(ctx, readsKey{}, r), r
}

// ReadsOf returns the Reads of a context, or nil. It is for implementations of Store.
func ReadsOf(ctx context.Context) *Reads {
	r, _ := ctx.Value(readsKey{}).(*Reads)
	return r
}

// Add adds a set of tables, as bits that the implementation of Store gives a meaning.
func (r *Reads) Add(tables uint64) { r.tables.Or(tables) }

// Tables returns the tables that were added.
func (r *Reads) Tables() uint64 { return r.tables.Load() }
