package sqlstore

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

var selectLogTop = read(onOrgLogs, "SELECT epoch, last_seq, access_seq FROM org_logs WHERE org_id = ?")

func (r reader) LogTop(ctx context.Context, org string) (store.LogTop, error) {
	t, err := scanner[store.LogTop](func(rows rowSet, t *store.LogTop) error {
		return rows.Scan(&t.Epoch, &t.Seq, &t.Access)
	}).one(ctx, r, selectLogTop, org)
	if err != nil {
		return store.LogTop{}, err
	}
	return *t, nil
}

var selectOrgVersion = read(onOrgLogs, "SELECT epoch, version FROM org_logs WHERE org_id = ?")

func (r reader) OrgVersion(ctx context.Context, org string) (v store.OrgVersion, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&v.Epoch, &v.Number) }, selectOrgVersion, org)
	return v, err
}

var selectLogTops = read(onOrgLogs, "SELECT org_id, epoch, last_seq, access_seq FROM org_logs WHERE "+anyOf("org_id"))

func (r reader) LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error) {
	if len(orgs) == 0 {
		return nil, nil
	}
	ids, err := jsonList(orgs)
	if err != nil {
		return nil, err
	}
	tops := make(map[string]store.LogTop, len(orgs))
	err = each(ctx, r, func(rows rowSet) error {
		var org string
		var t store.LogTop
		if err := rows.Scan(&org, &t.Epoch, &t.Seq, &t.Access); err != nil {
			return err
		}
		tops[org] = t
		return nil
	}, selectLogTops, ids)
	if err != nil {
		return nil, err
	}
	return tops, nil
}

// LogTop counts what this batch has appended.
func (t *tx) LogTop(ctx context.Context, org string) (store.LogTop, error) {
	if org != t.org {
		return t.reader.LogTop(ctx, org)
	}
	if err := t.log.load(ctx, t.c, org); err != nil {
		return store.LogTop{}, t.fail(failure(loadLog, err))
	}
	if !t.log.exists {
		return store.LogTop{}, store.ErrNotFound
	}
	return store.LogTop{Epoch: t.log.epoch, Seq: t.log.seq, Access: t.log.access}, nil
}

// The columns that Append writes, and those that are read.
const (
	storedEvent = "org_id, seq, at, type, audience, thread_id, channel_id, bot_id, actor_id, payload, message_id"
	readEvent   = "e.org_id, e.seq, e.at, e.type, e.audience, e.thread_id, e.channel_id, e.bot_id, e.actor_id, e.payload, e.message_id, "
)

// bodyOf is the content of the message that event e names: its own copy, if retention has deleted
// the message, else that of the message.
const bodyOf = `CASE WHEN e.message_id IS NULL OR e.body IS NOT NULL THEN e.body
	WHEN e.type = 'message' THEN (SELECT m.content FROM channel_messages m WHERE m.id = %[1]s)
	ELSE (SELECT m.content FROM thread_messages m WHERE m.id = %[1]s) END`

const onEvents = onEventLog | onChannelMessages | onThreadMessages

// withBody ends the tables of an event e on PostgreSQL, where b.body is its body. OFFSET keeps the
// planner from looking for the message wherever the body is named.
var withBody = " CROSS JOIN LATERAL (SELECT " + fmt.Sprintf(bodyOf, "e.message_id") + " AS body OFFSET 0) b"

// eventColumns are the columns that eventFields scans.
var eventColumns = [...]string{
	forSQLite:   readEvent + fmt.Sprintf(bodyOf, unpackedID("e.message_id")) + " AS body",
	forPostgres: readEvent + "b.body",
}

// eventsOfLog lists events by seq.
var eventsOfLog = &family{
	kind: selects, reads: onEvents, lists: true, given: "e.org_id = ? AND e.seq > ?",
	query: func(d database, where string, few bool) string {
		l := listing{columns: eventColumns[d], long: "e.payload, b.body", from: " FROM event_log e", order: "e.seq"}
		if d == forPostgres {
			l.from += withBody
		}
		return l.query(d, where, few)
	},
}

var eventRows = scanner[store.Event](func(rows rowSet, e *store.Event) error {
	return rows.Scan(eventFields(e)...)
})

func eventFields(e *store.Event) []any {
	return []any{&e.OrgID, &e.Seq, &e.At, &e.Type, &e.Audience, &e.ThreadID, &e.ChannelID, &e.BotID, &e.ActorID, &e.Payload,
		packedID{&e.MessageID}, text{&e.Body}}
}

func (r reader) ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error) {
	return eventRows.listed(ctx, r, eventsOfLog.choose(org, afterSeq), limit, 0)
}

const (
	eventInto   = " event_log (" + storedEvent + ") VALUES "
	eventValues = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

// appendEvent inserts an event. Writers defer it (deferred).
var appendEvent = insert(onEventLog, into+eventInto+eventValues)

func (t *tx) Append(ctx context.Context, e store.Event) (int64, error) {
	seq, err := t.nextSeq(ctx)
	if err != nil {
		return 0, err
	}
	e.OrgID, e.Seq = t.org, seq
	if e.Payload == nil {
		e.Payload = []byte{}
	}
	err = t.c.exec(ctx, appendEvent,
		e.OrgID, e.Seq, e.At, e.Type, int64(e.Audience), e.ThreadID, e.ChannelID, e.BotID, e.ActorID, e.Payload, t.d.packed(e.MessageID))
	if err != nil {
		return 0, err
	}
	t.log.seq = seq
	if e.Type == eventtype.AccessChanged {
		t.log.access = seq
	}
	t.log.events = append(t.log.events, e)
	return seq, nil
}

var pruneLog = remove(onEventLog, "DELETE FROM event_log WHERE org_id = ? AND seq < ?")

var pruneLogDeliveries = remove(onWebhookDeliveries, "DELETE FROM webhook_deliveries WHERE org_id = ? AND seq < ?")

var pruneLogMemberships = remove(onMembershipHistory,
	"DELETE FROM membership_history WHERE left_seq < ? AND bot_id IN (SELECT id FROM bots WHERE org_id = ?)").reading(onBots)

// The first of the oldest events, up to a limit, and the first of them that has to stay.
const oldestEvents = "SELECT coalesce(min(seq), 0) FROM (SELECT seq, at FROM event_log WHERE org_id = ? ORDER BY seq LIMIT ? + 0) o"

var (
	selectOldestEvent  = read(onEventLog, oldestEvents)
	selectOldestToKeep = read(onEventLog, oldestEvents+" WHERE at >= ?")
)

func (t *tx) PruneLog(ctx context.Context, before int64, limit int) (int64, error) {
	top, err := t.nextSeq(ctx)
	if err != nil || limit <= 0 {
		return 0, err
	}
	first, err := value[int64](ctx, t.reader, selectOldestEvent, t.org, 1)
	if err != nil || first == 0 {
		return 0, err
	}
	floor, err := value[int64](ctx, t.reader, selectOldestToKeep, t.org, limit, before)
	if err != nil {
		return 0, err
	}
	if floor == 0 {
		floor = min(first+int64(limit), top)
	}
	waits, err := value[int64](ctx, t.reader, oldestWait, t.org, t.org)
	if err != nil {
		return 0, err
	}
	if waits != 0 {
		floor = min(floor, waits)
	}
	if floor <= first {
		return 0, nil
	}
	if err := t.pruneIndex(ctx, floor); err != nil {
		return 0, err
	}
	if err := t.c.exec(ctx, pruneLog, t.org, floor); err != nil {
		return 0, err
	}
	if err := t.c.exec(ctx, pruneLogDeliveries, t.org, floor); err != nil {
		return 0, err
	}
	if err := t.pruneInboxes(ctx, floor); err != nil {
		return 0, err
	}
	return floor - first, t.c.exec(ctx, pruneLogMemberships, floor, t.org)
}
