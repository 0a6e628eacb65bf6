package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/searchtext"
	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	// gather is the time between two rounds, so that what is committed meanwhile is indexed together: a
	// change with more documents has fewer rows for each. Under load it is most of the time between a
	// commit and its being found (B2B-SRCH-020). soon is how long the first commit waits for others.
	gather = 400 * time.Millisecond
	soon   = 20 * time.Millisecond
	// look is how often a node looks for indexes that nobody works on: after a crash, or a change
	// that it did not hear of.
	look = 5 * time.Second
	// orgsAtOnce is how many of them it finds at once.
	orgsAtOnce = 256
	// othersTime is how long a node leaves an index alone that another one works on.
	othersTime = 500 * time.Millisecond
	// maxEvents and maxDocs bound the events and documents of a change, and maxTokens its different
	// tokens, beyond those of the last documents. On SQLite other changes wait for it, for some
	// milliseconds.
	maxEvents = 4096
	maxDocs   = 4096
	maxTokens = 1 << 16
)

// Config holds what an Indexer needs.
type Config struct {
	Store Store
	Node  *node.Node
	Log   *slog.Logger
	Now   func() time.Time // nil: time.Now
	// Pace makes merges, and indexes that are made anew, use half of the time at most.
	Pace bool
}

// Indexer keeps the indexes of all orgs, together with those of other nodes. Run starts it.
type Indexer struct {
	Config
	wake chan struct{}
	tail tail

	mu    sync.Mutex
	dirty map[string]struct{} // orgs with commits that are not indexed

	// Used by the goroutine of Run, or by the caller of Step, alone.
	orgs  map[string]*progress
	build *searchindex.Builder
	split searchtext.Splitter
	// What the last round left: more events than a change takes; segments to merge, or an index that is
	// made anew.
	behind, tidying bool
}

// progress is what an Indexer keeps of an org while it works on it.
type progress struct {
	seen     int64 // events up to this one are indexed, or name nothing that is searched
	saved    time.Time
	busy     time.Time // another node works on it: when to look again
	followed time.Time // when events were indexed last
	tidying  bool      // there are segments to merge
	merge    *merge
	channels []string // to be collected next
	sweep    bool     // documents may have been removed
	swept    int64    // they were looked for up to this document
}

// New returns an Indexer.
func New(c Config) *Indexer {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Indexer{
		Config: c, wake: make(chan struct{}, 1), tail: tail{orgs: map[string][]store.Event{}}, dirty: map[string]struct{}{},
		orgs: map[string]*progress{}, build: searchindex.NewBuilder(),
	}
}

// Run keeps the indexes until ctx ends. A failure is logged, and tried again.
func (x *Indexer) Run(ctx context.Context) error {
	remove := x.Store.OnCommit(func(org string, events []store.Event) {
		if org != "" {
			x.tail.add(org, events)
			x.mark(org)
		}
	})
	defer remove()
	poll := time.NewTicker(look)
	defer poll.Stop()
	x.lookAround(ctx)
	var last time.Time // when a round began
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			x.lookAround(ctx)
		case <-x.wake:
			if !x.behind && !x.tidying && !pause(ctx, max(gather-time.Since(last), soon)) {
				return nil
			}
			last = time.Now()
			x.round(ctx)
		}
	}
}

// mark notes that an org has something to index.
func (x *Indexer) mark(org string) {
	x.mu.Lock()
	x.dirty[org] = struct{}{}
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// lookAround marks the orgs that are behind.
func (x *Indexer) lookAround(ctx context.Context) {
	for after := ""; ; {
		orgs, err := x.Store.SearchBehind(ctx, after, orgsAtOnce)
		if err != nil {
			if ctx.Err() == nil {
				x.Log.ErrorContext(ctx, "cannot find the orgs with a search index that is behind", "error", err)
			}
			return
		}
		for _, org := range orgs {
			x.mark(org)
		}
		if len(orgs) < orgsAtOnce {
			return
		}
		after = orgs[len(orgs)-1]
	}
}

// round does a step for each org that is marked.
func (x *Indexer) round(ctx context.Context) {
	x.mu.Lock()
	dirty := x.dirty
	x.dirty = map[string]struct{}{}
	x.mu.Unlock()
	x.behind, x.tidying = false, false
	for org := range dirty {
		if ctx.Err() != nil {
			return
		}
		more, err := x.Step(ctx, org)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			delete(x.orgs, org) // the index is read again; the next look marks the org
			x.Log.ErrorContext(ctx, "the search index of an org could not be brought up to date and is tried again", "org", org, "error", err)
		case more:
			x.mark(org)
		}
	}
}

// errOthers reports that another node works on the index, or has just done so.
var errOthers = errors.New("search: another node works on this index")

// Step does the next piece of work on the index of an org, which is one change or a few. It reports
// whether there is more to do.
func (x *Indexer) Step(ctx context.Context, org string) (more bool, err error) {
	p := x.orgs[org]
	if p == nil {
		p = &progress{}
		x.orgs[org] = p
	}
	if x.Now().Before(p.busy) {
		return true, nil
	}
	st, err := x.Store.SearchState(ctx, org)
	switch {
	case errors.Is(err, store.ErrNotFound):
		st, err = x.create(ctx, org)
		if errors.Is(err, errEnded) {
			delete(x.orgs, org)
			return false, nil
		}
		if err != nil {
			return false, err
		}
	case err != nil:
		return false, fmt.Errorf("read the state of the index: %w", err)
	}
	begun := x.Now()
	behind := false  // more events wait than a change takes
	waiting := false // events may wait
	if err = x.claim(ctx, st); err == nil {
		switch {
		case st.Stage != "":
			more, err = x.rebuild(ctx, st, p)
		case x.Pace && p.tidying && begun.Sub(p.followed) < gather: // events gather meanwhile
			more, err = x.maintain(ctx, st, p)
			waiting = true
		default:
			p.followed = begun
			if behind, err = x.follow(ctx, st, p); err == nil && st.Stage == "" {
				more, err = x.maintain(ctx, st, p)
			}
		}
		p.tidying = more
	}
	switch {
	case errors.Is(err, errOthers):
		*p = progress{busy: x.Now().Add(othersTime)}
		return true, nil // it may leave before it has indexed what this node knows of
	case errors.Is(err, errEnded):
		delete(x.orgs, org)
		return false, nil
	case err != nil:
		delete(x.orgs, org) // a merge is begun again
		return false, err
	}
	x.behind, x.tidying = x.behind || behind, x.tidying || more
	if more && !behind && x.Pace && !pause(ctx, x.Now().Sub(begun)) { // others come first
		return false, ctx.Err()
	}
	return more || behind || waiting, nil
}

// errEnded reports that the org does not exist any more.
var errEnded = errors.New("search: the org has ended")

// alive returns errEnded for an org that was destroyed.
func alive(ctx context.Context, tx Tx, org string) error {
	o, err := tx.Org(ctx, org)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.Status == store.OrgDestroyed {
		return errEnded
	}
	return err
}

// create adds the state of an org without an index.
func (x *Indexer) create(ctx context.Context, org string) (st *store.SearchState, err error) {
	top, err := x.Store.LogTop(ctx, org)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errEnded
	} else if err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	err = x.Store.Update(ctx, store.SearchOf(org), func(tx Tx) error {
		if err := alive(ctx, tx, org); err != nil {
			return err
		}
		st, err = tx.SearchState(ctx, org)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		st = &store.SearchState{OrgID: org, Seq: top.Seq, Epoch: 1, Stage: stageCollect}
		return tx.PutSearchState(ctx, st)
	})
	if err != nil {
		return nil, fmt.Errorf("begin the index: %w", err)
	}
	return st, nil
}

// change makes a change of the index, which must be as st says. fn sets the next state; its Node is
// set by change: this node while there is more to do, else none.
func (x *Indexer) change(ctx context.Context, st *store.SearchState, more bool, fn func(tx Tx, next *store.SearchState) error) error {
	next := *st
	err := x.Store.Update(ctx, store.SearchOf(st.OrgID), func(tx Tx) error {
		if err := alive(ctx, tx, st.OrgID); err != nil {
			return err
		}
		if !x.Node.Single {
			ok, err := tx.ClaimSearch(ctx, st.OrgID, x.Node.ID, x.Node.Live())
			if err != nil {
				return err
			}
			if !ok {
				return errOthers
			}
		}
		now, err := tx.SearchState(ctx, st.OrgID)
		if err != nil {
			return err
		}
		now.Node = st.Node
		if *now != *st {
			return errOthers
		}
		next = *st
		if err := fn(tx, &next); err != nil {
			return err
		}
		if next.Node = ""; more && !x.Node.Single {
			next.Node = x.Node.ID
		}
		return tx.PutSearchState(ctx, &next)
	})
	if err == nil {
		*st = next
	}
	return err
}

// claim returns errOthers while another live node works on an index. It saves the work of a change
// that would be refused.
func (x *Indexer) claim(ctx context.Context, st *store.SearchState) error {
	if x.Node.Single || st.Node == "" || st.Node == x.Node.ID {
		return nil
	}
	ok := false
	err := x.Store.Update(ctx, store.SearchOf(st.OrgID), func(tx Tx) (err error) {
		ok, err = tx.ClaimSearch(ctx, st.OrgID, x.Node.ID, x.Node.Live())
		return err
	})
	if err != nil {
		return fmt.Errorf("claim the index: %w", err)
	}
	if !ok {
		return errOthers
	}
	st.Node = x.Node.ID
	return nil
}

// pause waits. It reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Reset begins to make the index of an org anew.
func (x *Indexer) Reset(ctx context.Context, org string) error {
	delete(x.orgs, org)
	err := x.Store.Update(ctx, store.SearchOf(org), func(tx Tx) error {
		if err := alive(ctx, tx, org); err != nil {
			return err
		}
		st, err := tx.SearchState(ctx, org)
		if errors.Is(err, store.ErrNotFound) {
			return nil // it has none yet
		} else if err != nil {
			return err
		}
		return tx.PutSearchState(ctx, &store.SearchState{OrgID: org, Epoch: st.Epoch + 1, Stage: stageClear})
	})
	if err != nil && !errors.Is(err, errEnded) {
		return fmt.Errorf("begin the index of org %s anew: %w", org, err)
	}
	return nil
}
