package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

var selectInbox = read(onInboxes, "SELECT "+columns[store.Inbox]("")+" FROM inboxes WHERE bot_id = ?")

func (r reader) InboxOf(ctx context.Context, bot string) (*store.Inbox, error) {
	return one[store.Inbox](ctx, r, selectInbox, bot)
}

var selectInboxes = read(onInboxes, "SELECT "+columns[store.Inbox]("")+" FROM inboxes WHERE org_id = ?")

func (t *tx) Inboxes(ctx context.Context) ([]store.Inbox, error) {
	return list[store.Inbox](ctx, t.reader, selectInboxes, t.org)
}

var openInbox = insertRow[store.Inbox](onInboxes, "")

func (t *tx) OpenInbox(ctx context.Context, i *store.Inbox) error { return put(ctx, t, openInbox, i) }

var setInboxClaimed = update(onInboxes, "UPDATE inboxes SET claimed_at = ? WHERE bot_id = ?")

func (t *tx) SetInboxClaimed(ctx context.Context, bot string, at int64) error {
	return t.c.exec(ctx, setInboxClaimed, at, bot)
}

var selectInboxPosition = read(onInboxPositions, "SELECT seq FROM inbox_positions WHERE org_id = ?")

func (r reader) InboxPosition(ctx context.Context, org string) (int64, error) {
	return number(ctx, r, selectInboxPosition, org)
}

// number reads the only number of a query.
func number(ctx context.Context, r reader, q *statement, args ...any) (int64, error) {
	n, err := scanner[int64](func(rows rowSet, n *int64) error { return rows.Scan(n) }).one(ctx, r, q, args...)
	if err != nil {
		return 0, err
	}
	return *n, nil
}

var setInboxPosition = insert(onInboxPositions,
	"INSERT INTO inbox_positions (org_id, seq) VALUES (?, ?) ON CONFLICT (org_id) DO UPDATE SET seq = excluded.seq")

func (t *tx) SetInboxPosition(ctx context.Context, seq int64) error {
	return t.c.exec(ctx, setInboxPosition, t.org, seq)
}

const selectDeliveries = " FROM deliveries"

var (
	deliveryColumns = "SELECT " + columns[store.Delivery]("")
	selectDelivery  = read(onDeliveries, deliveryColumns+selectDeliveries+" WHERE bot_id = ? AND seq = ?")
)

func (r reader) Delivery(ctx context.Context, bot string, seq int64) (*store.Delivery, error) {
	return one[store.Delivery](ctx, r, selectDelivery, bot, seq)
}

// deliveries lists deliveries by seq. SQLite would read all of a bot by its primary key, whatever is
// asked for.
var deliveries = &family{
	kind: selects, reads: onDeliveries, given: "bot_id = ? AND seq > ?",
	may: []string{deliveriesIn: "state = ?", deliveriesOf: "scope_id = ?"},
	query: func(_ database, where string, _ bool) string {
		from := selectDeliveries
		switch {
		case strings.Contains(where, "scope_id"):
			from += indexedBy("deliveries_by_scope")
		case strings.Contains(where, "state"):
			from += indexedBy("deliveries_by_state")
		}
		return deliveryColumns + from + where + " ORDER BY seq LIMIT ? + 0"
	},
}

// The conditions of deliveries. That of a scope comes with a state, by which its index is ordered.
const (
	deliveriesIn = iota
	deliveriesOf
)

func (r reader) Deliveries(ctx context.Context, q store.DeliveryQuery) ([]store.Delivery, error) {
	if q.Scope != nil && q.State == 0 {
		return r.deliveriesOfScope(ctx, q)
	}
	c := deliveries.choose(q.BotID, q.After)
	if q.State != 0 {
		c.and(deliveriesIn, int64(q.State))
	}
	if q.Scope != nil {
		c.and(deliveriesOf, *q.Scope)
	}
	return paged[store.Delivery](ctx, r, c, q.Limit)
}

// deliveriesOfScope lists those of a scope in all states.
func (r reader) deliveriesOfScope(ctx context.Context, q store.DeliveryQuery) (all []store.Delivery, err error) {
	for q.State = store.DeliveryQueued; q.State <= store.DeliveryDead; q.State++ {
		some, err := r.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b store.Delivery) int { return cmp.Compare(a.Seq, b.Seq) })
	return all[:min(len(all), max(q.Limit, 0))], nil
}

var nextReady = read(onInboxScopes|onDeliveries, `SELECT at FROM (
	SELECT * FROM (SELECT ready_at AS at FROM inbox_scopes WHERE bot_id = ? AND head IS NOT NULL ORDER BY ready_at LIMIT 1) s
	UNION ALL SELECT due AS at FROM deliveries`+indexedBy("deliveries_by_state")+` WHERE bot_id = ? AND state IN (2, 3)) n ORDER BY at LIMIT 1`)

func (r reader) NextReady(ctx context.Context, bot string) (int64, error) {
	return number(ctx, r, nextReady, bot, bot)
}

var selectReadyBots = read(onInboxScopes|onDeliveries, `SELECT bot_id FROM inbox_scopes WHERE `+anyOf("bot_id")+` AND head IS NOT NULL AND ready_at <= ?
	UNION SELECT bot_id FROM deliveries`+indexedBy("deliveries_by_state")+` WHERE `+anyOf("bot_id")+` AND state IN (2, 3) AND due <= ?`)

func (r reader) ReadyBots(ctx context.Context, bots []string, now int64) ([]string, error) {
	ids, err := jsonList(bots)
	if err != nil {
		return nil, err
	}
	return r.ids(ctx, selectReadyBots, ids, now, ids, now)
}

var selectInboxesDue = read(onDeliveries|onInboxPositions|onOrgLogs, `SELECT org_id FROM (
	SELECT org_id FROM deliveries WHERE state IN (2, 3) AND due <= ? AND org_id > ?
	UNION SELECT p.org_id FROM inbox_positions p JOIN org_logs l ON l.org_id = p.org_id WHERE l.last_seq - p.seq >= ? AND p.org_id > ?
	) o ORDER BY org_id LIMIT ? + 0`)

func (r reader) InboxesDue(ctx context.Context, now, least int64, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectInboxesDue, now, after, least, after, max(limit, 0))
}

var readEvents = read(onEvents, "SELECT "+eventColumns[forSQLite]+" FROM event_log e WHERE e.org_id = ? AND "+anyNumberOf("e.seq")+" ORDER BY e.seq").
	inPostgres("SELECT " + eventColumns[forPostgres] + " FROM event_log e" + withBody +
		" WHERE e.org_id = ? AND " + anyNumberOf("e.seq") + " ORDER BY e.seq")

func (r reader) ReadEvents(ctx context.Context, org string, seqs []int64) ([]store.Event, error) {
	list, err := numberList(seqs)
	if err != nil {
		return nil, err
	}
	return eventRows.list(ctx, r, readEvents, org, list)
}

var selectSettledAt = read(onInboxScopes, "SELECT coalesce(max(settled_at), 0) FROM inbox_scopes WHERE bot_id = ? AND scope_id = ?")

func (r reader) SettledAt(ctx context.Context, bot, scope string) (int64, error) {
	return number(ctx, r, selectSettledAt, bot, scope)
}

var membersWithInbox = read(onChannelMembers|onThreadParticipants|onMembershipHistory|onInboxes, `SELECT kind, scope_id, m.bot_id, joined_seq, left_seq FROM (
		SELECT 'channel' AS kind, channel_id AS scope_id, bot_id, joined_seq, CAST(NULL AS BIGINT) AS left_seq FROM channel_members WHERE `+anyOf("channel_id")+`
		UNION ALL SELECT 'thread', thread_id, bot_id, joined_seq, CAST(NULL AS BIGINT) FROM thread_participants WHERE `+anyOf("thread_id")+`
		UNION ALL SELECT kind, scope_id, bot_id, joined_seq, left_seq FROM membership_history WHERE `+anyOf("scope_id")+`) m
	JOIN inboxes i ON i.bot_id = m.bot_id`)

func (t *tx) MembersWithInbox(ctx context.Context, scopes []string) ([]store.Membership, error) {
	ids, err := jsonList(scopes)
	if err != nil {
		return nil, err
	}
	return memberships.list(ctx, t.reader, membersWithInbox, ids, ids, ids)
}

var addDelivery = insertRow[store.Delivery](onDeliveries, "")

func (t *tx) AddDelivery(ctx context.Context, d *store.Delivery) error {
	return put(ctx, t, addDelivery, d)
}

var setDelivery = update(onDeliveries, `UPDATE deliveries SET state = ?, attempt = ?, due = ?, lease = ?, progress = ?, waits_for = ?, reason = ?
	WHERE bot_id = ? AND seq = ?`)

func (t *tx) SetDelivery(ctx context.Context, d *store.Delivery) error {
	if none, ok := t.due[t.org]; ok && (d.State == store.DeliveryLeased || d.State == store.DeliveryWaiting) {
		t.due[t.org] = min(none, d.Due)
	}
	return t.c.exec(ctx, setDelivery, int64(d.State), d.Attempt, d.Due, d.Lease, d.Progress, d.WaitsFor, d.Reason, d.BotID, d.Seq)
}

var settleDelivery = remove(onDeliveries,
	"DELETE FROM deliveries WHERE bot_id = ? AND seq = ? AND lease = ? AND due > ? RETURNING "+columns[store.Delivery](""))

func (t *tx) SettleDelivery(ctx context.Context, bot string, seq int64, lease string, now int64) (*store.Delivery, error) {
	return one[store.Delivery](ctx, t.reader, settleDelivery, bot, seq, lease, now)
}

// Heads of scopes that are ready, in order, and of those that have become ready, the 100 that have
// waited longest. With kinds, the first delivery of these kinds of each such scope.
const (
	readyHeads = ` FROM (SELECT * FROM (SELECT head FROM inbox_scopes WHERE bot_id = ? AND ready_at = 0 AND head IS NOT NULL ORDER BY head LIMIT ? + 0) a
			UNION ALL SELECT * FROM (SELECT head FROM inbox_scopes WHERE bot_id = ? AND ready_at > 0 AND ready_at <= ? AND head IS NOT NULL
				ORDER BY ready_at LIMIT 100) b) h
		CROSS JOIN deliveries d WHERE d.seq = h.head AND d.bot_id = ?` // SQLite keeps the order of a CROSS JOIN
	readyFirst = ` WHERE d.bot_id = ? AND d.seq IN (SELECT (SELECT q.seq FROM deliveries q%s
		WHERE q.bot_id = s.bot_id AND q.scope_id = s.scope_id AND q.state = 1 AND %s ORDER BY q.seq LIMIT 1)
		FROM inbox_scopes s WHERE s.bot_id = ? AND s.ready_at <= ? AND s.head IS NOT NULL)`
	readyAny = " WHERE d.bot_id = ? AND d.state = 1 AND d.due <= ?"
	first    = " ORDER BY d.seq LIMIT ? + 0"
)

var (
	readyDeliveries = read(onDeliveries|onInboxScopes, "SELECT "+columns[store.Delivery]("d.")+readyHeads+first)
	readyOfKinds    = read(onDeliveries|onInboxScopes, "SELECT "+columns[store.Delivery]("d.")+" FROM deliveries d"+
		fmt.Sprintf(readyFirst, indexedBy("deliveries_by_scope"), anyNumberOf("q.kind"))+first)
	readyOfScope = read(onDeliveries|onInboxScopes, "SELECT "+columns[store.Delivery]("d.")+" FROM deliveries d"+indexedBy("deliveries_by_scope")+`
		JOIN inbox_scopes s ON s.bot_id = d.bot_id AND s.scope_id = d.scope_id
		WHERE d.bot_id = ? AND d.scope_id = ? AND d.state = 1 AND s.ready_at <= ? AND `+anyNumberOf("kind")+" ORDER BY d.seq LIMIT 1")
	readyUnordered = read(onDeliveries, "SELECT "+columns[store.Delivery]("d.")+" FROM deliveries d"+indexedBy("deliveries_by_state")+
		readyAny+" AND "+anyNumberOf("kind")+first)
	readyUnorderedOf = read(onDeliveries, "SELECT "+columns[store.Delivery]("d.")+" FROM deliveries d"+indexedBy("deliveries_by_scope")+
		readyAny+" AND d.scope_id = ? AND "+anyNumberOf("kind")+first)
)

func (t *tx) ReadyDeliveries(ctx context.Context, q store.ReadyQuery) ([]store.Delivery, error) {
	limit := max(q.Limit, 0)
	if limit == 0 {
		return nil, nil
	}
	if q.Kinds == nil && q.Scope == nil && !q.Unordered {
		return list[store.Delivery](ctx, t.reader, readyDeliveries, q.BotID, limit, q.BotID, q.Now, q.BotID, limit)
	}
	kinds, err := kindList(q.Kinds)
	switch {
	case err != nil:
		return nil, err
	case q.Unordered && q.Scope != nil:
		return list[store.Delivery](ctx, t.reader, readyUnorderedOf, q.BotID, q.Now, *q.Scope, kinds, limit)
	case q.Unordered:
		return list[store.Delivery](ctx, t.reader, readyUnordered, q.BotID, q.Now, kinds, limit)
	case q.Scope != nil:
		return list[store.Delivery](ctx, t.reader, readyOfScope, q.BotID, *q.Scope, q.Now, kinds)
	}
	return list[store.Delivery](ctx, t.reader, readyOfKinds, q.BotID, kinds, q.BotID, q.Now, limit)
}

// maxKind is above all kinds of deliveries.
const maxKind = 32

// kindList is the argument of kinds, all if there are none.
func kindList(kinds []int64) (string, error) {
	if kinds == nil {
		for k := range int64(maxKind) {
			kinds = append(kinds, k)
		}
	}
	return numberList(kinds)
}

var selectLeasedBy = read(onDeliveries, deliveryColumns+selectDeliveries+indexedBy("deliveries_by_state")+" WHERE bot_id = ? AND state = 2 AND lease >= ? AND lease < ? ORDER BY seq LIMIT ? + 0")

func (r reader) LeasedBy(ctx context.Context, bot, prefix string, limit int) ([]store.Delivery, error) {
	return list[store.Delivery](ctx, r, selectLeasedBy, bot, prefix, prefix+"~", max(limit, 0))
}

var selectDueDeliveries = read(onDeliveries, deliveryColumns+selectDeliveries+
	" WHERE state IN (2, 3) AND due <= ? AND org_id = ? ORDER BY due, bot_id, seq LIMIT ? + 0")

// dueAhead is how far ahead of a time DueDeliveries looks, in milliseconds.
const dueAhead = 1000

// DueDeliveries remembers until when there are none, because each claim asks.
func (t *tx) DueDeliveries(ctx context.Context, now int64, limit int) ([]store.Delivery, error) {
	if none, ok := t.due[t.org]; ok && now < none {
		return nil, nil
	}
	all, err := list[store.Delivery](ctx, t.reader, selectDueDeliveries, now+dueAhead, t.org, max(limit, 0))
	if err != nil {
		return nil, err
	}
	none, due := now+dueAhead+1, all
	if i := slices.IndexFunc(all, func(d store.Delivery) bool { return d.Due > now }); i >= 0 {
		none, due = all[i].Due, all[:i]
	}
	if len(due) == 0 && limit > 0 {
		t.due.set(t.org, none)
	}
	return due, nil
}

var selectWaitingReported = read(onDeliveries, deliveryColumns+selectDeliveries+indexedBy("deliveries_waiting_reported")+
	" WHERE state = 3 AND sender_id IS NOT NULL AND "+anyOf("scope_id"))

func (t *tx) WaitingReported(ctx context.Context, scopes []string) ([]store.Delivery, error) {
	ids, err := jsonList(scopes)
	if err != nil {
		return nil, err
	}
	return list[store.Delivery](ctx, t.reader, selectWaitingReported, ids)
}

var resumeWaiting = update(onDeliveries, "UPDATE deliveries"+indexedBy("deliveries_by_scope")+" SET state = 1, due = 0, lease = NULL, waits_for = 0, reason = NULL WHERE bot_id = ? AND scope_id = ? AND state = 3")

func (t *tx) ResumeWaiting(ctx context.Context, bot, scope string) error {
	return t.c.exec(ctx, resumeWaiting, bot, scope)
}

// The scope is ready at the end of its leases, or when its head is due.
var findHead = insert(onInboxScopes, `INSERT INTO inbox_scopes (bot_id, scope_id, head, ready_at, settled_at)
	SELECT k.bot_id, k.scope_id, q.seq, coalesce((SELECT max(l.due) FROM deliveries l`+indexedBy("deliveries_by_scope")+`
			WHERE l.bot_id = k.bot_id AND l.scope_id = k.scope_id AND l.state = 2),
		q.due, 0), k.settled
	FROM (SELECT CAST(? AS TEXT) AS bot_id, CAST(? AS TEXT) AS scope_id, CAST(? AS BIGINT) AS settled) k
	LEFT JOIN deliveries q ON q.bot_id = k.bot_id AND q.seq = (SELECT n.seq FROM deliveries n`+indexedBy("deliveries_by_scope")+`
		WHERE n.bot_id = k.bot_id AND n.scope_id = k.scope_id AND n.state = 1 ORDER BY n.seq LIMIT 1)
	WHERE true
	ON CONFLICT (bot_id, scope_id) DO UPDATE SET head = excluded.head, ready_at = excluded.ready_at,
		settled_at = CASE WHEN inbox_scopes.settled_at > excluded.settled_at THEN inbox_scopes.settled_at ELSE excluded.settled_at END`).reading(onDeliveries)

func (t *tx) FindHead(ctx context.Context, bot, scope string, settled int64) error {
	return t.c.exec(ctx, findHead, bot, scope, settled)
}

var (
	pruneDeliveries = remove(onDeliveries, "DELETE FROM deliveries WHERE seq < ? AND bot_id IN (SELECT bot_id FROM inboxes WHERE org_id = ?)").reading(onInboxes)
	selectOldScopes = read(onDeliveries|onInboxes, `SELECT DISTINCT d.bot_id, d.scope_id FROM inboxes i JOIN deliveries d ON d.bot_id = i.bot_id
		WHERE i.org_id = ? AND d.seq < ?`)
)

// pruneInboxes removes the deliveries of the events before floor.
func (t *tx) pruneInboxes(ctx context.Context, floor int64) error {
	var scopes [][2]string
	err := each(ctx, t.reader, func(rows rowSet) error {
		var s [2]string
		err := rows.Scan(&s[0], &s[1])
		scopes = append(scopes, s)
		return err
	}, selectOldScopes, t.org, floor)
	if err != nil || len(scopes) == 0 {
		return err
	}
	if err := t.c.exec(ctx, pruneDeliveries, floor, t.org); err != nil {
		return err
	}
	for _, s := range scopes {
		if err := t.FindHead(ctx, s[0], s[1], 0); err != nil {
			return err
		}
	}
	return nil
}

var countDeliveries = read(onDeliveries, "SELECT state, count(*), min(at) FROM deliveries GROUP BY state")

// InboxCounts counts the deliveries of all bots. It reads all of them.
func (s *Store) InboxCounts(ctx context.Context) (store.InboxCounts, error) {
	counts := store.InboxCounts{Deliveries: map[store.DeliveryState]int64{}}
	err := each(ctx, s.reader, func(rows rowSet) error {
		var state, n, oldest int64
		if err := rows.Scan(&state, &n, &oldest); err != nil {
			return err
		}
		counts.Deliveries[store.DeliveryState(state)] = n
		if store.DeliveryState(state) == store.DeliveryQueued {
			counts.OldestQueued = oldest
		}
		return nil
	}, countDeliveries)
	return counts, err
}
