package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// CatchUpRow is one row of a catch-up: one event, or all events of a type in one thread or
// channel within the window. Only the fields of its type are set.
type CatchUpRow struct {
	EventID    string // the same in every catch-up
	Type       string
	OccurredAt int64 // of the newest event in it
	LastAt     int64 // when its newest message was sent
	ThreadID   string
	ChannelID  string
	Topic      string             // current; for a change of status, as it was then
	Count      int64              // events in it
	By         string             // who invited, changed the status, removed
	From, To   b2bv1.ThreadStatus // for a change of status
	Key        string             // of the artifact written last
	Version    int64              // of the artifact written last
	// ChannelName is set for imported channels that have a name; others have none.
	ChannelName *string

	imported bool         // by an import, with no event added since
	first    int64        // seq of the oldest event in it
	last     int64        // seq of the newest event in it
	newest   *store.Event // newest event, if its payload is needed and is at most keptPayload
	decoded  *b2bv1.Event // newest, if it was needed
}

// CatchUpPage is one page of a catch-up.
type CatchUpPage struct {
	Rows []CatchUpRow
	More bool
	// Cursor is the page token of the next page. ParsePosition reads it as the position of a
	// subscription that gets everything that the pages up to here did not return.
	Cursor string
}

// pageSeparator ends the position in the page token of a page that is not the last.
const pageSeparator = "~"

// window is the range of a catch-up: the events above from.Seq and up to top that are newer
// than since. Earlier pages returned the rows with a last seq up to delivered.
type window struct {
	from      Position
	since     int64 // Unix milliseconds
	top       int64
	delivered int64
}

// CatchUp returns what a bot missed since a time, or since a cursor: a position, or the page
// token of an earlier page.
//
// The first page fixes the window, which ends at the current end of the log. All pages
// aggregate the same events, so counts are exact, and no row is skipped or repeated when
// events are appended meanwhile. Rows are in the order of their newest event. The token of a
// page has the end of the window, the last row returned, and the position before the oldest
// event not returned yet. The token of the last page is the end of the window, from which the
// next catch-up or a subscription continues.
//
// A time before the oldest event of the log begins there. A cursor before it is
// CURSOR_EXPIRED.
func CatchUp(ctx context.Context, r Store, v Viewer, since int64, cursor string, limit int) (*CatchUpPage, error) {
	w, err := openWindow(ctx, r, v, since, cursor)
	if err != nil {
		return nil, err
	}
	rows, err := w.collect(ctx, r, v)
	if err != nil {
		return nil, err
	}
	limit = max(limit, 1)
	page := &CatchUpPage{Rows: rows[:min(limit, len(rows))], More: len(rows) > limit}
	if page.Cursor, err = w.next(ctx, r, v.OrgID, page.Rows, rows[len(page.Rows):]); err != nil {
		return nil, err
	}
	for i := range page.Rows {
		if err := page.Rows[i].finish(ctx, r, v.OrgID); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// Counts are the numbers of rows of a catch-up, by kind (B2B-CATCH-006).
type Counts struct {
	ThreadInvites       int64
	ThreadStatusChanges int64
	ThreadActivities    int64 // messages, artifacts and removals
	ChannelMessages     int64
	Total               int64
}

// Count returns the numbers of rows that CatchUp would return.
func Count(ctx context.Context, r Store, v Viewer, since int64) (c Counts, err error) {
	w, err := openWindow(ctx, r, v, since, "")
	if err != nil {
		return c, err
	}
	rows, err := w.collect(ctx, r, v)
	if err != nil {
		return c, err
	}
	for i := range rows {
		switch rows[i].Type {
		case eventtype.CatchUpThreadInvited:
			c.ThreadInvites++
		case eventtype.CatchUpThreadStatusChanged:
			c.ThreadStatusChanges++
		case eventtype.CatchUpChannelMessageSummary:
			c.ChannelMessages++
		default:
			c.ThreadActivities++
		}
	}
	c.Total = int64(len(rows))
	return c, nil
}

// openWindow returns the window of a catch-up, from a time or from a cursor if that is not empty.
func openWindow(ctx context.Context, r Store, v Viewer, since int64, cursor string) (w window, err error) {
	if v.human() {
		return w, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only bots can use catch-up")
	}
	if cursor == "" {
		from, err := seqAt(ctx, r, v.OrgID, since)
		return window{from: Position{Epoch: from.Epoch, Seq: from.Seq}, since: since, top: from.top}, err
	}
	from, err := ParsePosition(cursor)
	if err != nil {
		return w, err
	}
	_, top, err := locate(ctx, r, v.OrgID, &from)
	if err != nil {
		return w, err
	}
	w = window{from: from, since: math.MinInt64, top: top.Seq}
	_, rest, ok := strings.Cut(cursor, pageSeparator)
	if !ok {
		return w, nil
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 3 {
		return w, errMalformed()
	}
	for i, n := range []*int64{&w.since, &w.top, &w.delivered} {
		if *n, err = strconv.ParseInt(parts[i], 36, 64); err != nil {
			return w, errMalformed()
		}
	}
	switch {
	case w.top > top.Seq:
		return w, errAhead()
	case w.top < from.Seq || w.delivered < 0:
		return w, errMalformed()
	}
	return w, nil
}

// next returns the page token after the rows returned.
func (w *window) next(ctx context.Context, r Store, org string, returned, left []CatchUpRow) (string, error) {
	p := Position{Epoch: w.from.Epoch, Seq: w.top}
	if len(left) > 0 {
		p.Seq = slices.MinFunc(left, func(a, b CatchUpRow) int { return cmp.Compare(a.first, b.first) }).first - 1
	}
	at, err := r.ReadLog(ctx, org, max(p.Seq-1, 0), 1)
	if err != nil {
		return "", fmt.Errorf("read the log: %w", err)
	}
	if len(at) > 0 && at[0].Seq == p.Seq {
		p.Check = fingerprint(&at[0])
	}
	text := p.String()
	if len(left) > 0 {
		text += pageSeparator + strconv.FormatInt(w.since, 36) + "." + strconv.FormatInt(w.top, 36) + "." +
			strconv.FormatInt(returned[len(returned)-1].last, 36)
	}
	return text, nil
}

// collect returns the rows of the window, in the order of their newest events.
func (w *window) collect(ctx context.Context, r Store, v Viewer) ([]CatchUpRow, error) {
	spans, err := memberships(ctx, r, v)
	if err != nil {
		return nil, err
	}
	c := collector{viewer: v, spans: spans, groups: map[string]int{}}
	read := w.readAll
	if int64(len(spans)) < (w.top-w.from.Seq)/pageSize { // fewer reads than pages
		read = w.readScopes
	}
	if err := read(ctx, r, &c); err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(c.rows, func(row CatchUpRow) bool { return row.last <= w.delivered })
	slices.SortFunc(rows, func(a, b CatchUpRow) int { return cmp.Compare(a.last, b.last) })
	return rows, nil
}

// readAll adds all events of the window.
func (w *window) readAll(ctx context.Context, r Store, c *collector) error {
	for at := w.from.Seq; at < w.top; {
		rows, err := r.ReadLog(ctx, c.viewer.OrgID, at, int(min(pageSize, w.top-at)))
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if len(rows) == 0 || rows[0].Seq != at+1 {
			return errExpired()
		}
		if err := w.takeAll(c, rows); err != nil {
			return err
		}
		at = rows[len(rows)-1].Seq
	}
	return nil
}

// readScopes adds the events of the window in the viewer's threads and channels, by an index:
// the log may have very many others. Imported rows come first, as in the log.
func (w *window) readScopes(ctx context.Context, r Store, c *collector) error {
	if err := w.readScope(ctx, r, c, c.viewer.BotID, w.from.Seq, w.top); err != nil {
		return err
	}
	for k, spans := range c.spans {
		after, upto := w.top, w.from.Seq
		for _, s := range spans {
			after = min(after, s.from-1)
			if upto = max(upto, s.to); s.to == 0 {
				upto = w.top
			}
		}
		if err := w.readScope(ctx, r, c, k.id, max(after, w.from.Seq), min(upto, w.top)); err != nil {
			return err
		}
	}
	// The first event is still in the log, so none was pruned meanwhile.
	first, err := r.ReadLog(ctx, c.viewer.OrgID, w.from.Seq, 1)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	if len(first) == 0 || first[0].Seq != w.from.Seq+1 {
		return errExpired()
	}
	return nil
}

// readScope adds the events of a bot, a thread or a channel above after and up to upto.
func (w *window) readScope(ctx context.Context, r Store, c *collector, id string, after, upto int64) error {
	for after < upto {
		rows, err := r.ReadScope(ctx, id, after, upto, pageSize)
		if err != nil {
			return fmt.Errorf("read the log of a scope: %w", err)
		}
		if err := w.takeAll(c, rows); err != nil || len(rows) < pageSize && !long(rows) {
			return err
		}
		after = rows[len(rows)-1].Seq
	}
	return nil
}

// long reports whether a list of events may have ended early because of its bytes.
func long(rows []store.Event) bool {
	bytes := 0
	for i := range rows {
		bytes += len(rows[i].Payload) + eventRest
	}
	return bytes > store.PageBytes
}

// eventRest bounds what an event has besides its payload, in bytes.
const eventRest = 1 << 10

// takeAll adds the events that are newer than since.
func (w *window) takeAll(c *collector, rows []store.Event) error {
	for i := range rows {
		if rows[i].At > w.since {
			if err := c.take(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// collector aggregates events.
type collector struct {
	viewer Viewer
	spans  map[scope][]span
	rows   []CatchUpRow
	groups map[string]int // index in rows, by EventID, of rows that sum up events
}

// take adds an event to the rows, if the viewer may see it and catch-up returns its type.
func (c *collector) take(e *store.Event) error {
	if e.Type == eventtype.ImportedRow {
		return c.addImported(e)
	}
	k, ok := scopeOf(e)
	if !ok || !visible(e, c.viewer, c.spans[k], false) {
		return nil
	}
	mine := e.ActorID != nil && *e.ActorID == c.viewer.BotID
	switch e.Type {
	case eventtype.Message:
		c.add(eventtype.CatchUpChannelMessageSummary, k, e, mine)
	case eventtype.ThreadMessage:
		c.add(eventtype.CatchUpThreadMessageSummary, k, e, mine)
	case eventtype.ThreadArtifact:
		c.add(eventtype.CatchUpThreadArtifactAdded, k, e, mine)
	case eventtype.ThreadStatusChanged:
		c.one(eventtype.CatchUpThreadStatusChanged, e, nil)
	case eventtype.ThreadParticipant:
		event, err := decode(e)
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

// add counts an event in the row of its thread or channel, unless the viewer caused it.
func (c *collector) add(kind string, k scope, e *store.Event, mine bool) {
	if mine {
		return
	}
	id := kind + ":" + k.id
	i, ok := c.groups[id]
	if !ok {
		i = len(c.rows)
		c.groups[id] = i
		c.rows = append(c.rows, CatchUpRow{EventID: id, Type: kind, first: e.Seq})
	}
	c.rows[i].Count++
	c.rows[i].set(e)
}

// one adds a row with one event.
func (c *collector) one(kind string, e *store.Event, event *b2bv1.Event) {
	row := CatchUpRow{EventID: kind + ":" + strconv.FormatInt(e.Seq, 10), Type: kind, Count: 1, first: e.Seq, decoded: event}
	row.set(e)
	c.rows = append(c.rows, row)
}

// set makes e the newest event of the row.
func (row *CatchUpRow) set(e *store.Event) {
	row.OccurredAt, row.LastAt, row.last, row.imported = e.At, e.At, e.Seq, false
	if row.Type == eventtype.CatchUpThreadStatusChanged || row.Type == eventtype.CatchUpThreadArtifactAdded {
		row.newest = nil // a long payload is read again for the page: many threads may have one
		if len(e.Payload) <= keptPayload {
			kept := *e // does not keep its page in memory
			row.newest = &kept
		}
	}
	if e.Audience == store.AudienceChannel {
		row.ChannelID = *e.ChannelID
	} else {
		row.ThreadID = *e.ThreadID
	}
}

// keptPayload bounds a payload that a catch-up keeps while it reads, in bytes.
const keptPayload = 1 << 10

// payload returns the newest event of the row, with its payload.
func (row *CatchUpRow) payload(ctx context.Context, r Store, org string) (*store.Event, error) {
	if row.newest != nil {
		return row.newest, nil
	}
	rows, err := r.ReadLog(ctx, org, row.last-1, 1)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the log: %w", err)
	case len(rows) == 0 || rows[0].Seq != row.last:
		return nil, errExpired()
	}
	return &rows[0], nil
}

// decode returns the content of an event of the log. It may be shared: callers must not
// change it.
func decode(e *store.Event) (*b2bv1.Event, error) {
	if event, ok := e.Decoded.(*b2bv1.Event); ok {
		return event, nil
	}
	event := &b2bv1.Event{}
	if err := proto.Unmarshal(e.Payload, event); err != nil {
		return nil, fmt.Errorf("decode event %d of org %s: %w", e.Seq, e.OrgID, err)
	}
	return event, nil
}

// finish sets the fields that come from the payload of the newest event and from the thread.
func (row *CatchUpRow) finish(ctx context.Context, r Store, org string) (err error) {
	if row.imported {
		return nil
	}
	switch row.Type {
	case eventtype.CatchUpThreadStatusChanged, eventtype.CatchUpThreadArtifactAdded:
		newest, err := row.payload(ctx, r, org)
		if err != nil {
			return err
		}
		if row.decoded, err = decode(newest); err != nil {
			return err
		}
	}
	switch row.Type {
	case eventtype.CatchUpThreadStatusChanged:
		s := row.decoded.GetThreadStatusChanged()
		row.Topic, row.From, row.To, row.By = s.GetTopic(), s.GetFrom(), s.GetTo(), s.GetBy()
		return nil
	case eventtype.CatchUpThreadArtifactAdded:
		a := row.decoded.GetThreadArtifact().GetArtifact()
		row.Key, row.Version = a.GetArtifactKey(), int64(a.GetVersion())
		return nil
	case eventtype.CatchUpChannelMessageSummary:
		return nil
	case eventtype.CatchUpThreadInvited, eventtype.CatchUpThreadParticipantRemoved:
		row.By = row.decoded.GetThreadParticipant().GetBy()
	}
	t, err := r.Thread(ctx, org, row.ThreadID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read a thread: %w", err)
	}
	row.Topic = t.Topic
	return nil
}

// clockSkew bounds how far the times of events may be out of order, because the clocks of
// nodes differ, in milliseconds.
const clockSkew = 60_000

// start is a position in the log, and the end of the log.
type start struct {
	Position
	top int64
}

// seqAt returns a position before all events that are newer than since. It relies on times
// that rise with seq, except for clockSkew.
func seqAt(ctx context.Context, r Store, org string, since int64) (start, error) {
	top, err := r.LogTop(ctx, org)
	if err != nil {
		return start{}, fmt.Errorf("find the end of the log: %w", err)
	}
	at := func(seq int64) (*store.Event, error) {
		rows, err := r.ReadLog(ctx, org, seq-1, 1)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		return &rows[0], nil
	}
	out := start{Position: Position{Epoch: top.Epoch, Seq: top.Seq}, top: top.Seq}
	first, err := at(1)
	if err != nil || first == nil {
		return out, err
	}
	if since < math.MinInt64+clockSkew {
		since = math.MinInt64 + clockSkew
	}
	lo, hi := first.Seq, top.Seq+1 // the first newer event is in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		e, err := at(mid)
		if err != nil {
			return out, fmt.Errorf("read the log: %w", err)
		}
		if e == nil || e.At > since-clockSkew {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	out.Seq = lo - 1
	return out, nil
}
