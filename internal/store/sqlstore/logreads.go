package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/b2b-protocol/b2b/internal/store"
)

// These queries read event_log in subqueries alone, each of which is one look into an index.
// Written as joins, PostgreSQL reads the whole log of the org when its statistics are old.

// logWindow returns a row with the end of the index, and finds two places of each run by binary
// search: k is 0 for the first event newer than the time less the skew, and 1 for the first newer
// than the time and the skew. Its arguments are the org twice, the time, the org, the time, and the
// org three times. A row has the interval in which to search, and the time of the event in its
// middle; seqs have no holes, so there always is one.
var logWindow = read(onOrgLogs|onLogRuns|onEventLog, `WITH RECURSIVE r(first, upto, skew) AS (
		SELECT run_seq, indexed_seq, skew FROM org_logs WHERE org_id = ? AND run_seq > 0
		UNION ALL SELECT first_seq, last_seq, skew FROM log_runs WHERE org_id = ? AND newest_at > ?),
	o(seq) AS (SELECT seq FROM event_log WHERE org_id = ? ORDER BY seq LIMIT 1),
	b(k, upto, x, lo, hi) AS (
		SELECT k.n, r.upto, ? - r.skew + 2 * k.n * r.skew, CASE WHEN o.seq > r.first THEN o.seq ELSE r.first END, r.upto + 1
		FROM r CROSS JOIN o CROSS JOIN (SELECT 0 AS n UNION ALL SELECT 1) k WHERE o.seq <= r.upto AND (k.n = 0 OR r.skew > 0)),
	s(k, upto, x, lo, hi, at) AS (
		SELECT b.k, b.upto, b.x, b.lo, b.hi, (SELECT e.at FROM event_log e WHERE e.org_id = ? AND e.seq = b.lo + (b.hi - b.lo) / 2) FROM b
		UNION ALL
		SELECT s.k, s.upto, s.x, CASE WHEN s.at > s.x THEN s.lo ELSE s.lo + (s.hi - s.lo) / 2 + 1 END,
			CASE WHEN s.at > s.x THEN s.lo + (s.hi - s.lo) / 2 ELSE s.hi END,
			(SELECT e.at FROM event_log e WHERE e.org_id = ? AND e.seq = CASE WHEN s.at > s.x
				THEN s.lo + (s.hi - s.lo) / 2 / 2
				ELSE s.lo + (s.hi - s.lo) / 2 + 1 + (s.hi - s.lo - (s.hi - s.lo) / 2 - 1) / 2 END)
		FROM s WHERE s.lo < s.hi)
SELECT k, lo - 1, upto FROM s WHERE lo >= hi UNION ALL SELECT -1, indexed_seq, -1 FROM org_logs WHERE org_id = ? ORDER BY 3, 1`)

func (r reader) LogWindow(ctx context.Context, org string, at int64) (parts []store.LogPart, end int64, err error) {
	err = each(ctx, r, func(rows rowSet) error {
		var k, found, upto int64
		if err := rows.Scan(&k, &found, &upto); err != nil {
			return err
		}
		switch k {
		case -1:
			end = found
		case 0:
			parts = append(parts, store.LogPart{After: found, Settled: found, UpTo: upto})
		default:
			parts[len(parts)-1].Settled = found
		}
		return nil
	}, logWindow, org, org, at, org, at, org, org, org)
	if err != nil {
		return nil, 0, err
	}
	return fewer(slices.DeleteFunc(parts, func(p store.LogPart) bool { return p.After >= p.UpTo })), end, nil
}

// mostParts bounds how many parts LogWindow returns.
const mostParts = 16

// fewer joins the oldest parts if there are many.
func fewer(parts []store.LogPart) []store.LogPart {
	if n := len(parts) - mostParts; n > 0 {
		parts[n] = store.LogPart{After: parts[0].After, Settled: max(parts[n].Settled, parts[n-1].UpTo), UpTo: parts[n].UpTo}
		parts = parts[n:]
	}
	return parts
}

// selectHeads is the query of LogHeads. The joins are loops in this order on both databases:
// PostgreSQL would otherwise read all heads of an org, or its log, when it expects many. Of events
// between two seqs that it does not know, it expects few, of those above one a third of the log:
// so it sorts a log that is shorter than three times a LIMIT.
var selectHeads = read(onOrgLogs|onEventLog|onLogHeads|onChannelMembers|onThreadParticipants|onMembershipHistory|onBots, fmt.Sprintf(logHeads,
	"CROSS JOIN log_heads h WHERE h.org_id = l.org_id AND h.scope_id = m.scope_id",
	"CROSS JOIN event_log e CROSS JOIN m WHERE e.org_id = l.org_id AND e.seq > l.indexed_seq",
)).inPostgres(fmt.Sprintf(logHeads,
	"CROSS JOIN LATERAL (SELECT * FROM log_heads h WHERE h.org_id = l.org_id AND h.scope_id = m.scope_id OFFSET 0) h WHERE true",
	fmt.Sprintf("CROSS JOIN LATERAL (SELECT * FROM event_log e WHERE e.org_id = l.org_id AND e.seq > l.indexed_seq AND e.seq <= l.indexed_seq + %d OFFSET 0) e CROSS JOIN m WHERE true", store.LogTailMax),
))

// A row is the end of the log, a head, or an event behind the index that the bot may see. Such
// events have no head.
//
// Without an earlier run that has newer events, an event of the index that is older by more than
// the skew has nothing newer before it; so a membership that ended with one is left out, as is one
// that ended before the log, because that event is not found.
var logHeads = `WITH l AS MATERIALIZED (SELECT org_id, last_seq, indexed_seq, skew, ahead_at,
		coalesce((SELECT seq FROM event_log e WHERE e.org_id = org_logs.org_id ORDER BY seq LIMIT 1), last_seq + 1) AS first_seq FROM org_logs WHERE org_id = ?),
	m AS MATERIALIZED (SELECT 'channel' AS kind, channel_id AS scope_id, joined_seq, CAST(NULL AS BIGINT) AS left_seq FROM channel_members WHERE bot_id = ?
		UNION ALL SELECT 'thread', thread_id, joined_seq, CAST(NULL AS BIGINT) FROM thread_participants WHERE bot_id = ?
		UNION ALL SELECT kind, scope_id, joined_seq, left_seq FROM membership_history WHERE bot_id = ? AND left_seq > ?
		UNION ALL SELECT 'bot', id, 0, CAST(NULL AS BIGINT) FROM bots WHERE id = ?)
	SELECT 'log' AS kind, '' AS scope_id, l.first_seq AS joined_seq, l.indexed_seq AS left_seq, '' AS type, l.last_seq AS seq, 0 AS at, '' AS party,
		0 AS other_seq, 0 AS other_at, CAST(NULL AS BYTEA) AS payload FROM l
	UNION ALL SELECT m.kind, m.scope_id, m.joined_seq, m.left_seq, h.type, h.seq, h.at, h.party, h.other_seq, h.other_at, NULL FROM l CROSS JOIN m
	%[1]s AND h.seq > ? AND h.seq >= m.joined_seq AND (h.at > ? - l.skew OR l.ahead_at > ?)
		AND (m.left_seq IS NULL OR m.left_seq > l.indexed_seq OR l.ahead_at > ? OR (SELECT e.at FROM event_log e WHERE e.org_id = ? AND e.seq = m.left_seq) > ? - l.skew)
	UNION ALL SELECT 'event', m.scope_id, 0, NULL, e.type, e.seq, e.at, ` + partyColumn + `, 0, 0,
		CASE WHEN e.type IN ('thread_status_changed', 'thread_participant', 'catchup_carried') AND length(e.payload) <= ` + strconv.Itoa(store.TailPayloadMax) + ` THEN e.payload END
	FROM l %[2]s AND e.at > ? AND e.seq > ? AND l.last_seq - l.indexed_seq <= ` + strconv.Itoa(store.LogTailMax) + ` AND e.` + inScope + `
		AND e.type IN ('message', 'thread_message', 'thread_artifact', 'thread_status_changed', 'thread_participant', 'catchup_carried')
		AND m.scope_id = ` + scopeColumn + ` AND m.joined_seq <= e.seq AND (m.left_seq IS NULL OR m.left_seq >= e.seq)`

func (r reader) LogHeads(ctx context.Context, q store.HeadQuery) (*store.LogHeads, error) {
	out := &store.LogHeads{}
	err := each(ctx, r, func(rows rowSet) error {
		var h store.Head
		var kind string
		var payload []byte
		err := rows.Scan(&kind, &h.ScopeID, &h.Joined, &h.Left, &h.Type, &h.Seq, &h.At, &h.Party, &h.Other, &h.OtherAt, &payload)
		switch kind {
		case "log":
			out.Top, out.First = h.Seq, h.Joined
			if h.Left != nil {
				out.Indexed = *h.Left
			}
		case "event":
			out.Tail = append(out.Tail, store.TailEvent{ScopeID: h.ScopeID, Type: h.Type, Seq: h.Seq, At: h.At, Party: h.Party, Payload: payload})
		default:
			h.Kind = store.MembershipKind(kind)
			out.Rows = append(out.Rows, h)
		}
		return err
	}, selectHeads, q.OrgID, q.BotID, q.BotID, q.BotID, q.Ended, q.BotID, q.After, q.Newer, q.Newer, q.Newer, q.OrgID, q.Newer,
		q.Newer, q.After)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Tail, func(a, b store.TailEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// tallyLog counts, for each range, the events of each party. Above settled they are the difference
// of two ordinals; up to there each is looked at. Its arguments are the time twice, the ranges,
// the org, and the party to leave out. Numbers that one look finds are one text.
const tallyLog = `SELECT q.i,
	CASE WHEN q.settled > q.after THEN (SELECT count(*) FROM log_index x WHERE ` + ofStream + ` AND x.seq > q.after AND x.seq <= q.settled AND x.at > ?) ELSE 0 END,
	CASE WHEN q.settled > q.after THEN (SELECT x.seq || ' ' || x.at FROM log_index x
		WHERE ` + ofStream + ` AND x.seq > q.after AND x.seq <= q.settled AND x.at > ? ORDER BY x.seq DESC LIMIT 1) END,
	(SELECT x.ordinal FROM log_index x WHERE ` + ofStream + ` AND x.seq > q.settled AND x.seq <= q.upto ORDER BY x.seq LIMIT 1),
	(SELECT x.ordinal || ' ' || x.seq || ' ' || x.at FROM log_index x WHERE ` + ofStream + ` AND x.seq > q.settled AND x.seq <= q.upto ORDER BY x.seq DESC LIMIT 1)
FROM (%s) q CROSS JOIN %s s.party <> ?`

const ofStream = "x.org_id = s.org_id AND x.stream = s.stream"

// The ranges, of which the argument is a JSON array.
const (
	rangesSQLite = `SELECT key AS i, value ->> 0 AS scope, value ->> 1 AS kind, value ->> 2 AS party, value ->> 3 AS after,
		value ->> 4 AS settled, value ->> 5 AS upto FROM json_each(?)`
	rangesPostgres = `SELECT e.i - 1 AS i, e.r ->> 0 AS scope, e.r ->> 1 AS kind, e.r ->> 2 AS party, (e.r ->> 3)::bigint AS after,
		(e.r ->> 4)::bigint AS settled, (e.r ->> 5)::bigint AS upto FROM json_array_elements(?::json) WITH ORDINALITY AS e(r, i)`

	// streamsOf is the condition that finds the streams of a range; its argument is the org.
	streamsOf = "s.org_id = ? AND s.scope_id = q.scope AND s.type = q.kind"
)

var tallyRanges = read(onLogStreams|onLogIndex, fmt.Sprintf(tallyLog, rangesSQLite, "log_streams s WHERE "+streamsOf+" AND")).
	inPostgres(fmt.Sprintf(tallyLog, rangesPostgres, "LATERAL (SELECT * FROM log_streams s WHERE "+streamsOf+" OFFSET 0) s WHERE"))

// rangesArg is the argument that has the ranges.
func rangesArg(ranges []store.LogRange) (string, error) {
	list := make([][6]any, len(ranges))
	for i, in := range ranges {
		list[i] = [6]any{in.ScopeID, in.Type, in.Party, in.After, min(max(in.Settled, in.After), in.UpTo), in.UpTo}
	}
	return jsonRows(list)
}

func (r reader) TallyLog(ctx context.Context, org, except string, newer int64, ranges []store.LogRange) ([]store.Tally, error) {
	if len(ranges) == 0 {
		return nil, nil
	}
	arg, err := rangesArg(ranges)
	if err != nil {
		return nil, err
	}
	out := make([]store.Tally, len(ranges))
	err = each(ctx, r, func(rows rowSet) error {
		var i, early int64
		var first *int64
		var earlier, last *string
		if err := rows.Scan(&i, &early, text{&earlier}, &first, text{&last}); err != nil {
			return err
		}
		t := &out[i]
		t.Count += early
		var seq, at, ordinal int64
		var err error
		switch {
		case last != nil && first != nil:
			_, err = fmt.Sscan(*last, &ordinal, &seq, &at)
			t.Count += ordinal - *first + 1
		case earlier != nil:
			_, err = fmt.Sscan(*earlier, &seq, &at)
		}
		if seq > t.Last {
			t.Last, t.LastAt = seq, at
		}
		return err
	}, tallyRanges, newer, newer, arg, org, except)
	if err != nil {
		return nil, err
	}
	return out, nil
}

var rangeEvents = scanner[store.RangeEvent](func(rows rowSet, e *store.RangeEvent) error {
	return rows.Scan(append([]any{&e.Range}, eventFields(&e.Event)...)...)
})

func (r reader) ReadRanges(ctx context.Context, org string, ranges []store.LogRange, limit int) ([]store.RangeEvent, error) {
	if len(ranges) == 0 || limit <= 0 {
		return nil, nil
	}
	arg, err := rangesArg(ranges)
	if err != nil {
		return nil, err
	}
	if r.d.database == forPostgres {
		return rangeEvents.page(ctx, r, readRanges, arg, limit, org, limit*len(ranges), 0)
	}
	events, err := rangeEvents.page(ctx, r, readRanges, arg, org, limit-1)
	if err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(events, func(a, b store.RangeEvent) int {
		return cmp.Or(cmp.Compare(a.Range, b.Range), cmp.Compare(a.Seq, b.Seq))
	}) {
		return nil, errors.New("store: the events of ranges are out of order")
	}
	return events, nil
}

// readRanges is the query of ReadRanges. Its arguments are the ranges, the org, and the limit of
// each; on PostgreSQL the ranges, the limit of each, the org, and a limit and an offset. On SQLite
// it has no ORDER BY, which would sort whole rows: the loops have the order.
var readRanges = read(onEvents|onLogStreams|onLogIndex, "WITH q AS MATERIALIZED ("+rangesSQLite+") SELECT q.i, "+eventColumns[forSQLite]+
	" FROM q CROSS JOIN log_streams s CROSS JOIN log_index x CROSS JOIN event_log e WHERE "+streamOf+" AND "+inRange+
	"coalesce((SELECT x.seq FROM log_index x WHERE "+inRange+"q.upto ORDER BY x.seq LIMIT 1 OFFSET ? + 0), q.upto) AND e.org_id = x.org_id AND e.seq = x.seq").
	inPostgres(listing{
		columns: "q.i AS range_, " + eventColumns[forPostgres], long: "e.payload, b.body",
		from: " FROM (" + rangesPostgres + ") q CROSS JOIN LATERAL (SELECT e.* FROM log_streams s CROSS JOIN LATERAL (SELECT x.org_id, x.seq FROM log_index x WHERE " +
			inRange + "q.upto ORDER BY x.seq LIMIT ?) x CROSS JOIN LATERAL (SELECT * FROM event_log e WHERE e.org_id = x.org_id AND e.seq = x.seq OFFSET 0) e WHERE " +
			streamOf + ") e" + withBody,
		order: "q.i, e.seq",
	}.query(forPostgres, "", false))

const inRange = ofStream + " AND x.seq > q.after AND x.seq <= "
