package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// threadColumns lists the columns that threadFields scans.
func threadColumns(p string) string {
	return p + "id, " + p + "org_id, " + p + "topic, " + p + "tags, " + p + "status, " + p + "initiator_id, " + p + "channel_id, " +
		p + "context, " + p + "close_reason, " + p + "permission_policy, " + p + "visibility, " + p + "join_policy, " +
		p + "revision, " + p + "created_at, " + p + "updated_at, " + p + "last_activity_at, " + p + "resolved_at, " + p + "turns, " + p + "turn_limit"
}

func threadFields(t *store.Thread) []any {
	return []any{&t.ID, &t.OrgID, &t.Topic, &t.Tags, &t.Status, &t.InitiatorID, &t.ChannelID, &t.Context, &t.CloseReason,
		&t.PermissionPolicy, &t.Visibility, &t.JoinPolicy, &t.Revision, &t.CreatedAt, &t.UpdatedAt, &t.LastActivityAt, &t.ResolvedAt,
		&t.Turns, &t.TurnLimit}
}

var threads scanner[store.Thread] = func(rows rowSet, t *store.Thread) error { return rows.Scan(threadFields(t)...) }

// selectThread names no activity, although it reads it: cache.touch sets it in the kept result.
var selectThread = read(onThreadRows, "SELECT "+threadColumns("")+" FROM threads WHERE id = ? AND org_id = ?")

func (r reader) Thread(ctx context.Context, org, id string) (*store.Thread, error) {
	return threads.one(ctx, r, selectThread, id, org)
}

// selectThreadTopics does not compare the org: SQLite would read all its threads.
var selectThreadTopics = read(onThreads, "SELECT id, org_id, topic FROM threads WHERE "+anyOf("id"))

func (r reader) ThreadTopics(ctx context.Context, org string, ids []string) (map[string]string, error) {
	topics := make(map[string]string, len(ids))
	if len(ids) == 0 {
		return topics, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return topics, each(ctx, r, func(rows rowSet) error {
		var id, of, topic string
		err := rows.Scan(&id, &of, &topic)
		if of == org {
			topics[id] = topic
		}
		return err
	}, selectThreadTopics, arg)
}

// touchThread changes nothing of a thread but its last activity and its turns. Its arguments are those
// of touched.
var touchThread = update(onActivity, "UPDATE threads SET last_activity_at = max(last_activity_at, ?), turns = turns * ? + ? WHERE id = ?").
	inPostgres("UPDATE threads SET last_activity_at = greatest(last_activity_at, ?), turns = turns * ? + ? WHERE id = ?")

// touched is what touchThread changes: at raises the last activity. kept is 1, or 0 for progress, after
// which more turns were taken.
type touched struct{ at, kept, more int64 }

func (c touched) args(thread string) []any { return []any{c.at, c.kept, c.more, thread} }

func touchedBy(args []any) (c touched, thread string) {
	return touched{args[0].(int64), args[1].(int64), args[2].(int64)}, args[3].(string)
}

// then returns the change of c and next, one after the other.
func (c touched) then(next touched) touched {
	return touched{max(c.at, next.at), c.kept * next.kept, c.more*next.kept + next.more}
}

// activityColumn and turnsColumn are the places of last_activity_at and turns in threadColumns. A
// column that is inserted before them moves them.
const (
	activityColumn = 15
	turnsColumn    = 17
)

var threadRows scanner[store.ThreadRow] = func(rows rowSet, t *store.ThreadRow) error {
	return rows.Scan(append(threadFields(&t.Thread), &t.ParticipantCount, &t.IsParticipant)...)
}

// isParticipant is the condition that a bot participates in thread t.
const isParticipant = "EXISTS (SELECT 1 FROM thread_participants p WHERE p.thread_id = t.id AND p.bot_id = ?)"

// threadsFrom lists the threads of an org, the latest activity first. The first argument is the bot
// of is_participant.
func threadsFrom(from, given string) *family {
	return listing{
		columns: threadColumns("t.") + ", (SELECT count(*) FROM thread_participants n WHERE n.thread_id = t.id) AS participants, " +
			isParticipant + " AS joined",
		long: "t.context, t.permission_policy, t.tags", from: from,
		order: "t.last_activity_at DESC, t.id DESC",
		key:   "t.id", rejoin: "threads t ON t.id = k.key",
	}.of(onThreads|onThreadParticipants, given, []string{
		threadsOfStatus: "t.status = ?",
		threadsNamed:    contains("t.topic"),
		threadsBefore:   "(t.last_activity_at, t.id) < (?, ?)",
	}...)
}

// The conditions of threadsFrom.
const (
	threadsOfStatus = iota
	threadsNamed
	threadsBefore
)

// threadsOf lists the threads that a bot participates in. SQLite reads its tables in the order of
// from; PostgreSQL chooses by its statistics.
func threadsOf(from string) *family {
	return threadsFrom(from, "t.id = k.thread_id AND k.bot_id = ? AND t.org_id = ?")
}

// manyThreads is in how many threads a bot is at least if SQLite reads the threads of the org in
// order to find its own. The threads of a bot that is in fewer are sorted.
const manyThreads = 1000

var countThreadsOf = read(onThreadParticipants, "SELECT count(*) FROM (SELECT 1 FROM thread_participants WHERE bot_id = ? LIMIT ? + 0) k")

// joined returns the query of the threads of a bot.
func (r reader) joined(ctx context.Context, bot string) (*family, error) {
	if r.d.database == forPostgres {
		return threadsJoined, nil
	}
	n, err := value[int64](ctx, r, countThreadsOf, bot, manyThreads)
	if err == nil && n == manyThreads {
		return threadsOfMany, nil
	}
	return threadsJoined, err
}

var (
	threadsAll        = threadsFrom(" FROM threads t", "t.org_id = ?")
	threadsJoined     = threadsOf(" FROM thread_participants k CROSS JOIN threads t")
	threadsOfMany     = threadsOf(" FROM threads t CROSS JOIN thread_participants k")
	threadsDiscovered = threadsFrom(" FROM threads t", "(t.visibility = 'public' OR "+isParticipant+") AND t.org_id = ?")
)

func (r reader) Threads(ctx context.Context, q store.ThreadQuery) ([]store.ThreadRow, error) {
	c := threadsAll.choose(q.BotID, q.OrgID)
	switch q.Scope {
	case store.ThreadsJoined:
		joined, err := r.joined(ctx, q.BotID)
		if err != nil {
			return nil, err
		}
		c = joined.choose(q.BotID, q.BotID, q.OrgID)
	case store.ThreadsDiscovered:
		c = threadsDiscovered.choose(q.BotID, q.BotID, q.OrgID)
	case store.ThreadsAll:
	}
	if q.Status != "" {
		c.and(threadsOfStatus, q.Status)
	}
	if q.Search != "" {
		c.and(threadsNamed, fold(q.Search))
	}
	if q.Before != nil {
		c.and(threadsBefore, q.Before.At, q.Before.ID)
	}
	return threadRows.listed(long(ctx), r, c, q.Limit, q.Offset)
}

func (t *tx) CreateThread(ctx context.Context, th *store.Thread, participants []store.Participant) error {
	if err := put(ctx, t, insertThreads.one, th); err != nil {
		return err
	}
	for i := range participants {
		p := participants[i]
		p.ThreadID = th.ID
		if err := t.AddParticipant(ctx, &p); err != nil {
			return err
		}
		participants[i] = p
	}
	return nil
}

var updateThread = update(onThreads, `UPDATE threads SET topic = ?, status = ?, context = ?, close_reason = ?, permission_policy = ?,
		visibility = ?, join_policy = ?, revision = ?, updated_at = ?, last_activity_at = ?, resolved_at = ?, turn_limit = ?
		WHERE id = ? AND revision = ?`)

func (t *tx) UpdateThread(ctx context.Context, th *store.Thread, was int64) error {
	n, err := t.c.execNow(ctx, updateThread,
		th.Topic, th.Status, th.Context, th.CloseReason, th.PermissionPolicy, th.Visibility, th.JoinPolicy, th.Revision,
		th.UpdatedAt, th.LastActivityAt, th.ResolvedAt, th.TurnLimit, th.ID, was)
	if err == nil && n == 0 {
		return t.fail(store.ErrStale)
	}
	return err
}

func (t *tx) TouchThread(ctx context.Context, id string, at int64) error {
	return t.c.exec(ctx, touchThread, touched{at: at, kept: 1}.args(id)...)
}

func (t *tx) CountTurn(ctx context.Context, id string, at int64) error {
	return t.c.exec(ctx, touchThread, touched{at: at, kept: 1, more: 1}.args(id)...)
}

func (t *tx) ResetTurns(ctx context.Context, id string, at int64) error {
	return t.c.exec(ctx, touchThread, touched{at: at}.args(id)...)
}
