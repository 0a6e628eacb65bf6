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

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// The types of the rows of a catch-up (B2B-CATCH-002).
const (
	CatchUpInvited        = "thread_invited"
	CatchUpStatusChanged  = "thread_status_changed"
	CatchUpThreadMessages = "thread_message_summary"
	CatchUpArtifacts      = "thread_artifact_added"
	CatchUpChannel        = "channel_message_summary"
	CatchUpRemoved        = "thread_participant_removed"
)

// CatchUpRow is one row of a catch-up: an event, or all events of one kind in one thread
// or channel within the window. Only the fields of its type are set.
type CatchUpRow struct {
	EventID    string // the same however often it is asked
	Type       string
	OccurredAt int64 // of the newest event in it
	LastAt     int64 // when its newest message was sent
	ThreadID   string
	ChannelID  string
	Topic      string             // as it is now; of a change of status, as it was then
	Count      int64              // events in it
	By         string             // who invited, changed the status, removed
	From, To   b2bv1.ThreadStatus // of a change of status
	Key        string             // of the artifact written last
	Version    int64              // of the artifact written last
	// ChannelName is that of a channel which has one. None is made any more.
	ChannelName *string

	imported bool         // from an import, and nothing came after it
	first    int64        // seq of the oldest event in it
	last     int64        // seq of the newest event in it
	newest   *store.Event // the newest event, where its payload is needed and is not long
	decoded  *b2bv1.Event // newest, where that was needed
}

// CatchUpPage is one page of a catch-up.
type CatchUpPage struct {
	Rows []CatchUpRow
	More bool
	// Cursor continues: as the cursor of the next page, or, read by ParsePosition, as
	// the position of a subscription that misses nothing of what was not yet told.
	Cursor string
}

// pageSeparator ends the position in the cursor of a page that is not the last.
const pageSeparator = "~"

// window is what a catch-up is about: the events above from.Seq and up to top, newer
// than since, without the rows that ended at seq told or before.
type window struct {
	from      Position
	since     int64 // Unix milliseconds
	top       int64
	delivered int64
}

// CatchUp tells a bot what it missed: since a time, or since a cursor, which is a
// position or what an earlier page gave.
//
// The first page fixes the window: it ends at the top that the log has then. All
// pages aggregate the same events of that window, so a row counts exactly, no row is
// skipped and none comes twice, whatever is written meanwhile. Rows come in the
// order of their newest event. The cursor of a page holds the end of the window, the
// last row told, and the position before the oldest event not yet told; that of the
// last page is the end of the window, where the next catch-up or a subscription goes
// on.
//
// A time older than what is kept begins at the oldest event; a cursor older than
// that is CURSOR_EXPIRED.
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

// Counts is how many rows of each kind a catch-up has (B2B-CATCH-006).
type Counts struct {
	ThreadInvites       int64
	ThreadStatusChanges int64
	ThreadActivities    int64 // messages, artifacts and removals
	ChannelMessages     int64
	Total               int64
}

// Count counts the rows that CatchUp would give.
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
		case CatchUpInvited:
			c.ThreadInvites++
		case CatchUpStatusChanged:
			c.ThreadStatusChanges++
		case CatchUpChannel:
			c.ChannelMessages++
		default:
			c.ThreadActivities++
		}
	}
	c.Total = int64(len(rows))
	return c, nil
}

func openWindow(ctx context.Context, r Store, v Viewer, since int64, cursor string) (w window, err error) {
	if v.human() {
		return w, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only bots catch up")
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

// next writes the cursor behind the rows told.
func (w *window) next(ctx context.Context, r Store, org string, told, left []CatchUpRow) (string, error) {
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
			strconv.FormatInt(told[len(told)-1].last, 36)
	}
	return text, nil
}

// collect aggregates the window, in the order of the newest event of each row.
func (w *window) collect(ctx context.Context, r Store, v Viewer) ([]CatchUpRow, error) {
	spans, err := memberships(ctx, r, v)
	if err != nil {
		return nil, err
	}
	c := collector{viewer: v, spans: spans, groups: map[string]int{}}
	read := w.readAll
	if int64(len(spans)) < (w.top-w.from.Seq)/pageSize { // else that is fewer pages
		read = w.readScopes
	}
	if err := read(ctx, r, &c); err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(c.rows, func(row CatchUpRow) bool { return row.last <= w.delivered })
	slices.SortFunc(rows, func(a, b CatchUpRow) int { return cmp.Compare(a.last, b.last) })
	return rows, nil
}

// readAll takes the events of the window, whoever they concern.
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

// readScopes takes those events of the window that can concern the viewer: a log may
// have very many more. What an import carried comes first, as it does in the log.
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
	// Nothing was pruned meanwhile when the first event is still there.
	first, err := r.ReadLog(ctx, c.viewer.OrgID, w.from.Seq, 1)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	if len(first) == 0 || first[0].Seq != w.from.Seq+1 {
		return errExpired()
	}
	return nil
}

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

// long reports that a list of events may have ended because of their bytes.
func long(rows []store.Event) bool {
	bytes := 0
	for i := range rows {
		bytes += len(rows[i].Payload) + eventRest
	}
	return bytes > store.PageBytes
}

// eventRest is more than an event has beside its payload, in bytes.
const eventRest = 1 << 10

// takeAll takes what is newer than since.
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
	groups map[string]int // by EventID, of the rows that take more than one event
}

func (c *collector) take(e *store.Event) error {
	if e.Type == typeImportedRow {
		return c.addImported(e)
	}
	k, ok := scopeOf(e)
	if !ok || !visible(e, c.viewer, c.spans[k], false) {
		return nil
	}
	mine := e.ActorID != nil && *e.ActorID == c.viewer.BotID
	switch e.Type {
	case typeMessage:
		c.add(CatchUpChannel, k, e, mine)
	case typeThreadMessage:
		c.add(CatchUpThreadMessages, k, e, mine)
	case typeThreadArtifact:
		c.add(CatchUpArtifacts, k, e, mine)
	case typeThreadStatus:
		c.one(CatchUpStatusChanged, e, nil)
	case typeThreadParticipant:
		event, err := decode(e)
		if err != nil {
			return err
		}
		p := event.GetThreadParticipant()
		switch {
		case p.GetBotId() != c.viewer.BotID:
		case p.Action == b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT:
			c.one(CatchUpRemoved, e, event)
		case p.By != c.viewer.BotID:
			c.one(CatchUpInvited, e, event)
		}
	}
	return nil
}

// add counts an event of others in its thread or channel.
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

// one makes a row of one event.
func (c *collector) one(kind string, e *store.Event, event *b2bv1.Event) {
	row := CatchUpRow{EventID: kind + ":" + strconv.FormatInt(e.Seq, 10), Type: kind, Count: 1, first: e.Seq, decoded: event}
	row.set(e)
	c.rows = append(c.rows, row)
}

func (row *CatchUpRow) set(e *store.Event) {
	row.OccurredAt, row.LastAt, row.last, row.imported = e.At, e.At, e.Seq, false
	if row.Type == CatchUpStatusChanged || row.Type == CatchUpArtifacts {
		row.newest = nil // read again when it is told: many threads may have long artifacts
		if len(e.Payload) <= keptPayload {
			kept := *e // not the page that it was read in
			row.newest = &kept
		}
	}
	if e.Audience == store.AudienceChannel {
		row.ChannelID = *e.ChannelID
	} else {
		row.ThreadID = *e.ThreadID
	}
}

// keptPayload is how long payloads are at most that a catch-up holds while it reads on.
const keptPayload = 1 << 10

// payload is the newest event of the row, with its payload.
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

// decode gives what an event of the log holds. Nobody may change it: it may be shared.
func decode(e *store.Event) (*b2bv1.Event, error) {
	if event, ok := e.Decoded.(*b2bv1.Event); ok {
		return event, nil
	}
	event := &b2bv1.Event{}
	if err := proto.Unmarshal(e.Payload, event); err != nil {
		return nil, fmt.Errorf("read event %d of org %s: %w", e.Seq, e.OrgID, err)
	}
	return event, nil
}

// finish fills in what the payload of the newest event and the thread tell.
func (row *CatchUpRow) finish(ctx context.Context, r Store, org string) (err error) {
	if row.imported {
		return nil
	}
	switch row.Type {
	case CatchUpStatusChanged, CatchUpArtifacts:
		newest, err := row.payload(ctx, r, org)
		if err != nil {
			return err
		}
		if row.decoded, err = decode(newest); err != nil {
			return err
		}
	}
	switch row.Type {
	case CatchUpStatusChanged:
		s := row.decoded.GetThreadStatusChanged()
		row.Topic, row.From, row.To, row.By = s.GetTopic(), s.GetFrom(), s.GetTo(), s.GetBy()
		return nil
	case CatchUpArtifacts:
		a := row.decoded.GetThreadArtifact().GetArtifact()
		row.Key, row.Version = a.GetArtifactKey(), int64(a.GetVersion())
		return nil
	case CatchUpChannel:
		return nil
	case CatchUpInvited, CatchUpRemoved:
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

// clockSkew is how far the clocks of nodes, and so the times of neighbouring events,
// may be out of order, in milliseconds.
const clockSkew = 60_000

// start is where a time begins in the log.
type start struct {
	Position
	top int64
}

// seqAt finds a seq below all events that are newer than since. Times rise with seq
// but for the skew of clocks.
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
	lo, hi := first.Seq, top.Seq+1 // the first newer one is in [lo, hi]
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
