package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
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

	imported  bool             // by an import, with no event added since
	after     int64            // all events in it have a higher seq
	last      int64            // seq of the newest event in it
	decoded   *b2bv1.Event     // newest, if it is needed and was read
	newest    *store.Event     // newest event, if it was read and its payload is at most keptPayload
	uncounted []store.LogRange // ranges with events that Count does not have yet
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
//
// The log is read by its index, which ends at the event indexed, and what is behind that is in the
// streams (stream.tail). Of the events in the index, only imported rows are outside of the parts.
type window struct {
	from      Position
	since     int64 // Unix milliseconds, at least store.TimeBeginning
	parts     []store.LogPart
	found     int64 // the parts have the events up to this one
	indexed   int64 // set by changes
	top       int64
	delivered int64
}

// CatchUp returns what a bot missed since a time, or since a cursor: a position, or the page
// token of an earlier page.
//
// The first page fixes the window, which ends at the current end of the log. All pages
// aggregate the same events, so counts are exact, and no row is skipped or repeated when
// events are appended meanwhile. Rows are in the order of their newest event. The token of a
// page has the end of the window, the last row returned, and a position before all
// events not returned yet. The token of the last page is the end of the window, from which the
// next catch-up or a subscription continues.
//
// A time before the oldest event of the log begins there. A cursor before it is
// CURSOR_EXPIRED.
func CatchUp(ctx context.Context, r Store, v Viewer, since int64, cursor string, limit int) (*CatchUpPage, error) {
	w, err := openWindow(ctx, r, v, since, cursor)
	if err != nil {
		return nil, err
	}
	limit = max(limit, 1)
	rows, err := w.collect(ctx, r, v, limit)
	if err != nil {
		return nil, err
	}
	page := &CatchUpPage{Rows: rows[:min(limit, len(rows))], More: len(rows) > limit}
	if page.Cursor, err = w.next(ctx, r, v.OrgID, page.Rows, rows[len(page.Rows):]); err != nil {
		return nil, err
	}
	if err := w.count(ctx, r, v, page.Rows); err != nil {
		return nil, err
	}
	if err := finish(ctx, r, v.OrgID, page.Rows); err != nil {
		return nil, err
	}
	return page, nil
}

// openWindow returns the window of a catch-up, from a time or from a cursor if that is not empty.
func openWindow(ctx context.Context, r Store, v Viewer, since int64, cursor string) (w window, err error) {
	if v.human() {
		return w, errCatchUpHuman()
	}
	if cursor == "" {
		top, err := r.LogTop(ctx, v.OrgID)
		if err != nil {
			return w, fmt.Errorf("find the end of the log: %w", err)
		}
		w = window{from: Position{Epoch: top.Epoch}, since: within(since), top: top.Seq}
		return w, w.find(ctx, r, v.OrgID)
	}
	from, err := ParsePosition(cursor)
	if err != nil {
		return w, err
	}
	_, top, err := locate(ctx, r, v.OrgID, &from)
	if err != nil {
		return w, err
	}
	w = window{from: from, since: store.TimeBeginning, top: top.Seq, found: top.Seq, parts: []store.LogPart{{After: from.Seq, Settled: from.Seq, UpTo: top.Seq}}}
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
	if w.since = within(w.since); w.since > store.TimeBeginning {
		return w, w.find(ctx, r, v.OrgID)
	}
	return w, nil
}

func errCatchUpHuman() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only bots can use catch-up")
}

// within limits a time, so that it can be compared with others less or plus some time.
func within(at int64) int64 { return min(max(at, store.TimeBeginning), -store.TimeBeginning) }

// find finds the parts of the log with events newer than since.
func (w *window) find(ctx context.Context, r Store, org string) (err error) {
	if w.parts, w.found, err = r.LogWindow(ctx, org, w.since); err != nil {
		return fmt.Errorf("find a time in the log: %w", err)
	}
	return nil
}

// begin returns the seq up to which no event of a bot's threads and channels is in the window.
func (w *window) begin() int64 {
	begin := w.found
	if len(w.parts) > 0 {
		begin = w.parts[0].After
	}
	return min(max(begin, w.from.Seq), w.top)
}

// next returns the page token after the rows returned.
func (w *window) next(ctx context.Context, r Store, org string, returned, left []CatchUpRow) (string, error) {
	p := Position{Epoch: w.from.Epoch, Seq: w.top}
	if len(left) > 0 {
		p.Seq = slices.MinFunc(left, func(a, b CatchUpRow) int { return cmp.Compare(a.after, b.after) }).after
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
