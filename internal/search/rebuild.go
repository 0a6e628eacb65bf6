package search

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

// The stages of making an index anew.
const (
	stageClear   = "clear"
	stageCollect = "collect"
	stageLog     = "log"
	stageFill    = "fill"
)

const (
	// clearRows and collectRows bound the rows of a change.
	clearRows   = 4000
	collectRows = 1000
	// scopesAtOnce is how many threads or channels are listed at once.
	scopesAtOnce = 2000
)

// rebuild does the next step of making an index anew. It reports whether there is more to do.
func (x *Indexer) rebuild(ctx context.Context, st *store.SearchState, p *progress) (more bool, err error) {
	switch st.Stage {
	case stageClear:
		err = x.clear(ctx, st)
	case stageCollect:
		err = x.collect(ctx, st, p)
	case stageLog:
		err = x.collectLog(ctx, st)
	case stageFill:
		err = x.fill(ctx, st, p)
	default:
		return false, fmt.Errorf("the stage %q is not known: is there a newer node?", st.Stage)
	}
	return true, err
}

func (x *Indexer) clear(ctx context.Context, st *store.SearchState) error {
	top, err := x.Store.LogTop(ctx, st.OrgID)
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	return x.change(ctx, st, true, func(tx Tx, next *store.SearchState) error {
		n, err := tx.ClearSearch(ctx, st.OrgID, clearRows)
		if err == nil && n < clearRows {
			next.Docs, next.Seq, next.Stage, next.Place = 0, top.Seq, stageCollect, ""
		}
		return err
	})
}

// place is where the collection is. The kinds are collected in the order of collected.
type place struct {
	Step int // index of collected
	// Scope is the thread or channel that is being read, and Inside what of it.
	Scope  string
	Inside store.SearchKind
	// Order and ID are of the last entry of what is being read, and ListOrder and ListID of the last
	// thread or channel.
	Order, ListOrder int64
	ID, ListID       string
}

// The steps of the collection.
const (
	stepBots = iota
	stepFiles
	stepThreads
	stepChannels
	stepEnd
)

// collect adds entries to what is to be indexed.
func (x *Indexer) collect(ctx context.Context, st *store.SearchState, p *progress) error {
	var at place
	if st.Place == "" {
		at.Order, at.ListOrder = store.TimeBeginning, store.TimeBeginning
	} else if err := json.Unmarshal([]byte(st.Place), &at); err != nil {
		return fmt.Errorf("the place %q is malformed: %w", st.Place, err)
	}
	var entries []store.SearchEntry
	for n := 0; len(entries) < collectRows && at.Step < stepEnd && n < collectRows; n++ {
		more, err := x.next(ctx, st.OrgID, &at, p)
		if err != nil {
			return err
		}
		entries = append(entries, more...)
	}
	text, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("encode the place: %w", err)
	}
	return x.change(ctx, st, true, func(tx Tx, next *store.SearchState) error {
		if next.Place = string(text); at.Step == stepEnd {
			next.Stage, next.Place = stageLog, ""
		}
		return tx.PutSearchTodo(ctx, entries)
	})
}

// next reads the next entries, and moves the place.
func (x *Indexer) next(ctx context.Context, org string, at *place, p *progress) ([]store.SearchEntry, error) {
	read := func(kind store.SearchKind, scope string, order *int64, id *string, limit int) ([]store.SearchEntry, error) {
		entries, err := x.Store.SearchEntries(ctx, org, kind, scope, store.SearchEntry{Order: *order, ID: *id}, limit)
		if err != nil {
			return nil, fmt.Errorf("list what is to be indexed: %w", err)
		}
		if len(entries) > 0 {
			*order, *id = entries[len(entries)-1].Order, entries[len(entries)-1].ID
		}
		return entries, nil
	}
	step := func(n int) {
		*at = place{Step: n, Order: store.TimeBeginning, ListOrder: store.TimeBeginning}
	}
	switch {
	case at.Scope != "":
		entries, err := read(at.Inside, at.Scope, &at.Order, &at.ID, collectRows)
		if err == nil && len(entries) < collectRows {
			at.Order, at.ID = store.TimeBeginning, ""
			if at.Inside == store.SearchThreadMessage {
				at.Inside = store.SearchArtifact
			} else {
				at.Scope = ""
			}
		}
		return entries, err
	case at.Step == stepBots, at.Step == stepFiles:
		kind := store.SearchBot
		if at.Step == stepFiles {
			kind = store.SearchFile
		}
		entries, err := read(kind, "", &at.Order, &at.ID, collectRows)
		if err == nil && len(entries) < collectRows {
			step(at.Step + 1)
		}
		return entries, err
	case at.Step == stepThreads:
		entries, err := read(store.SearchThread, "", &at.ListOrder, &at.ListID, 1)
		if err == nil && len(entries) == 0 {
			step(stepChannels)
		} else if err == nil {
			at.Scope, at.Inside = at.ListID, store.SearchThreadMessage
		}
		return entries, err
	}
	if len(p.channels) == 0 {
		channels, err := x.Store.SearchChannels(ctx, org, at.ListID, scopesAtOnce)
		if err != nil {
			return nil, fmt.Errorf("list channels: %w", err)
		}
		p.channels = channels
	}
	if len(p.channels) == 0 {
		step(stepEnd)
		return nil, nil
	}
	at.ListID, at.Scope, at.Inside = p.channels[0], p.channels[0], store.SearchChannelMessage
	p.channels = p.channels[1:]
	return nil, nil
}

// collectLog adds what the log has to what is to be indexed. What the tables had when they were read
// and what the log had then are in it once, since its entries are by time, kind and id.
func (x *Indexer) collectLog(ctx context.Context, st *store.SearchState) error {
	events, err := x.Store.ReadLog(ctx, st.OrgID, st.Seq, maxEvents)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	if len(events) > 0 && events[0].Seq != st.Seq+1 {
		return x.again(ctx, st.OrgID)
	}
	things, err := thingsOf(events)
	if err != nil {
		return err
	}
	var entries []store.SearchEntry
	for ; len(things) > 0; things = things[min(len(things), sourcesAtOnce):] {
		some := things[:min(len(things), sourcesAtOnce)]
		sources, err := x.sources(ctx, st.OrgID, some)
		if err != nil {
			return err
		}
		for i := range some {
			s := some[i].source
			if s == nil {
				s = sources[key{some[i].kind, some[i].id}]
			}
			if s != nil {
				entries = append(entries, store.SearchEntry{OrgID: st.OrgID, At: s.At, Kind: s.Kind, ID: s.ID})
			}
		}
	}
	return x.change(ctx, st, true, func(tx Tx, next *store.SearchState) error {
		if len(events) == 0 {
			next.Stage = stageFill
			return nil
		}
		next.Seq = events[len(events)-1].Seq
		return tx.PutSearchTodo(ctx, entries)
	})
}

// fill indexes what was collected.
func (x *Indexer) fill(ctx context.Context, st *store.SearchState, p *progress) error {
	todo, err := x.Store.SearchTodo(ctx, st.OrgID, maxDocs)
	if err != nil {
		return fmt.Errorf("list what is to be indexed: %w", err)
	}
	things := make([]named, len(todo))
	for i, e := range todo {
		things[i] = named{kind: e.Kind, id: e.ID}
	}
	b, err := x.batch(ctx, st, things)
	if err != nil {
		return err
	}
	if _, err := x.mergeStep(ctx, st, p); err != nil {
		return err
	}
	return x.change(ctx, st, true, func(tx Tx, next *store.SearchState) error {
		if len(todo) == 0 {
			next.Stage = ""
			return nil
		}
		if err := b.write(ctx, tx, next); err != nil {
			return err
		}
		return tx.DeleteSearchTodo(ctx, todo[b.taken-1])
	})
}
