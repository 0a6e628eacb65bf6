package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// The index of the log (migration 0018_log_index) is written for many events at once: events of
// one thread or channel lie together in it, so many events touch few pages, where one event alone
// would touch some. The writer of events does it when enough have come, in the transaction that
// appends the last of them, so what readers find behind the index is bounded; the job "index" of
// package retention does it where fewer wait.
//
// indexEvery is how many events wait at least when a batch indexes them. On PostgreSQL statements
// cost more, and readers notice less of what waits.
var indexEvery = [...]int64{forSQLite: 256, forPostgres: 512}

// indexStep is how many events are indexed with few statements.
const indexStep = 2048

const (
	// scopeColumn is the thread, channel or bot of an event, and partyColumn its party
	// (store.PartyOf).
	scopeColumn = "CASE audience WHEN 2 THEN channel_id WHEN 3 THEN thread_id ELSE bot_id END"
	partyColumn = "CASE WHEN type IN ('message', 'thread_message', 'thread_artifact') THEN coalesce(actor_id, '') ELSE coalesce(bot_id, '') END"

	inScope = "audience BETWEEN 2 AND 4" // the condition that an event has a scope
)

// indexed is what the index has of an event. The scope is empty if it has none.
type indexed struct {
	seq, at           int64
	typ, scope, party string
}

var eventsToIndex = read(onEventLog, "SELECT seq, at, type, CASE WHEN "+inScope+" THEN coalesce("+scopeColumn+", '') ELSE '' END, "+partyColumn+
	" FROM event_log WHERE org_id = ? AND seq > ? ORDER BY seq LIMIT ? + 0")

var toIndex = scanner[indexed](func(rows rowSet, e *indexed) error {
	return rows.Scan(&e.seq, &e.at, &e.typ, &e.scope, &e.party)
})

// indexer writes the index of the log of an org.
type indexer struct {
	reader
	org string
	log *orgLog
	// ends are the streams, as far as they are known, where the index ends.
	ends map[streamKey]streamEnd
}

// indexMany indexes the events of a log at the end of a batch if there are many. While more wait
// than batches add, each batch indexes some more than it adds.
func (l *orgLog) indexMany(ctx context.Context, r reader, org string, w *waiting) error {
	events := w.add(org, l)
	every := indexEvery[r.d.database]
	if l.seq-l.indexed < every {
		return nil
	}
	x := indexer{r, org, l, w.endsOf(org, l)}
	if len(events) == 0 {
		if _, err := x.read(ctx, len(l.events)+2*int(every)); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(events, indexStep) {
		if err := x.index(ctx, some); err != nil {
			return err
		}
	}
	w.keep(org, l, x.ends)
	return nil
}

// read reads and indexes at most limit of the events behind the index, and returns how many.
func (x *indexer) read(ctx context.Context, limit int) (n int, err error) {
	l := x.log
	for n < limit && l.indexed < l.seq {
		events, err := toIndex.list(ctx, x.reader, eventsToIndex, x.org, l.indexed, min(limit-n, indexStep))
		if err != nil {
			return n, err
		}
		if len(events) == 0 { // the org has ended, and its events are removed
			l.indexed = l.seq
			return n, x.saveClock(ctx)
		}
		if err := x.index(ctx, events); err != nil {
			return n, err
		}
		n += len(events)
	}
	return n, nil
}

var storeClock = update(onOrgLogs, "UPDATE org_logs SET indexed_seq = ?, run_seq = ?, last_at = ?, skew = ?, ahead_at = ? WHERE org_id = ?")

// index indexes events, which are the next ones of the log.
func (x *indexer) index(ctx context.Context, events []indexed) error {
	l := x.log
	for i := range events {
		if err := l.clock.add(ctx, x.c, x.org, &events[i]); err != nil {
			return err
		}
	}
	l.indexed = events[len(events)-1].seq
	if err := x.saveClock(ctx); err != nil {
		return err
	}
	if err := saveHeads(ctx, x.c, x.org, events); err != nil {
		return err
	}
	return x.saveStreams(ctx, events)
}

func (x *indexer) saveClock(ctx context.Context) error {
	k := &x.log.clock
	return x.c.exec(ctx, storeClock, x.log.indexed, k.runSeq, k.lastAt, k.skew, k.ahead, x.org)
}

// streamKey names a stream in an org.
type streamKey struct{ scope, typ, party string }

// streamEnd is where a stream ends.
type streamEnd struct {
	number  int64 // 0: not in the table
	ordinal int64 // of its last event
}

// eventStream is a stream with its events that are to be indexed, in order.
type eventStream struct {
	streamKey
	streamEnd
	events []*indexed
}

const (
	keysSQLite   = "SELECT key AS i, value ->> 0 AS scope, value ->> 1 AS kind, value ->> 2 AS party FROM json_each(?)"
	keysPostgres = `SELECT e.i - 1 AS i, e.r ->> 0 AS scope, e.r ->> 1 AS kind, e.r ->> 2 AS party
		FROM json_array_elements(?::json) WITH ORDINALITY AS e(r, i)`

	// streamOf is the condition that finds the stream of a key; its argument is the org.
	streamOf = "s.org_id = ? AND s.scope_id = q.scope AND s.type = q.kind AND s.party = q.party"

	streamEnds = `SELECT q.i, s.stream, coalesce((SELECT x.ordinal FROM log_index x WHERE x.org_id = s.org_id AND x.stream = s.stream
		ORDER BY x.seq DESC LIMIT 1), 0) FROM (%s) q CROSS JOIN %s`

	// A statement that fails is never undone alone, so SQLite need not keep what undoes it.
	into   = "INSERT INTO"
	orFail = "INSERT OR FAIL INTO"

	newStreams = ` log_streams (org_id, scope_id, type, party, stream)
		SELECT CAST(? AS TEXT), %[1]s ->> 0, %[1]s ->> 1, %[1]s ->> 2, CAST(%[1]s ->> 3 AS BIGINT) FROM %[2]s`
	newIndex = ` log_index (org_id, stream, seq, ordinal, at)
		SELECT CAST(? AS TEXT), CAST(%[1]s ->> 0 AS BIGINT), CAST(%[1]s ->> 1 AS BIGINT), CAST(%[1]s ->> 2 AS BIGINT), CAST(%[1]s ->> 3 AS BIGINT) FROM %[2]s`

	rowsPostgres = "json_array_elements(?::json) AS e(r)"
)

var (
	selectStreams = read(onLogStreams|onLogIndex, fmt.Sprintf(streamEnds, keysSQLite, "log_streams s WHERE "+streamOf)).
			inPostgres(fmt.Sprintf(streamEnds, keysPostgres, "LATERAL (SELECT * FROM log_streams s WHERE "+streamOf+" OFFSET 0) s"))
	insertStreams = insert(onLogStreams, fmt.Sprintf(orFail+newStreams, "value", "json_each(?)")).inPostgres(fmt.Sprintf(into+newStreams, "e.r", rowsPostgres))
	insertIndex   = insert(onLogIndex, fmt.Sprintf(orFail+newIndex, "value", "json_each(?)")).inPostgres(fmt.Sprintf(into+newIndex, "e.r", rowsPostgres))
	// insertIndexMany inserts indexRows rows, on SQLite in less time.
	insertIndexMany = insert(onLogIndex, orFail+indexValues).inPostgres(into + indexValues)
)

// indexRows is how many rows insertIndexMany inserts.
const indexRows = 64

var indexValues = " log_index (org_id, stream, seq, ordinal, at) VALUES (?, ?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?, ?)", indexRows-1)

// saveStreams adds events to their streams.
func (x *indexer) saveStreams(ctx context.Context, events []indexed) error {
	var streams []*eventStream
	at := map[streamKey]*eventStream{}
	for i := range events {
		e := &events[i]
		if e.scope == "" {
			continue
		}
		key := streamKey{e.scope, e.typ, e.party}
		s := at[key]
		if s == nil {
			s = &eventStream{streamKey: key}
			at[key] = s
			streams = append(streams, s)
		}
		s.events = append(s.events, e)
	}
	if len(streams) == 0 {
		return nil
	}
	slices.SortFunc(streams, func(a, b *eventStream) int {
		return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.typ, b.typ), strings.Compare(a.party, b.party))
	})
	if err := x.findEnds(ctx, streams); err != nil {
		return err
	}
	var added [][4]any
	var index [][4]int64
	for _, s := range streams {
		if s.number == 0 {
			s.number = s.events[0].seq
			added = append(added, [4]any{s.scope, s.typ, s.party, s.number})
		}
		for i, e := range s.events {
			index = append(index, [4]int64{s.number, e.seq, s.ordinal + int64(i) + 1, e.at})
		}
		s.ordinal += int64(len(s.events))
		x.ends[s.streamKey] = s.streamEnd
	}
	slices.SortFunc(index, func(a, b [4]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	if len(added) > 0 {
		arg, err := jsonRows(added)
		if err != nil {
			return err
		}
		if err := x.c.exec(ctx, insertStreams, x.org, arg); err != nil {
			return err
		}
	}
	return x.saveIndex(ctx, index)
}

// findEnds finds where streams end.
func (x *indexer) findEnds(ctx context.Context, streams []*eventStream) error {
	var unknown []*eventStream
	var keys [][3]string
	for _, s := range streams {
		end, ok := x.ends[s.streamKey]
		if !ok {
			unknown, keys = append(unknown, s), append(keys, [3]string{s.scope, s.typ, s.party})
		}
		s.streamEnd = end
	}
	if len(unknown) == 0 {
		return nil
	}
	arg, err := jsonRows(keys)
	if err != nil {
		return err
	}
	return each(ctx, x.reader, func(rows rowSet) error {
		var i, number, ordinal int64
		err := rows.Scan(&i, &number, &ordinal)
		if err == nil {
			unknown[i].streamEnd = streamEnd{number, ordinal}
		}
		return err
	}, selectStreams, arg, x.org)
}

// saveIndex inserts rows of the index, in order.
func (x *indexer) saveIndex(ctx context.Context, rows [][4]int64) error {
	for ; len(rows) >= indexRows && x.d.database == forSQLite; rows = rows[indexRows:] {
		args := make([]any, 0, 5*indexRows)
		for _, row := range rows[:indexRows] {
			args = append(args, x.org, row[0], row[1], row[2], row[3])
		}
		if err := x.c.exec(ctx, insertIndexMany, args...); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	arg, err := jsonRows(rows)
	if err != nil {
		return err
	}
	return x.c.exec(ctx, insertIndex, x.org, arg)
}

// jsonRows returns the argument that has rows of values.
func jsonRows[T any](rows []T) (string, error) {
	arg, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("store: list of rows: %w", err)
	}
	return string(arg), nil
}

func (t *tx) IndexLog(ctx context.Context, limit int) (int, error) {
	if _, err := t.nextSeq(ctx); err != nil {
		return 0, err
	}
	return t.indexer().read(ctx, limit)
}

func (t *tx) indexer() *indexer {
	return &indexer{t.reader, t.org, t.log, map[streamKey]streamEnd{}}
}

// IndexLog implements [store.Store].
func (s *Store) IndexLog(ctx context.Context, org string, limit int) error {
	return s.Update(ctx, org, func(t store.Tx) error {
		_, err := t.IndexLog(ctx, limit)
		return err
	})
}

var selectBehind = read(onOrgLogs|onOrgs, `SELECT org_id FROM org_logs WHERE last_seq - indexed_seq >= ? AND org_id > ?
	AND org_id IN (SELECT id FROM orgs WHERE status <> 'destroyed') ORDER BY org_id LIMIT ? + 0`)

func (r reader) LogsBehind(ctx context.Context, least int64, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectBehind, least, after, limit)
}

// prunedEvents are the events of an org before a seq, by their streams.
const prunedEvents = "(SELECT " + scopeColumn + " AS scope, type AS kind, " + partyColumn + " AS party, seq FROM event_log WHERE org_id = ? AND seq < ? AND " + inScope + ") q"

var (
	pruneHeads = remove(onLogHeads, "DELETE FROM log_heads WHERE org_id = ? AND (scope_id, type, seq) IN (SELECT q.scope, q.kind, q.seq FROM "+
		prunedEvents+")").reading(onEventLog)
	pruneIndexed = remove(onLogIndex, "DELETE FROM log_index WHERE (org_id, stream, seq) IN (SELECT s.org_id, s.stream, q.seq FROM "+
		prunedEvents+" CROSS JOIN log_streams s WHERE "+streamOf+")").reading(onEventLog | onLogStreams)
	pruneStreams = remove(onLogStreams, "DELETE FROM log_streams WHERE org_id = ? AND (scope_id, type, party) IN (SELECT q.scope, q.kind, q.party FROM "+
		prunedEvents+") AND NOT EXISTS (SELECT 1 FROM log_index x WHERE x.org_id = log_streams.org_id AND x.stream = log_streams.stream)").
		reading(onEventLog | onLogIndex)
)

// pruneIndex removes the events before floor from the index.
func (t *tx) pruneIndex(ctx context.Context, floor int64) error {
	if behind := floor - 1 - t.log.indexed; behind > 0 {
		if _, err := t.indexer().read(ctx, int(behind)); err != nil {
			return t.fail(err)
		}
	}
	t.log.pruned = true
	if err := t.c.exec(ctx, pruneHeads, t.org, t.org, floor); err != nil {
		return err
	}
	if err := t.c.exec(ctx, pruneIndexed, t.org, floor, t.org); err != nil {
		return err
	}
	if err := t.c.exec(ctx, pruneStreams, t.org, t.org, floor); err != nil {
		return err
	}
	return t.pruneRuns(ctx, floor)
}
