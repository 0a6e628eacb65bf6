package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// stream is the events of one type in a thread or channel of the viewer, or addressed to it, of
// which some are in the window.
type stream struct {
	kind  store.MembershipKind
	id    string
	typ   string
	head  store.Head
	spans []span // in which the viewer may see them
	// tail are those that are not in the index, ascending, all in the window and seen by the
	// viewer. Of types that are summed up, those that the viewer caused are left out.
	tail []*store.TailEvent
}

// changes has the streams of a window.
type changes struct {
	store.LogHeads
	streams []stream
}

// changes returns the streams with events above after that may be newer than since. Memberships
// that ended up to ended are left out. It sets indexed.
func (w *window) changes(ctx context.Context, r Store, v Viewer, after, ended int64) (*changes, error) {
	heads, err := readHeads(ctx, r, store.HeadQuery{OrgID: v.OrgID, BotID: v.BotID, After: after, Ended: ended, Newer: w.since})
	if err != nil {
		return nil, err
	}
	w.indexed = heads.Indexed
	if w.found < heads.Indexed { // indexed since the parts were found
		w.parts = append(w.parts, store.LogPart{After: w.found, Settled: heads.Indexed, UpTo: heads.Indexed})
	}
	all := &changes{LogHeads: *heads}
	at := make(map[[2]string]int, len(heads.Rows))
	of := func(kind store.MembershipKind, id, typ string) (s *stream, added bool) {
		if kind == "" || kind != kindOf(typ) || !InScope(typ, v.Scopes) {
			return nil, false
		}
		key := [2]string{id, typ}
		i, ok := at[key]
		if !ok {
			i = len(all.streams)
			at[key] = i
			all.streams = append(all.streams, stream{kind: kind, id: id, typ: typ})
		}
		return &all.streams[i], !ok
	}
	for _, h := range heads.Rows {
		s, added := of(h.Kind, h.ScopeID, h.Type)
		if s == nil {
			continue
		}
		if added {
			s.head = h
		}
		sp := span{from: h.Joined}
		if h.Left != nil {
			sp.to = *h.Left
		}
		s.spans = append(s.spans, sp)
	}
	for i := range heads.Tail {
		e := &heads.Tail[i]
		if e.Seq > w.top || e.Party == v.BotID && summed(e.Type) != "" {
			continue
		}
		if s, _ := of(kindOf(e.Type), e.ScopeID, e.Type); s != nil {
			s.tail = append(s.tail, e)
		}
	}
	return all, nil
}

// indexStep is how many events a catch-up adds to an index at once that is far behind.
const indexStep = 2048

// readHeads reads heads. An index that is far behind, because the log is of an older version, is
// completed first.
func readHeads(ctx context.Context, r Store, q store.HeadQuery) (*store.LogHeads, error) {
	for {
		heads, err := r.LogHeads(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read what has changed: %w", err)
		}
		if heads.Top-heads.Indexed <= store.LogTailMax {
			return heads, nil
		}
		if err := r.IndexLog(ctx, q.OrgID, indexStep); err != nil {
			return nil, fmt.Errorf("index the log: %w", err)
		}
	}
}

// kindOf returns in what events of a type make rows of a catch-up; "" for other types.
func kindOf(typ string) store.MembershipKind {
	switch typ {
	case eventtype.Message:
		return store.MemberOfChannel
	case eventtype.ThreadMessage, eventtype.ThreadArtifact, eventtype.ThreadStatusChanged, eventtype.ThreadParticipant:
		return store.MemberOfThread
	case eventtype.ImportedRow:
		return store.MemberOfSelf
	}
	return ""
}

// summed returns the type of the row that sums up the events of a type of other bots; "" for
// types with a row for each event.
func summed(typ string) string {
	switch typ {
	case eventtype.Message:
		return eventtype.CatchUpChannelMessageSummary
	case eventtype.ThreadMessage:
		return eventtype.CatchUpThreadMessageSummary
	case eventtype.ThreadArtifact:
		return eventtype.CatchUpThreadArtifactAdded
	}
	return ""
}

// groupOf returns the EventID of a row that sums up events of a thread or channel.
func groupOf(row, id string) string { return row + ":" + id }

// ranges returns the parts of the window in which the viewer may see the events of a stream.
func (w *window) ranges(s *stream) []store.LogRange {
	parts := w.parts
	if s.typ == eventtype.ImportedRow {
		parts = []store.LogPart{{After: w.from.Seq, Settled: w.top, UpTo: w.top}}
	}
	var out []store.LogRange
	for _, sp := range s.spans {
		for _, part := range parts {
			in := store.LogRange{
				ScopeID: s.id, Type: s.typ, After: max(w.from.Seq, part.After, sp.from-1),
				UpTo: min(w.top, w.indexed, part.UpTo), Settled: part.Settled,
			}
			if sp.to != 0 {
				in.UpTo = min(in.UpTo, sp.to)
			}
			if in.UpTo > in.After {
				out = append(out, in)
			}
		}
	}
	return out
}

// collector makes the rows of a catch-up.
type collector struct {
	viewer Viewer
	window *window
	first  int64 // oldest seq of the log
	most   int   // rows of one stream that are read; 0: all
	rows   []CatchUpRow
	groups map[string]int // index in rows of the imported row that gets later events, by groupOf
}

// collect returns the rows of the window above delivered, in the order of their newest events. It
// returns at least the first limit of them and one more, if there are so many. Count is missing
// in those with uncounted ranges.
func (w *window) collect(ctx context.Context, r Store, v Viewer, limit int) ([]CatchUpRow, error) {
	all, err := w.changes(ctx, r, v, w.from.Seq, w.begin())
	if err != nil {
		return nil, err
	}
	c := collector{viewer: v, window: w, first: all.First, most: limit + 1, groups: map[string]int{}}
	var single []store.LogRange
	var tails []*stream
	for i := range all.streams {
		if s := &all.streams[i]; summed(s.typ) == "" {
			single = append(single, c.single(s)...)
			tails = append(tails, s)
		}
	}
	// Imported rows first, because later events are added to them.
	if err := c.read(ctx, r, single); err != nil {
		return nil, err
	}
	if err := c.readTails(ctx, r, tails); err != nil {
		return nil, err
	}
	var unknown []*stream
	for i := range all.streams {
		s := &all.streams[i]
		if summed(s.typ) == "" {
			continue
		}
		switch t, found := c.newest(s); found {
		case foundSome:
			c.sum(s, t, w.ranges(s)).uncounted = w.ranges(s)
		case foundUnknown:
			unknown = append(unknown, s)
		}
	}
	if err := c.tally(ctx, r, unknown); err != nil {
		return nil, err
	}
	// The first event is still in the log, so none was pruned meanwhile.
	if begin := w.begin(); begin < w.top {
		first, err := r.ReadLog(ctx, v.OrgID, begin, 1)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if len(first) == 0 || first[0].Seq != begin+1 {
			return nil, errExpired()
		}
	}
	rows := slices.DeleteFunc(c.rows, func(row CatchUpRow) bool { return row.last <= w.delivered })
	slices.SortFunc(rows, func(a, b CatchUpRow) int { return cmp.Compare(a.last, b.last) })
	return rows, nil
}

// What the head of a stream says of events of other bots in the window.
const (
	foundNone = iota
	foundSome
	foundUnknown
)

// newest returns the newest event of another bot in the window, if the tail or the head of the
// stream has it, and the number of those in the tail.
func (c *collector) newest(s *stream) (store.Tally, int) {
	w := c.window
	if n := len(s.tail); n > 0 {
		return store.Tally{Count: int64(n), Last: s.tail[n-1].Seq, LastAt: s.tail[n-1].At}, foundSome
	}
	if len(s.spans) != 1 || s.spans[0].to != 0 || s.head.Seq > w.top {
		return store.Tally{}, foundUnknown
	}
	t := store.Tally{Last: s.head.Seq, LastAt: s.head.At}
	if s.head.Party == c.viewer.BotID {
		t = store.Tally{Last: s.head.Other, LastAt: s.head.OtherAt}
	}
	switch {
	case t.Last <= max(w.from.Seq, s.spans[0].from-1), t.Last < c.first:
		return t, foundNone
	case t.LastAt > w.since:
		return t, foundSome
	case w.none(t): // nor before it
		return t, foundNone
	}
	return t, foundUnknown
}

// none reports whether no event of a stream is newer than since, given its last one, which is not.
func (w *window) none(last store.Tally) bool {
	return len(w.parts) == 0 || last.Last <= w.parts[0].After
}

// tally adds the rows of streams with events that must be counted to know the newest.
func (c *collector) tally(ctx context.Context, r Store, streams []*stream) error {
	var ranges []store.LogRange
	ends := make([]int, len(streams))
	for i, s := range streams {
		ranges = append(ranges, c.window.ranges(s)...)
		ends[i] = len(ranges)
	}
	tallies, err := r.TallyLog(ctx, c.viewer.OrgID, c.viewer.BotID, c.window.since, ranges)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	begin := 0
	for i, s := range streams {
		var sum store.Tally
		for _, t := range tallies[begin:ends[i]] {
			sum.Count += t.Count
			if t.Last > sum.Last {
				sum.Last, sum.LastAt = t.Last, t.LastAt
			}
		}
		if sum.Count > 0 {
			c.sum(s, sum, ranges[begin:ends[i]])
		}
		begin = ends[i]
	}
	return nil
}

// sum adds the row that sums up the events of a stream in some ranges, or adds them to the
// imported row of the thread or channel.
func (c *collector) sum(s *stream, t store.Tally, ranges []store.LogRange) *CatchUpRow {
	kind := summed(s.typ)
	id := groupOf(kind, s.id)
	i, ok := c.groups[id]
	if !ok {
		i = len(c.rows)
		c.groups[id] = i
		c.rows = append(c.rows, CatchUpRow{EventID: id, Type: kind, after: t.Last - 1})
	}
	row := &c.rows[i]
	row.Count += t.Count
	for _, in := range ranges {
		row.after = min(row.after, in.After)
	}
	if len(s.tail) > 0 {
		row.after = min(row.after, s.tail[0].Seq-1)
	}
	row.OccurredAt, row.LastAt, row.last, row.imported = t.LastAt, t.LastAt, t.Last, false
	if s.kind == store.MemberOfChannel {
		row.ChannelID = s.id
	} else {
		row.ThreadID = s.id
	}
	return row
}

// count completes the counts of rows.
func (w *window) count(ctx context.Context, r Store, v Viewer, rows []CatchUpRow) error {
	var ranges []store.LogRange
	for i := range rows {
		ranges = append(ranges, rows[i].uncounted...)
	}
	tallies, err := r.TallyLog(ctx, v.OrgID, v.BotID, w.since, ranges)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	for i := range rows {
		n := len(rows[i].uncounted)
		for _, t := range tallies[:n] {
			rows[i].Count += t.Count
		}
		tallies, rows[i].uncounted = tallies[n:], nil
	}
	return nil
}

// single returns the ranges of a stream that has a row for each event.
func (c *collector) single(s *stream) []store.LogRange {
	parties := []string{""} // changes of status, and events older than the party
	switch s.typ {
	case eventtype.ThreadParticipant:
		parties = append(parties, c.viewer.BotID)
	case eventtype.ImportedRow:
		parties[0] = c.viewer.BotID
	}
	var out []store.LogRange
	for _, in := range c.window.ranges(s) {
		if s.typ != eventtype.ImportedRow { // those that later events are added to are not delivered by their own seq
			in.After = max(in.After, c.window.delivered)
		}
		for _, party := range parties {
			in.Party = party
			out = append(out, in)
		}
	}
	return out
}

// read adds the rows of the events of ranges, up to most of each.
func (c *collector) read(ctx context.Context, r Store, ranges []store.LogRange) error {
	made := make([]int, len(ranges)) // rows of each range
	for len(ranges) > 0 {
		limit := pageSize
		if c.most > 0 {
			limit = min(limit, c.most)
		}
		events, err := r.ReadRanges(ctx, c.viewer.OrgID, ranges, limit)
		if err != nil {
			return fmt.Errorf("read ranges of the log: %w", err)
		}
		read := make([]int, len(ranges))
		for i := range events {
			e := &events[i]
			read[e.Range]++
			ranges[e.Range].After = e.Seq
			if e.At <= c.window.since || c.most > 0 && made[e.Range] >= c.most && e.Type != eventtype.ImportedRow {
				continue
			}
			was := len(c.rows)
			if err := c.take(&e.Event); err != nil {
				return err
			}
			made[e.Range] += len(c.rows) - was
		}
		// What is left: the ranges with more events, and those after the end of a long list.
		last := len(ranges)
		if long(events) {
			last = events[len(events)-1].Range
		}
		n := 0
		for i, in := range ranges {
			full := c.most > 0 && made[i] >= c.most && in.Type != eventtype.ImportedRow
			if in.After < in.UpTo && !full && (read[i] == limit || i >= last) {
				ranges[n], made[n] = in, made[i]
				n++
			}
		}
		ranges, made = ranges[:n], made[:n]
	}
	return nil
}

// readTails adds the rows of the events behind the index that have one of their own.
func (c *collector) readTails(ctx context.Context, r Store, streams []*stream) error {
	for _, s := range streams {
		if summed(s.typ) != "" {
			continue
		}
		for _, t := range s.tail {
			e := &store.Event{OrgID: c.viewer.OrgID, Seq: t.Seq, At: t.At, Type: t.Type, ThreadID: &s.id, Payload: t.Payload}
			if e.Payload == nil {
				var err error
				if e, err = eventAt(ctx, r, c.viewer.OrgID, t.Seq); err != nil {
					return err
				}
			}
			if err := c.take(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// long reports whether a list of events may have ended early because of its bytes.
func long(rows []store.RangeEvent) bool {
	bytes := 0
	for i := range rows {
		bytes += rows[i].Size() + eventRest
	}
	return bytes > store.PageBytes
}

// eventRest bounds what an event has besides its payload, in bytes.
const eventRest = 1 << 10

// take adds the row of an event that has one of its own.
func (c *collector) take(e *store.Event) error {
	switch e.Type {
	case eventtype.ImportedRow:
		return c.addImported(e)
	case eventtype.ThreadStatusChanged:
		c.one(eventtype.CatchUpThreadStatusChanged, e, nil)
	case eventtype.ThreadParticipant:
		event, err := Decode(e)
		if err != nil {
			return err
		}
		p := event.GetThreadParticipant()
		switch {
		case p.GetBotId() != c.viewer.BotID:
		case p.Action == b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT:
			c.one(eventtype.CatchUpThreadParticipantRemoved, e, event)
		case p.By != c.viewer.BotID:
			c.one(eventtype.CatchUpThreadInvited, e, event)
		}
	}
	return nil
}

// one adds a row with one event.
func (c *collector) one(kind string, e *store.Event, event *b2bv1.Event) {
	row := CatchUpRow{
		EventID: kind + ":" + strconv.FormatInt(e.Seq, 10), Type: kind, Count: 1, ThreadID: *e.ThreadID,
		OccurredAt: e.At, LastAt: e.At, after: e.Seq - 1, last: e.Seq, decoded: event,
	}
	if kind == eventtype.CatchUpThreadStatusChanged && len(e.Payload) <= keptPayload {
		kept := *e // does not keep its page in memory; a long payload is read again for the page
		row.newest = &kept
	}
	c.rows = append(c.rows, row)
}

// keptPayload bounds a payload that a catch-up keeps while it reads, in bytes.
const keptPayload = store.TailPayloadMax

// payload returns the newest event of the row, with its payload.
func (row *CatchUpRow) payload(ctx context.Context, r Store, org string) (*store.Event, error) {
	if row.newest != nil {
		return row.newest, nil
	}
	return eventAt(ctx, r, org, row.last)
}

// eventAt returns an event that was in the log.
func eventAt(ctx context.Context, r Store, org string, seq int64) (*store.Event, error) {
	rows, err := r.ReadLog(ctx, org, seq-1, 1)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the log: %w", err)
	case len(rows) == 0 || rows[0].Seq != seq:
		return nil, errExpired()
	}
	return &rows[0], nil
}

// Decode returns the content of an event of the log. It may be shared: callers must not
// change it.
func Decode(e *store.Event) (*b2bv1.Event, error) {
	if event, ok := e.Decoded.(*b2bv1.Event); ok {
		return event, nil
	}
	event := &b2bv1.Event{}
	if err := proto.Unmarshal(e.Payload, event); err != nil {
		return nil, fmt.Errorf("decode event %d of org %s: %w", e.Seq, e.OrgID, err)
	}
	restore(e, event)
	return event, nil
}

// finish sets the fields of rows that come from the payload of the newest event and from the thread.
func finish(ctx context.Context, r Store, org string, rows []CatchUpRow) error {
	var threads []string
	for i := range rows {
		row := &rows[i]
		if row.imported {
			continue
		}
		if err := row.finish(ctx, r, org); err != nil {
			return err
		}
		if row.currentTopic() {
			threads = append(threads, row.ThreadID)
		}
	}
	topics, err := r.ThreadTopics(ctx, org, threads)
	if err != nil {
		return fmt.Errorf("read the topics of threads: %w", err)
	}
	for i := range rows {
		if row := &rows[i]; row.currentTopic() && !row.imported {
			row.Topic = topics[row.ThreadID]
		}
	}
	return nil
}

// currentTopic reports whether the row has the present topic of its thread.
func (row *CatchUpRow) currentTopic() bool {
	switch row.Type {
	case eventtype.CatchUpThreadStatusChanged, eventtype.CatchUpThreadArtifactAdded, eventtype.CatchUpChannelMessageSummary:
		return false
	}
	return true
}

// finish sets the fields that come from the payload of the newest event.
func (row *CatchUpRow) finish(ctx context.Context, r Store, org string) (err error) {
	switch row.Type {
	case eventtype.CatchUpThreadStatusChanged, eventtype.CatchUpThreadArtifactAdded:
		newest, err := row.payload(ctx, r, org)
		if err != nil {
			return err
		}
		if row.decoded, err = Decode(newest); err != nil {
			return err
		}
	}
	switch row.Type {
	case eventtype.CatchUpThreadStatusChanged:
		s := row.decoded.GetThreadStatusChanged()
		row.Topic, row.From, row.To, row.By = s.GetTopic(), s.GetFrom(), s.GetTo(), s.GetBy()
	case eventtype.CatchUpThreadArtifactAdded:
		a := row.decoded.GetThreadArtifact().GetArtifact()
		row.Key, row.Version = a.GetArtifactKey(), int64(a.GetVersion())
	case eventtype.CatchUpThreadInvited, eventtype.CatchUpThreadParticipantRemoved:
		row.By = row.decoded.GetThreadParticipant().GetBy()
	}
	return nil
}
