package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// UpdateThread changes the named fields, all or none. Its checks have the order of B2B-THR-053.
func (s *threadService) UpdateThread(ctx context.Context, req *b2bv1.UpdateThreadRequest) (*b2bv1.UpdateThreadResponse, error) {
	named := namedFields(req, req.UpdateMask)
	return guarded(ctx, s.core, req, func(tx threadTx) (*b2bv1.UpdateThreadResponse, error) {
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), false)
		if err != nil {
			return nil, err
		}
		if !anyNamed(named, "status", "close_reason", "topic", "context", "permission_policy", "visibility", "join_policy", "turn_limit") {
			return nil, call.Invalid("name at least one of status, close_reason, topic, context, permission_policy, visibility, join_policy, turn_limit")
		}
		if named("status") {
			if t, err = s.settleThread(ctx, tx, t); err != nil {
				return nil, err
			}
		}
		w := &threadWrite{before: *t}
		if anyNamed(named, "permission_policy", "visibility", "join_policy") {
			if err := s.require(ctx, tx, t, p, thread.ActionManage, detail{"action": "manage"}); err != nil {
				return nil, err
			}
		}
		if err := w.readSettings(named, req.Visibility, req.JoinPolicy, req.PermissionPolicy); err != nil {
			return nil, err
		}
		if thread.Status(t.Status).Terminal() && !named("status") {
			return nil, errThreadClosed(t)
		}
		if err := w.readText(named, req.Topic, req.Context); err != nil {
			return nil, err
		}
		if err := w.readStatus(named, req.Status, req.CloseReason); err != nil {
			return nil, err
		}
		if action, guards := w.Status.Guard(); guards {
			details := detail{"action": string(action), "status": string(w.Status)}
			if err := s.require(ctx, tx, t, p, action, details); err != nil {
				return nil, err
			}
		}
		if w.TurnLimit, w.turnLimit = named("turn_limit"), req.TurnLimit; w.TurnLimit {
			if err := checkOwnLimit(ctx, tx, t.OrgID, w.turnLimit); err != nil {
				return nil, err
			}
		}
		if err := thread.CheckTransition(thread.Status(t.Status), w.Status); w.Status != "" && err != nil {
			return nil, errTransition(err).WithStatus(400)
		}
		if req.ExpectedRevision != nil && req.GetExpectedRevision() != t.Revision ||
			len(req.ExpectedRevisions) > 0 && !slices.Contains(req.ExpectedRevisions, t.Revision) {
			return nil, errRevision(t.Revision)
		}
		if err := s.writeThread(ctx, tx, w); err != nil {
			return nil, err
		}
		out := threadOut(&w.after)
		changes := w.Changes(settingsOf(&w.before), settingsOf(&w.after))
		by := call.CallerOf(ctx).Actor()
		if err := s.emitStatusChanged(ctx, tx, w, by); err != nil {
			return nil, err
		}
		if err := s.emitUpdated(ctx, tx, out, changes); err != nil {
			return nil, err
		}
		return &b2bv1.UpdateThreadResponse{Thread: out, Changes: changes}, s.withdrawOfEnded(ctx, tx, w, by)
	})
}

// require returns a FORBIDDEN error, which is audited, if the policy does not allow the action.
func (c *core) require(ctx context.Context, tx settingsReader, t *store.Thread, p *store.Participant, action thread.Action, details detail) error {
	ok, err := c.permitted(ctx, tx, t, p, action)
	if err != nil || ok {
		return err
	}
	return &denial{refusal: errForbiddenBy(string(action)), action: "thread.permission_denied", thread: t.ID, detail: details.via(ctx)}
}

func errTransition(err error) *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, "status: %v", err)
}

func errRevision(now int64) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT, "The thread was changed since: its revision is now %d", now).
		WithHint("Read the thread again and repeat the change with its revision.")
}

func anyNamed(named func(string) bool, fields ...string) bool {
	for _, field := range fields {
		if named(field) {
			return true
		}
	}
	return false
}

// threadWrite is one change of a thread by a participant or an org admin: the groups of fields that
// it writes, and their new values.
type threadWrite struct {
	thread.Write
	before, after store.Thread
	reason        thread.CloseReason
	visibility    *b2bv1.Visibility
	joinPolicy    *b2bv1.JoinPolicy
	policy        *string // as stored
	topic         string
	context       *string
	turnLimit     *int64
}

// readSettings reads visibility, join policy and permission policy, in this order.
func (w *threadWrite) readSettings(named func(string) bool, visibility *b2bv1.Visibility, join *b2bv1.JoinPolicy, policy *string) error {
	if w.Settings = anyNamed(named, "visibility", "join_policy"); w.Settings {
		if named("visibility") {
			w.visibility = visibility
		}
		if named("join_policy") {
			w.joinPolicy = join
		}
		if _, err := newSettings(settingsOf(&w.before), w.visibility, w.joinPolicy); err != nil {
			return err
		}
	}
	if w.Policy = named("permission_policy"); w.Policy && policy != nil {
		text, err := policyText(*policy)
		if err != nil {
			return err
		}
		w.policy = text
	}
	return nil
}

// readText reads topic and context.
func (w *threadWrite) readText(named func(string) bool, topic, context *string) error {
	if w.Topic = named("topic"); w.Topic {
		var err error
		if w.topic, err = limits.Topic(textOr(topic, "")); err != nil {
			return ruleError(err)
		}
	}
	if w.Context = named("context"); w.Context {
		w.context = context
	}
	return nil
}

// readStatus reads status and close reason, and checks that they fit together.
func (w *threadWrite) readStatus(named func(string) bool, status *b2bv1.ThreadStatus, reason *b2bv1.CloseReason) error {
	if named("status") {
		var ok bool
		if status == nil {
			return errStatus()
		}
		if w.Status, ok = thread.ParseStatus(textOf(*status, "THREAD_STATUS_")); !ok {
			return errStatus()
		}
	}
	if named("close_reason") && reason != nil {
		var ok bool
		if w.reason, ok = thread.ParseCloseReason(textOf(*reason, "CLOSE_REASON_")); !ok {
			return call.Invalid("close_reason: must be manual, timeout or error")
		}
	}
	if named("close_reason") && w.Status == "" {
		return call.Invalid("close_reason: is allowed only together with the status closed")
	}
	if err := thread.CheckPairing(w.Status, w.reason); err != nil {
		return call.Invalid("close_reason: %v", err)
	}
	return nil
}

func settingsOf(t *store.Thread) thread.Settings {
	return thread.Settings{Visibility: thread.Visibility(t.Visibility), JoinPolicy: thread.JoinPolicy(t.JoinPolicy)}
}

// writeThread stores a checked change in one step. The revision increases by one for each group of
// fields (B2B-THR-054). It audits the change (B2B-THR-056), and rejects join requests that can no
// longer be approved, with events to their bots (B2B-THR-057).
func (c *core) writeThread(ctx context.Context, tx threadWriteTx, w *threadWrite) error {
	now := c.nowMS()
	w.after = w.before
	t := &w.after
	if w.Status != "" {
		was := thread.Lifecycle{Status: thread.Status(t.Status), ResolvedAt: t.ResolvedAt}
		if t.CloseReason != nil {
			was.CloseReason = thread.CloseReason(*t.CloseReason)
		}
		is, err := was.Change(w.Status, w.reason, now)
		if err != nil {
			return errTransition(err)
		}
		if err := checkHeld(ctx, tx, &w.before); err != nil {
			return err
		}
		t.Status, t.ResolvedAt, t.CloseReason = string(is.Status), is.ResolvedAt, nil
		if reason := string(is.CloseReason); reason != "" {
			t.CloseReason = &reason
		}
	}
	if w.Context {
		t.Context = w.context
	}
	if w.Topic {
		t.Topic = w.topic
	}
	if w.Policy {
		t.PermissionPolicy = w.policy
	}
	if w.Settings {
		settings, err := newSettings(settingsOf(&w.before), w.visibility, w.joinPolicy)
		if err != nil {
			return err
		}
		t.Visibility, t.JoinPolicy = string(settings.Visibility), string(settings.JoinPolicy)
	}
	if w.TurnLimit {
		t.TurnLimit = w.turnLimit
	}
	t.Revision += w.Revisions()
	t.UpdatedAt = now
	if err := tx.UpdateThread(ctx, t, w.before.Revision); err != nil {
		return staleOr(err, w.before.Revision)
	}
	if w.before.Status != t.Status {
		if err := resetTurns(ctx, tx, t); err != nil {
			return err
		}
	}
	if settingsOf(&w.before).RejectsPending(settingsOf(t)) {
		if err := c.rejectPending(ctx, tx, t, now); err != nil {
			return err
		}
	}
	return c.auditWrite(ctx, tx, w)
}

func staleOr(err error, revision int64) error {
	if errors.Is(err, store.ErrStale) {
		return errRevision(revision)
	}
	return fmt.Errorf("update a thread: %w", err)
}

// auditWrite writes audit entries for a new status and for changes of visibility, join policy and
// limit of turns.
func (c *core) auditWrite(ctx context.Context, tx auditTx, w *threadWrite) error {
	record := func(action string, details detail) error {
		if actorBot(ctx) == nil {
			details["by"] = call.CallerOf(ctx).Actor()
		}
		return c.audit(ctx, tx, w.after.OrgID, actorBot(ctx), action, "thread", w.after.ID, details.via(ctx))
	}
	var errs []error
	if w.Status != "" {
		errs = append(errs, record("thread.status_changed", detail{
			"from": w.before.Status, "to": w.after.Status, "close_reason": w.after.CloseReason,
		}))
	}
	if w.before.Visibility != w.after.Visibility {
		errs = append(errs, record("thread.visibility_changed", detail{"from": w.before.Visibility, "to": w.after.Visibility}))
	}
	if w.before.JoinPolicy != w.after.JoinPolicy {
		errs = append(errs, record("thread.join_policy_changed", detail{"from": w.before.JoinPolicy, "to": w.after.JoinPolicy}))
	}
	if w.TurnLimit {
		errs = append(errs, record("thread.turn_limit_changed", detail{"from": w.before.TurnLimit, "to": w.after.TurnLimit}))
	}
	return errors.Join(errs...)
}

// emitStatusChanged emits a change of status by the bot or org in by; nothing if there is none.
func (c *core) emitStatusChanged(ctx context.Context, tx eventTx, w *threadWrite, by string) error {
	if w.Status == "" {
		return nil
	}
	return c.emit(ctx, tx, toThread(w.after.ID), &b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{
		ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
			ThreadId: w.after.ID, Topic: w.after.Topic, From: statusOut(w.before.Status), To: statusOut(w.after.Status), By: by,
		},
	}})
}

func (c *core) emitUpdated(ctx context.Context, tx eventTx, t *b2bv1.Thread, changes []string) error {
	return c.emit(ctx, tx, toThread(t.Id), &b2bv1.Event{Event: &b2bv1.Event_ThreadUpdated{
		ThreadUpdated: &b2bv1.ThreadUpdatedEvent{Thread: t, Changes: changes},
	}})
}
