package search

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// saveEvents and saveAfter are after how many events without documents, and after how long, the
	// position is saved.
	saveEvents = 4096
	saveAfter  = 4 * time.Second
	// sourcesAtOnce is how many documents are read at once. Their texts are cut, so their memory is
	// bounded.
	sourcesAtOnce = 64
)

// named is something that an event names.
type named struct {
	kind   store.SearchKind
	id     string
	seq    int64               // of the event
	source *store.SearchSource // what the event has of it that is indexed; nil: it is to be read
}

// key is by what sources are found.
type key struct {
	kind store.SearchKind
	id   string
}

// follow indexes the next events of the log. It reports whether there are more than one change takes.
func (x *Indexer) follow(ctx context.Context, st *store.SearchState, p *progress) (more bool, err error) {
	after := max(st.Seq, p.seen)
	events, err := x.events(ctx, st.OrgID, after)
	if err != nil {
		return false, err
	}
	if len(events) == 0 {
		top, err := x.Store.LogTop(ctx, st.OrgID)
		if err != nil {
			return false, fmt.Errorf("find the end of the log: %w", err)
		}
		if top.Seq > after || top.Seq < st.Seq { // pruned, or restored without its index
			return false, x.again(ctx, st.OrgID)
		}
		return false, x.save(ctx, st, p)
	}
	if events[0].Seq != after+1 {
		return false, x.again(ctx, st.OrgID)
	}
	last := events[len(events)-1].Seq
	if slices.ContainsFunc(events, func(e store.Event) bool {
		return e.Type == eventtype.SearchChanged && e.BotID == nil && len(e.Payload) == 0
	}) {
		p.sweep, p.swept = true, 0
	}
	things, err := thingsOf(events)
	if err != nil {
		return false, err
	}
	if len(things) == 0 {
		p.seen = last
		return len(events) == maxEvents, x.save(ctx, st, p)
	}
	b, err := x.batch(ctx, st, things)
	if err != nil {
		return false, err
	}
	if b.taken < len(things) {
		last = things[b.taken].seq - 1
	}
	more = len(events) == maxEvents || b.taken < len(things)
	err = x.change(ctx, st, more || p.merge != nil, func(tx Tx, next *store.SearchState) error {
		next.Seq = last
		return b.write(ctx, tx, next)
	})
	if err == nil {
		p.seen, p.saved = last, x.Now()
	}
	return more, err
}

// events returns the next events of the log.
func (x *Indexer) events(ctx context.Context, org string, after int64) ([]store.Event, error) {
	if events := x.tail.after(org, after, maxEvents); len(events) > 0 {
		return events, nil
	}
	events, err := x.Store.ReadLog(ctx, org, after, maxEvents)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return events, nil
}

// again begins to make the index anew. It returns errOthers, since its state is another one then.
func (x *Indexer) again(ctx context.Context, org string) error {
	x.Log.WarnContext(ctx, "the search index of an org is made anew, since events that it has not read are gone", "org", org)
	if err := x.Reset(ctx, org); err != nil {
		return err
	}
	return errOthers
}

// save saves the position after events without documents, from time to time.
func (x *Indexer) save(ctx context.Context, st *store.SearchState, p *progress) error {
	ahead := p.seen - st.Seq
	switch {
	case ahead <= 0:
		return nil
	case ahead < saveEvents && x.Now().Sub(p.saved) < saveAfter:
		return nil
	}
	err := x.change(ctx, st, p.merge != nil, func(_ Tx, next *store.SearchState) error {
		next.Seq = max(st.Seq, p.seen)
		return nil
	})
	if err == nil {
		p.saved = x.Now()
	}
	return err
}

// thingsOf returns what events name, without repetitions of what is replaced: each is where it was
// named last.
func thingsOf(events []store.Event) ([]named, error) {
	var all []named
	latest := map[key]int{}
	for i := range events {
		t, err := thingOf(&events[i])
		if err != nil {
			return nil, fmt.Errorf("decode event %d: %w", events[i].Seq, err)
		}
		if t.id == "" {
			continue
		}
		if t.kind.Replaced() {
			k := key{t.kind, t.id}
			if at, ok := latest[k]; ok {
				all[at].id = ""
			}
			latest[k] = len(all)
		}
		all = append(all, t)
	}
	out := all[:0]
	for _, t := range all {
		if t.id != "" {
			out = append(out, t)
		}
	}
	return out, nil
}

// thingOf returns what an event names; without an id, nothing that is searched.
func thingOf(e *store.Event) (named, error) {
	t := named{seq: e.Seq}
	switch e.Type {
	case eventtype.ThreadMessage, eventtype.Message:
		if t.kind = store.SearchThreadMessage; e.Type == eventtype.Message {
			t.kind = store.SearchChannelMessage
		}
		if e.MessageID != nil {
			t.id, t.source = *e.MessageID, messageOf(e, t.kind)
			return t, nil
		}
	case eventtype.ThreadCreated, eventtype.ThreadUpdated:
		t.kind = store.SearchThread
		if e.ThreadID != nil {
			t.id = *e.ThreadID
		}
		return t, nil
	case eventtype.ThreadArtifact:
		t.kind = store.SearchArtifact
	case eventtype.BotRegistered, eventtype.BotRenamed, eventtype.BotStatusChanged, eventtype.AccessChanged:
		t.kind = store.SearchBot
	case eventtype.SearchChanged:
		if e.BotID != nil {
			t.kind, t.id = store.SearchBot, *e.BotID
		} else {
			t.kind, t.id = store.SearchFile, string(e.Payload) // empty: retention has removed something
		}
		return t, nil
	default:
		return t, nil
	}
	event := new(b2bv1.Event)
	if err := proto.Unmarshal(e.Payload, event); err != nil {
		return t, err
	}
	switch v := event.GetEvent().(type) {
	case *b2bv1.Event_Message:
		t.id = v.Message.GetMessage().GetId()
	case *b2bv1.Event_ThreadMessage:
		t.id = v.ThreadMessage.GetMessage().GetId()
	case *b2bv1.Event_ThreadArtifact:
		t.id = v.ThreadArtifact.GetArtifact().GetId()
	case *b2bv1.Event_BotRegistered:
		t.id = v.BotRegistered.GetBot().GetId()
	case *b2bv1.Event_BotRenamed:
		t.id = v.BotRenamed.GetBotId()
	case *b2bv1.Event_BotStatusChanged:
		t.id = v.BotStatusChanged.GetBotId()
	case *b2bv1.Event_AccessChanged:
		t.id = v.AccessChanged.GetBotId()
	}
	return t, nil
}

// messageOf returns a message that an event names, or nil: a message without parts is its body, and what
// else is indexed of it the event has too.
func messageOf(e *store.Event, kind store.SearchKind) *store.SearchSource {
	scope := e.ThreadID
	if kind == store.SearchChannelMessage {
		scope = e.ChannelID
	}
	if e.Body == nil || scope == nil {
		return nil
	}
	return &store.SearchSource{Kind: kind, ID: *e.MessageID, ScopeID: *scope, AuthorID: e.ActorID, At: e.At, Body: e.Body}
}

// batch is documents that are added with one change.
type batch struct {
	taken    int // of the things, the first of which it has
	docs     []store.SearchDoc
	segment  *store.SearchSegment // nil: there are no documents
	pages    []searchindex.Page
	refs     []store.SearchRef
	vanished []string // of what is replaced, what does not exist any more
}

// batch reads what is named, as much as one change takes.
func (x *Indexer) batch(ctx context.Context, st *store.SearchState, things []named) (*batch, error) {
	b := &batch{}
	x.build.Reset()
	for b.taken < len(things) && x.build.Docs() < maxDocs && x.build.Tokens() < maxTokens {
		some := things[b.taken:min(len(things), b.taken+sourcesAtOnce)]
		sources, err := x.sources(ctx, st.OrgID, some)
		if err != nil {
			return nil, err
		}
		for i := range some {
			t := &some[i]
			s := t.source
			if s == nil {
				s = sources[key{t.kind, t.id}]
			}
			if s == nil {
				if t.kind.Replaced() {
					b.vanished = append(b.vanished, t.id)
				}
				continue
			}
			x.add(s)
			b.docs = append(b.docs, store.SearchDoc{
				OrgID: st.OrgID, Doc: st.Docs + int64(x.build.Docs()), Kind: s.Kind, ID: s.ID, ScopeID: s.ScopeID, At: s.At,
			})
			b.refs = append(b.refs, refs(st.OrgID, s)...)
		}
		b.taken += len(some)
	}
	if len(b.docs) == 0 {
		return b, nil
	}
	b.pages = x.build.Pages()
	b.segment = &store.SearchSegment{
		OrgID: st.OrgID, First: b.docs[0].Doc, Last: b.docs[len(b.docs)-1].Doc, MinAt: b.docs[0].At, MaxAt: b.docs[0].At, Live: true,
	}
	for i := range b.docs {
		b.segment.MinAt, b.segment.MaxAt = min(b.segment.MinAt, b.docs[i].At), max(b.segment.MaxAt, b.docs[i].At)
	}
	return b, nil
}

// sources returns what the database has of things that are to be read.
func (x *Indexer) sources(ctx context.Context, org string, things []named) (map[key]*store.SearchSource, error) {
	ids := map[store.SearchKind][]string{}
	for _, t := range things {
		if t.source == nil {
			ids[t.kind] = append(ids[t.kind], t.id)
		}
	}
	out := make(map[key]*store.SearchSource, len(ids))
	for kind, of := range ids {
		rows, err := x.Store.SearchSources(ctx, org, kind, of)
		if err != nil {
			return nil, fmt.Errorf("read what is to be indexed: %w", err)
		}
		for i := range rows {
			out[key{kind, rows[i].ID}] = &rows[i]
		}
	}
	return out, nil
}

// write adds the documents.
func (b *batch) write(ctx context.Context, tx Tx, next *store.SearchState) error {
	if len(b.vanished) > 0 {
		if err := tx.ForgetSearch(ctx, next.OrgID, b.vanished); err != nil {
			return err
		}
	}
	if b.segment == nil {
		return nil
	}
	number, err := tx.NextSearchSegment(ctx)
	if err != nil {
		return err
	}
	segment := *b.segment
	segment.Segment = number
	if err := tx.PutSearchDocs(ctx, b.docs); err != nil {
		return err
	}
	if err := tx.PutSearchPages(ctx, rowsOf(number, b.pages)); err != nil {
		return err
	}
	if err := tx.PutSearchSegment(ctx, &segment); err != nil {
		return err
	}
	if err := tx.PutSearchRefs(ctx, b.refs); err != nil {
		return err
	}
	next.Docs = segment.Last
	return nil
}

// rowsOf returns the rows of the pages of a segment.
func rowsOf(segment int64, pages []searchindex.Page) []store.SearchPage {
	rows := make([]store.SearchPage, len(pages))
	for i, p := range pages {
		rows[i] = store.SearchPage{Segment: segment, First: p.First, Data: p.Data}
	}
	return rows
}
