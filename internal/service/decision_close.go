package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/decision"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A decision is open until the first of these, and then closed for good: an answer, a withdrawal, its
// expiry, the end of its thread, that its asker leaves, and that nobody is left who may answer. So a
// bot that asked is in the thread while its decision is open, those that may answer are, too, and a
// terminal thread has no open decision. While a decision that blocks is open, no call changes the
// status of its thread; the one that is closed last gives the thread its earlier status back.

// decisionsAtOnce is how many expired decisions a change closes at most.
const decisionsAtOnce = 100

// closingTx closes decisions.
type closingTx interface {
	heldReader
	eventTx
	auditTx
	revisionTx
	progressTx
	LeaseClock(ctx context.Context, local int64) (int64, error)
	ExpiredDecisions(ctx context.Context, org string, now int64, limit int) ([]store.Decision, error)
	CloseDecision(ctx context.Context, d *store.Decision) error
	SetDecisionBots(ctx context.Context, d *store.Decision, without string) error
}

// heldReader finds the open decisions of a thread.
type heldReader interface {
	OpenDecisionsIn(ctx context.Context, thread string, limit int) ([]store.Decision, error)
}

// decisionEnd is how a decision is closed.
type decisionEnd struct {
	status  decision.Status
	reason  decision.Reason // of a withdrawal
	answer  *string
	comment *string
	by      string // an actor; empty: the server
	at      int64
}

func withdrawn(why decision.Reason, by string, at int64) decisionEnd {
	return decisionEnd{status: decision.Withdrawn, reason: why, by: by, at: at}
}

// set writes the end into a decision.
func (e decisionEnd) set(d *store.Decision) {
	d.Status, d.Answer, d.Comment, d.ClosedAt = string(e.status), e.answer, e.comment, &e.at
	if e.reason != "" {
		reason := string(e.reason)
		d.Reason = &reason
	}
	if e.by != "" {
		d.ClosedBy = &e.by
	}
}

// hasExpired reports whether the time of an open decision has run out.
func hasExpired(d *store.Decision, now int64) bool {
	return d.Status == store.DecisionOpen && d.ExpiresAt != nil && *d.ExpiresAt <= now
}

// expire sets the end of a decision whose time has run out, as the change does that closes it.
func expire(d *store.Decision, now int64) {
	if hasExpired(d, now) {
		expiredEnd(d).set(d)
	}
}

func expiredEnd(d *store.Decision) decisionEnd {
	return decisionEnd{status: decision.Expired, answer: d.Default, at: *d.ExpiresAt}
}

// closeDecision closes an open decision, audits and emits it, and gives its thread the earlier status
// back. t is the thread if the caller goes on with it; it is brought up to date. nil: it is read.
func (c *core) closeDecision(ctx context.Context, tx closingTx, d *store.Decision, end decisionEnd, t *store.Thread) error {
	end.set(d)
	if err := tx.CloseDecision(ctx, d); err != nil {
		return fmt.Errorf("close a decision: %w", err)
	}
	action, details := "decision.withdraw", detail{}
	switch end.status {
	case decision.Answered:
		action = "decision.answer"
	case decision.Expired:
		action, details = "decision.expire", detail{"by": system}
	default:
		details["reason"] = string(end.reason)
	}
	if d.Answer != nil && d.Kind != string(decision.Input) {
		details["answer"] = *d.Answer
	}
	if err := c.auditDecision(ctx, tx, d, action, details.via(ctx)); err != nil {
		return err
	}
	out, err := decisionOut(d)
	if err != nil {
		return err
	}
	if end.status == decision.Answered && d.ThreadID != nil {
		if err := progress(ctx, tx, d.OrgID, *d.ThreadID); err != nil {
			return err
		}
	}
	err = c.emit(ctx, tx, toDecision(d), &b2bv1.Event{Event: &b2bv1.Event_DecisionClosed{
		DecisionClosed: &b2bv1.DecisionClosedEvent{Decision: out},
	}})
	if err != nil || !d.Blocks {
		return err
	}
	return c.release(ctx, tx, d, end, t)
}

// release gives the thread of a decision that blocked it its earlier status back, unless others
// still block it or it has ended.
func (c *core) release(ctx context.Context, tx closingTx, d *store.Decision, end decisionEnd, t *store.Thread) error {
	if t == nil {
		var err error
		if t, err = tx.Thread(ctx, d.OrgID, *d.ThreadID); err != nil {
			return fmt.Errorf("read the thread of a decision: %w", err)
		}
	}
	others, err := blocking(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	status, changed := decision.Released(thread.Status(t.Status), thread.Status(textOr(d.GivesBack, t.Status)), len(others))
	if !changed {
		return nil
	}
	by := end.by
	if by == "" {
		by = system
	}
	return c.setThreadStatus(ctx, tx, t, status, by, d)
}

// openIn lists the open decisions of a thread.
func openIn(ctx context.Context, r heldReader, id string) ([]store.Decision, error) {
	open, err := r.OpenDecisionsIn(ctx, id, limits.DecisionsOfPlace)
	if err != nil {
		return nil, fmt.Errorf("list the open decisions of a thread: %w", err)
	}
	return open, nil
}

// blocking lists the open decisions that block a thread.
func blocking(ctx context.Context, r heldReader, id string) ([]store.Decision, error) {
	open, err := openIn(ctx, r, id)
	return slices.DeleteFunc(open, func(d store.Decision) bool { return !d.Blocks }), err
}

// checkHeld refuses a change of the status of a thread that a decision blocks (B2B-DEC-011).
func checkHeld(ctx context.Context, r heldReader, t *store.Thread) error {
	if thread.Status(t.Status) != thread.Blocked {
		return nil
	}
	open, err := blocking(ctx, r, t.ID)
	if err != nil || len(open) == 0 {
		return err
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN, "status: a decision holds this thread blocked").
		WithHint("It is given back when the decision is answered or withdrawn, or expires: GET /api/decisions/"+open[0].ID+".").
		With("decision_id", open[0].ID)
}

// setThreadStatus changes the status of a thread for a decision, with the events and the audit entry
// of a change by a participant. The transition need not be one that participants may make.
func (c *core) setThreadStatus(ctx context.Context, tx closingTx, t *store.Thread, to thread.Status, by string, d *store.Decision) error {
	w := &threadWrite{before: *t, after: *t}
	w.Status = to
	w.after.Status, w.after.UpdatedAt = string(to), c.nowMS()
	if err := c.writeStatus(ctx, tx, w, by, detail{"close_reason": nil, "decision_id": d.ID}); err != nil {
		return err
	}
	*t = w.after
	return nil
}

// writeStatus writes a thread whose status was changed by no update of a participant, with the next
// revision, the events and the audit entry of such an update. by is an actor.
func (c *core) writeStatus(ctx context.Context, tx closingTx, w *threadWrite, by string, details detail) error {
	t := &w.after
	t.Revision = w.before.Revision + 1
	if err := tx.UpdateThread(ctx, t, w.before.Revision); err != nil {
		return staleOr(err, w.before.Revision)
	}
	if err := resetTurns(ctx, tx, t); err != nil {
		return err
	}
	details["from"], details["to"] = w.before.Status, t.Status
	if actorBot(ctx) == nil {
		details["by"] = by
	}
	if err := c.audit(ctx, tx, t.OrgID, actorBot(ctx), "thread.status_changed", "thread", t.ID, details.via(ctx)); err != nil {
		return err
	}
	if err := c.emitStatusChanged(ctx, tx, w, by); err != nil {
		return err
	}
	return c.emitUpdated(ctx, tx, threadOut(t), w.Changes(settingsOf(&w.before), settingsOf(t)))
}

// auditDecision writes an audit entry about a decision.
func (c *core) auditDecision(ctx context.Context, tx auditTx, d *store.Decision, action string, details detail) error {
	if _, named := details["by"]; !named && actorBot(ctx) == nil {
		details["by"] = call.CallerOf(ctx).Actor()
	}
	key := "thread_id"
	kind, place := placeOf(d)
	if kind == store.MemberOfChannel {
		key = "channel_id"
	}
	details[key] = place
	return c.audit(ctx, tx, d.OrgID, actorBot(ctx), action, "decision", d.ID, details)
}

// toDecision is the audience of the events of a decision: those who are in its thread or channel.
// Package eventlog delivers them to all org admins as well.
func toDecision(d *store.Decision) store.Event {
	kind, place := placeOf(d)
	if kind == store.MemberOfThread {
		return toThread(place)
	}
	return toChannel(place)
}

// settleNow closes decisions of the caller's org that have expired, and returns the time by the clock
// of leases.
func (c *core) settleNow(ctx context.Context, tx closingTx) (int64, error) {
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return 0, err
	}
	_, err = c.settleDecisions(ctx, tx, call.CallerOf(ctx).OrgID, now)
	return now, err
}

// settleDecisions closes decisions of an org that have expired, and returns how many.
func (c *core) settleDecisions(ctx context.Context, tx closingTx, org string, now int64) (int, error) {
	expired, err := tx.ExpiredDecisions(ctx, org, now, decisionsAtOnce)
	if err != nil {
		return 0, fmt.Errorf("list expired decisions: %w", err)
	}
	for i := range expired {
		if err := c.closeDecision(ctx, tx, &expired[i], expiredEnd(&expired[i]), nil); err != nil {
			return 0, err
		}
	}
	return len(expired), nil
}

// settleThread closes expired decisions before the status of a thread that is blocked is changed, and
// returns the thread as it is then.
func (c *core) settleThread(ctx context.Context, tx closingTx, t *store.Thread) (*store.Thread, error) {
	if thread.Status(t.Status) != thread.Blocked {
		return t, nil
	}
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return nil, err
	}
	if n, err := c.settleDecisions(ctx, tx, t.OrgID, now); err != nil || n == 0 {
		return t, err
	}
	if t, err = tx.Thread(ctx, t.OrgID, t.ID); err != nil {
		return nil, fmt.Errorf("read a thread again: %w", err)
	}
	return t, nil
}

// SettleDecisions closes decisions of an org that have expired, at most decisionsAtOnce (package
// retention).
func (r *Retention) SettleDecisions(ctx context.Context, org string) error {
	return update(ctx, r.core, org, func(tx closingTx) error {
		now, err := r.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		_, err = r.settleDecisions(ctx, tx, org, now)
		return err
	})
}

// withdrawOfEnded withdraws the open decisions of a thread that a change has made terminal
// (B2B-DEC-013). by is empty for the server.
func (c *core) withdrawOfEnded(ctx context.Context, tx closingTx, w *threadWrite, by string) error {
	if !w.Status.Terminal() {
		return nil
	}
	t := &w.after
	open, err := openIn(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	return c.closeEach(ctx, tx, open, t, func(d *store.Decision, now int64) (*decisionEnd, error) {
		end := withdrawn(decision.ThreadEnded, by, now)
		return &end, nil
	})
}

// withdrawOfLeaving closes the decisions in a thread that a bot asked which is about to leave it, and
// those that nobody else may answer (B2B-DEC-014). It brings the thread up to date.
func (c *core) withdrawOfLeaving(ctx context.Context, tx closingTx, t *store.Thread, bot, by string) error {
	open, err := openIn(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	return c.closeEach(ctx, tx, open, t, func(d *store.Decision, now int64) (*decisionEnd, error) {
		if d.AskerID == bot {
			end := withdrawn(decision.AskerLeft, by, now)
			return &end, nil
		}
		return c.withoutBot(ctx, tx, d, bot, by, now)
	})
}

// deletionTx closes the decisions of a bot that is deleted.
type deletionTx interface {
	closingTx
	OpenDecisionsBy(ctx context.Context, asker string, limit int) ([]store.Decision, error)
	OpenDecisionsFor(ctx context.Context, bot string, limit int) ([]store.Decision, error)
}

// withdrawOfDeleted does the same for a bot that is about to be deleted, in all threads and channels.
func (c *core) withdrawOfDeleted(ctx context.Context, tx deletionTx, bot string) error {
	by := call.CallerOf(ctx).Actor()
	asked, err := tx.OpenDecisionsBy(ctx, bot, limits.DecisionsOfOrg)
	if err != nil {
		return fmt.Errorf("list the open decisions of a bot: %w", err)
	}
	err = c.closeEach(ctx, tx, asked, nil, func(d *store.Decision, now int64) (*decisionEnd, error) {
		end := withdrawn(decision.AskerDeleted, by, now)
		return &end, nil
	})
	if err != nil {
		return err
	}
	asked, err = tx.OpenDecisionsFor(ctx, bot, limits.DecisionsOfOrg)
	if err != nil {
		return fmt.Errorf("list the decisions that a bot may answer: %w", err)
	}
	return c.closeEach(ctx, tx, asked, nil, func(d *store.Decision, now int64) (*decisionEnd, error) {
		return c.withoutBot(ctx, tx, d, bot, by, now)
	})
}

// closeEach closes those of open decisions for which how returns an end, and those that have expired
// as such. t is their thread, or nil if they are of several.
func (c *core) closeEach(ctx context.Context, tx closingTx, open []store.Decision, t *store.Thread, how func(d *store.Decision, now int64) (*decisionEnd, error)) error {
	if len(open) == 0 {
		return nil
	}
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return err
	}
	for i := range open {
		d := &open[i]
		var end *decisionEnd
		if hasExpired(d, now) {
			expired := expiredEnd(d)
			end = &expired
		} else if end, err = how(d, now); err != nil {
			return err
		}
		if end == nil {
			continue
		}
		if err := c.closeDecision(ctx, tx, d, *end, t); err != nil {
			return err
		}
	}
	return nil
}

// withoutBot takes a bot from those that may answer a decision, and returns its end if nobody is left.
func (c *core) withoutBot(ctx context.Context, tx closingTx, d *store.Decision, bot, by string, now int64) (*decisionEnd, error) {
	bots, err := botsOf(d)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(bots), func(b askedBot) bool { return b.ID == bot })
	if len(left) == len(bots) {
		return nil, nil
	}
	if len(left) == 0 && !d.Humans {
		end := withdrawn(decision.NobodyLeft, by, now)
		return &end, nil
	}
	if err := setBots(d, left); err != nil {
		return nil, err
	}
	if err := tx.SetDecisionBots(ctx, d, bot); err != nil {
		return nil, fmt.Errorf("take a bot from those that may answer: %w", err)
	}
	return nil, nil
}
