package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var decisionColumns = columns[store.Decision]("")

var selectDecision = read(onDecisions, "SELECT "+decisionColumns+" FROM decisions WHERE id = ? AND org_id = ?")

func (r reader) Decision(ctx context.Context, org, id string) (*store.Decision, error) {
	return one[store.Decision](ctx, r, selectDecision, id, org)
}

// decisionsFrom lists the decisions of a table d, newest first. Its first condition is that they come
// after a key.
func decisionsFrom(t tables, from, given string, may ...string) *family {
	return listing{
		columns: columns[store.Decision]("d."), long: "d.question, d.choices, d.default_answer, d.bots, d.answer, d.comment",
		from: from, order: "d.asked_at DESC, d.id DESC",
	}.of(t, given, append([]string{"(d.asked_at, d.id) < (?, ?)"}, may...)...)
}

// orAny declares a condition that an empty argument, the first one, makes true.
func orAny(condition string) string { return " AND (? = '' OR " + condition + " = ?)" }

// stillOpen is the condition of the open decisions of an org, which are few: they are found by the
// org, and all other conditions are compared.
var stillOpen = "d.org_id = ? AND d.status = 'open' AND (d.expires_at IS NULL OR d.expires_at > ?) AND (d.humans OR ? = 0)" +
	orAny("coalesce(d.thread_id, d.channel_id)") + orAny("d.asker_id")

// The lists of open decisions, and of those that a bot may answer. SQLite reads the tables in the
// order of from.
var (
	openDecisions    = decisionsFrom(onDecisions, " FROM decisions d", stillOpen)
	openDecisionsFor = decisionsFrom(onDecisions|onDecisionBots,
		" FROM decision_bots b CROSS JOIN decisions d", "b.bot_id = ? AND d.id = b.decision_id AND "+stillOpen)
)

// The others are found by the first of place, asker and org that the query names. An expression
// keeps SQLite from using the index of a column.
var allDecisions = decisionsFrom(onDecisions, " FROM decisions d",
	"(? = '' OR CASE WHEN d.status = 'open' AND d.expires_at <= ? THEN 'expired' ELSE d.status END = ?)"+orAny("coalesce(d.asker_id, '')"), []string{
		decisionsIn - 1:        "d.thread_id = ?",
		decisionsInChannel - 1: "d.channel_id = ?",
		decisionsBy - 1:        "d.asker_id = ?",
		decisionsOfOrg - 1:     "d.org_id = ?",
	}...).only(decisionsIn, decisionsInChannel, decisionsBy, decisionsOfOrg)

// The conditions of allDecisions after the first.
const (
	decisionsIn = iota + 1
	decisionsInChannel
	decisionsBy
	decisionsOfOrg
)

func (r reader) Decisions(ctx context.Context, q store.DecisionQuery) ([]store.Decision, error) {
	if q.Status == store.DecisionOpen {
		humans := 0
		if q.Humans {
			humans = 1
		}
		place := q.ThreadID + q.ChannelID
		args := []any{q.OrgID, q.Now, humans, place, place, q.AskerID, q.AskerID}
		c := openDecisions.choose(args...)
		if q.BotID != "" {
			c = openDecisionsFor.choose(append([]any{q.BotID}, args...)...)
		}
		return listed[store.Decision](ctx, r, c.page(q.Before), q.Limit)
	}
	c := allDecisions.choose(q.Status, q.Now, q.Status, q.AskerID, q.AskerID)
	switch {
	case q.ThreadID != "":
		c.and(decisionsIn, q.ThreadID)
	case q.ChannelID != "":
		c.and(decisionsInChannel, q.ChannelID)
	case q.AskerID != "":
		c.and(decisionsBy, q.AskerID)
	default:
		c.and(decisionsOfOrg, q.OrgID)
	}
	return listed[store.Decision](ctx, r, c.page(q.Before), q.Limit)
}

var selectDecisionsExpired = read(onDecisions, `SELECT DISTINCT org_id FROM decisions WHERE status = 'open' AND expires_at <= ? AND org_id > ?
	ORDER BY org_id LIMIT ? + 0`)

func (r reader) DecisionsExpired(ctx context.Context, now int64, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectDecisionsExpired, now, after, max(limit, 0))
}

var selectOldDecisions = read(onDecisions, "SELECT id FROM decisions WHERE org_id = ? AND closed_at < ? LIMIT ? + 0")

func (r reader) OldDecisions(ctx context.Context, org string, before int64, limit int) ([]string, error) {
	return r.ids(long(ctx), selectOldDecisions, org, before, max(limit, 0))
}

// selectOpen declares a list of open decisions that a condition selects.
func selectOpen(t tables, condition string) *statement {
	return read(t, "SELECT "+decisionColumns+" FROM decisions WHERE status = 'open' AND "+condition+" ORDER BY id LIMIT ? + 0")
}

var (
	selectOpenIn  = selectOpen(onDecisions, "thread_id = ?")
	selectOpenBy  = selectOpen(onDecisions, "asker_id = ?")
	selectOpenFor = selectOpen(onDecisions|onDecisionBots, "id IN (SELECT decision_id FROM decision_bots WHERE bot_id = ?)")
)

func (t *tx) OpenDecisionsIn(ctx context.Context, thread string, limit int) ([]store.Decision, error) {
	return list[store.Decision](ctx, t.reader, selectOpenIn, thread, max(limit, 0))
}

func (t *tx) OpenDecisionsBy(ctx context.Context, asker string, limit int) ([]store.Decision, error) {
	return list[store.Decision](ctx, t.reader, selectOpenBy, asker, max(limit, 0))
}

func (t *tx) OpenDecisionsFor(ctx context.Context, bot string, limit int) ([]store.Decision, error) {
	return list[store.Decision](ctx, t.reader, selectOpenFor, bot, max(limit, 0))
}

var selectExpiredDecisions = read(onDecisions, "SELECT "+decisionColumns+` FROM decisions WHERE status = 'open' AND expires_at <= ? AND org_id = ?
	ORDER BY expires_at, id LIMIT ? + 0`)

func (t *tx) ExpiredDecisions(ctx context.Context, org string, now int64, limit int) ([]store.Decision, error) {
	return list[store.Decision](ctx, t.reader, selectExpiredDecisions, now, org, max(limit, 0))
}

var countOpenDecisions = read(onDecisions, `SELECT count(*), coalesce(sum(CASE WHEN asker_id = ? THEN 1 ELSE 0 END), 0),
	coalesce(sum(CASE WHEN coalesce(thread_id, channel_id) = ? THEN 1 ELSE 0 END), 0)
	FROM decisions WHERE org_id = ? AND status = 'open'`)

func (t *tx) CountOpenDecisions(ctx context.Context, org, asker, place string) (ofOrg, ofAsker, ofPlace int64, err error) {
	err = each(ctx, t.reader, func(rows rowSet) error { return rows.Scan(&ofOrg, &ofAsker, &ofPlace) }, countOpenDecisions, asker, place, org)
	return ofOrg, ofAsker, ofPlace, err
}

var (
	putDecision    = insertRow[store.Decision](onDecisions, "")
	putDecisionBot = insert(onDecisionBots, "INSERT INTO decision_bots (decision_id, bot_id) VALUES (?, ?)")
)

func (t *tx) PutDecision(ctx context.Context, d *store.Decision, bots []string) error {
	if err := put(ctx, t, putDecision, d); err != nil {
		return err
	}
	for _, bot := range bots {
		if err := t.c.exec(ctx, putDecisionBot, d.ID, bot); err != nil {
			return err
		}
	}
	return nil
}

var (
	closeDecision = update(onDecisions, "UPDATE decisions SET status = ?, reason = ?, answer = ?, comment = ?, closed_by = ?, closed_at = ? WHERE id = ?").
			byID(7)
	deleteDecisionBots = remove(onDecisionBots, "DELETE FROM decision_bots WHERE decision_id = ?")
)

func (t *tx) CloseDecision(ctx context.Context, d *store.Decision) error {
	err := t.c.exec(ctx, closeDecision, d.Status, d.Reason, d.Answer, d.Comment, d.ClosedBy, d.ClosedAt, d.ID)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, deleteDecisionBots, d.ID)
}

var (
	setDecisionBots   = update(onDecisions, "UPDATE decisions SET bots = ? WHERE id = ?").byID(2)
	deleteDecisionBot = remove(onDecisionBots, "DELETE FROM decision_bots WHERE decision_id = ? AND bot_id = ?")
)

func (t *tx) SetDecisionBots(ctx context.Context, d *store.Decision, without string) error {
	if err := t.c.exec(ctx, setDecisionBots, d.Bots, d.ID); err != nil {
		return err
	}
	return t.c.exec(ctx, deleteDecisionBot, d.ID, without)
}

var deleteDecisions = remove(onDecisions|onDecisionBots, "DELETE FROM decisions WHERE "+anyOf("id"))

func (t *tx) DeleteDecisions(ctx context.Context, ids []string) (int64, error) {
	return t.changeListed(ctx, deleteDecisions, ids)
}
