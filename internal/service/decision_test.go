package service

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// decisionFixture is an orgFixture with a clock that the test sets, and a thread of two bots.
type decisionFixture struct {
	*orgFixture
	now      time.Time
	keep     *Retention
	ann, bob context.Context
	thread   string
}

func newDecisionFixture(t *testing.T) *decisionFixture {
	t.Helper()
	f := &decisionFixture{orgFixture: newOrgFixture(t), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	d := f.deps()
	d.Now = func() time.Time { return f.now }
	f.Services, f.keep = New(d), NewRetention(d)
	f.settings(&store.OrgSettings{})
	f.ann, f.bob = f.bot("ann"), f.bot("bob")
	res, err := f.ThreadService.CreateThread(f.ann, &b2bv1.CreateThreadRequest{Topic: new("t"), Participants: &b2bv1.StringList{Values: []string{"bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	f.thread = res.Thread.Id
	return f
}

func (f *decisionFixture) settings(s *store.OrgSettings) {
	f.t.Helper()
	s.OrgID, s.MessagesPerMinutePerBot, s.ThreadsPerHourPerBot = f.org, 1<<30, 1<<30
	if err := f.store.Update(f.t.Context(), f.org, func(tx store.Tx) error { return tx.PutOrgSettings(f.t.Context(), s) }); err != nil {
		f.t.Fatal(err)
	}
}

// ask asks bob, in the thread of the fixture.
func (f *decisionFixture) ask(edit func(*b2bv1.AskThreadDecisionRequest)) (*b2bv1.Decision, error) {
	req := &b2bv1.AskThreadDecisionRequest{
		ThreadId: f.thread, Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(), Question: new("?"), Bots: &b2bv1.StringList{Values: []string{"bob"}},
	}
	edit(req)
	res, err := f.DecisionService.AskThreadDecision(f.ann, req)
	return res.GetDecision(), err
}

func (f *decisionFixture) mustAsk(edit func(*b2bv1.AskThreadDecisionRequest)) string {
	f.t.Helper()
	d, err := f.ask(edit)
	if err != nil {
		f.t.Fatal(err)
	}
	return d.Id
}

func (f *decisionFixture) decision(id string) *b2bv1.Decision {
	f.t.Helper()
	res, err := f.DecisionService.GetDecision(f.admin(), &b2bv1.GetDecisionRequest{Id: id})
	if err != nil {
		f.t.Fatal(err)
	}
	return res.Decision
}

func (f *decisionFixture) status() string {
	f.t.Helper()
	t, err := f.store.Thread(f.t.Context(), f.org, f.thread)
	if err != nil {
		f.t.Fatal(err)
	}
	return t.Status
}

func blocks(req *b2bv1.AskThreadDecisionRequest) { req.Blocks = true }

func blocksForSeconds(n int32) func(*b2bv1.AskThreadDecisionRequest) {
	return func(req *b2bv1.AskThreadDecisionRequest) { req.Blocks, req.ExpiresIn = true, &n }
}

// B2B-DEC-024: a decision expires in the millisecond of expires_at, also before a job closes it, and a
// change of the status of its thread sees the thread as it is then.
func TestDecisionExpiresExactly(t *testing.T) {
	t.Parallel()
	f := newDecisionFixture(t)
	id := f.mustAsk(blocksForSeconds(10))
	f.now = f.now.Add(10*time.Second - time.Millisecond)
	if got := f.decision(id).Status; got != b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
		t.Errorf("a millisecond before its time it is %v", got)
	}
	_, err := f.ThreadService.UpdateThread(f.ann, &b2bv1.UpdateThreadRequest{ThreadId: f.thread, Status: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE.Enum()})
	if !call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN) {
		t.Errorf("the status of a thread that is held is changed: %v", err)
	}
	f.now = f.now.Add(time.Millisecond)
	if d := f.decision(id); d.Status != b2bv1.DecisionStatus_DECISION_STATUS_EXPIRED || millis(d.ClosedAt) != millis(d.ExpiresAt) {
		t.Errorf("in the millisecond of its time: %v", d)
	}
	_, err = f.DecisionService.AnswerDecision(f.bob, &b2bv1.AnswerDecisionRequest{Id: id, Answer: new("approved")})
	if !call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_DECISION_CLOSED) {
		t.Errorf("answered when it had expired: %v", err)
	}
	if got := f.status(); got != "blocked" {
		t.Errorf("nothing has closed it, and the thread is %s", got)
	}
	_, err = f.ThreadService.UpdateThread(f.ann, &b2bv1.UpdateThreadRequest{ThreadId: f.thread, Status: b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED.Enum()})
	if err != nil || f.status() != "resolved" {
		t.Errorf("the thread that had its status back is %s: %v", f.status(), err)
	}
}

// B2B-DEC-025
func TestExpiredDecisionsAreClosed(t *testing.T) {
	t.Parallel()
	f := newDecisionFixture(t)
	id := f.mustAsk(blocksForSeconds(5))
	later := f.mustAsk(blocksForSeconds(6))
	settle := func() {
		t.Helper()
		if err := f.keep.SettleDecisions(t.Context(), f.org); err != nil {
			t.Fatal(err)
		}
	}
	top := f.top()
	if settle(); f.top() != top {
		t.Errorf("closed too early: %v", f.types(top))
	}
	f.now = f.now.Add(5 * time.Second)
	if settle(); len(f.types(top)) != 1 || f.status() != "blocked" {
		t.Errorf("the first: %v, the thread is %s", f.types(top), f.status())
	}
	f.now = f.now.Add(time.Hour)
	top = f.top()
	settle()
	events, _ := f.events(top)
	if len(events) != 3 || events[0].GetDecisionClosed().GetDecision().GetId() != later || events[1].GetThreadStatusChanged().GetBy() != system || f.status() != "active" {
		t.Errorf("the second: %v, the thread is %s", events, f.status())
	}
	if d := f.decision(id); d.ClosedBy != nil || d.Answer != nil || millis(d.ClosedAt) != millis(d.ExpiresAt) {
		t.Errorf("the first: %v", d)
	}
	if top = f.top(); f.top() != top {
		t.Errorf("closed again: %v", f.types(top))
	}
}

// B2B-DEC-013, B2B-LIFE-001: retention closes a thread that is held, and not the other way round.
func TestIdleThreadWithdrawsDecisions(t *testing.T) {
	t.Parallel()
	f := newDecisionFixture(t)
	f.settings(&store.OrgSettings{ThreadAutoCloseDays: new(int64(3)), MessageTTLDays: new(int64(30))})
	id := f.mustAsk(blocks)
	run := func(days int) {
		t.Helper()
		f.now = f.now.Add(time.Duration(days) * day)
		err := f.keep.KeepOrg(t.Context(), f.org, func(_ context.Context, change func(int, func()) error) error { return change(100, func() {}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if run(2); f.status() != "blocked" {
		t.Errorf("after two days the thread is %s", f.status())
	}
	run(2)
	if d := f.decision(id); f.status() != "closed" || d.GetReason() != b2bv1.WithdrawReason_WITHDRAW_REASON_THREAD_ENDED || d.ClosedBy != nil {
		t.Errorf("the thread is %s: %v", f.status(), d)
	}
	if run(29); f.decision(id) == nil { // B2B-LIFE-002
		t.Error("removed too early")
	}
	run(2)
	if _, err := f.store.Decision(t.Context(), f.org, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a decision that was closed 31 days ago: %v", err)
	}
}

// B2B-DEC-040
func TestDecisionLimits(t *testing.T) {
	t.Parallel()
	for of, c := range map[string]struct {
		have int
		edit func(f *decisionFixture, d *store.Decision)
	}{
		"thread": {limits.DecisionsOfPlace, func(f *decisionFixture, d *store.Decision) { d.ThreadID, d.AskerID = &f.thread, "id-bob" }},
		"bot":    {limits.DecisionsOfBot, func(_ *decisionFixture, d *store.Decision) { d.AskerID = "id-ann" }},
		"org":    {limits.DecisionsOfOrg, func(_ *decisionFixture, d *store.Decision) { d.AskerID = "id-bob" }},
	} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			f := newDecisionFixture(t)
			add := func(n int, until *int64) {
				t.Helper()
				err := f.store.Update(t.Context(), f.org, func(tx store.Tx) error {
					for range n {
						d := &store.Decision{ID: newID(), OrgID: f.org, Choices: "[]", Bots: "[]", Status: store.DecisionOpen, ExpiresAt: until}
						c.edit(f, d)
						if err := tx.PutDecision(t.Context(), d, nil); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			add(c.have-1, nil)
			id := f.mustAsk(func(*b2bv1.AskThreadDecisionRequest) {})
			if _, err := f.ask(blocks); !call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED) {
				t.Errorf("one more: %v", err)
			}
			if _, err := f.DecisionService.AnswerDecision(f.bob, &b2bv1.AnswerDecisionRequest{Id: id, Answer: new("approved")}); err != nil {
				t.Error(err)
			}
			f.mustAsk(blocks)
		})
	}
}

// A bot of another org has no part in the deletion of a bot.
func TestDeletionLeavesOtherOrgs(t *testing.T) {
	t.Parallel()
	f := newDecisionFixture(t)
	id := f.mustAsk(blocks)
	stranger := f.as(&call.Caller{Kind: call.OrgAdmin, OrgID: newID(), Session: &call.Session{}})
	if _, err := f.BotService.DeleteBot(stranger, &b2bv1.DeleteBotRequest{Id: "id-ann"}); err == nil {
		t.Error("a bot of another org is deleted")
	}
	if d := f.decision(id); d.Status != b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
		t.Errorf("%v", d)
	}
}

// A request that is repeated gets the first answer, also when the decision is closed meanwhile.
func TestRepeatedAnswer(t *testing.T) {
	t.Parallel()
	f := newDecisionFixture(t)
	id := f.mustAsk(blocks)
	var first *b2bv1.AnswerDecisionResponse
	for i := range 3 {
		res, err := f.DecisionService.AnswerDecision(f.bob, &b2bv1.AnswerDecisionRequest{Id: id, Answer: new("approved"), RequestId: new("one")})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = res
		}
		if fmt.Sprint(res) != fmt.Sprint(first) {
			t.Errorf("%v, then %v", first, res)
		}
		f.now = f.now.Add(time.Minute)
	}
}
