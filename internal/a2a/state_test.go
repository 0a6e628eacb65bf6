package a2a

import (
	"slices"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// allFacts calls f with all facts that there can be.
func allFacts(f func(facts)) {
	for status := range b2bv1.ThreadStatus_name {
		for reason := range b2bv1.CloseReason_name {
			for who := turnNobody; who <= turnReport; who++ {
				for bits := range 4 {
					f(facts{b2bv1.ThreadStatus(status), b2bv1.CloseReason(reason), who, bits&1 != 0, bits&2 != 0})
				}
			}
		}
	}
}

// B2B-A2A-010: each row of the table.
func TestStates(t *testing.T) {
	t.Parallel()
	const (
		active, blocked, reviewing = b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED, b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING
		resolved, closed           = b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED, b2bv1.ThreadStatus_THREAD_STATUS_CLOSED
		manual, timeout, failed    = b2bv1.CloseReason_CLOSE_REASON_MANUAL, b2bv1.CloseReason_CLOSE_REASON_TIMEOUT, b2bv1.CloseReason_CLOSE_REASON_ERROR
	)
	for _, x := range []struct {
		is   facts
		want a2a.TaskState
	}{
		{facts{status: active}, a2a.TaskStateSubmitted},
		{facts{status: active, turn: turnCaller}, a2a.TaskStateSubmitted},
		{facts{status: active, turn: turnCaller, spoken: true}, a2a.TaskStateWorking},
		{facts{status: active, turn: turnReport, spoken: true}, a2a.TaskStateWorking},
		{facts{status: active, turn: turnAgent, spoken: true}, a2a.TaskStateInputRequired},
		{facts{status: reviewing, turn: turnCaller}, a2a.TaskStateWorking},
		{facts{status: reviewing, turn: turnAgent, spoken: true}, a2a.TaskStateInputRequired},
		{facts{status: blocked, turn: turnCaller}, a2a.TaskStateInputRequired},
		{facts{status: blocked, turn: turnCaller, approval: true}, a2a.TaskStateAuthRequired},
		{facts{status: resolved, turn: turnCaller}, a2a.TaskStateCompleted},
		{facts{status: closed, reason: manual}, a2a.TaskStateCanceled},
		{facts{status: closed, reason: timeout}, a2a.TaskStateFailed},
		{facts{status: closed, reason: failed}, a2a.TaskStateFailed},
	} {
		if got := stateOf(x.is); got != x.want {
			t.Errorf("%+v is %s, want %s", x.is, got, x.want)
		}
	}
}

// A filter by a state looks at the threads whose tasks can be in it, and a task that has ended is one of
// a thread that has.
func TestStatesOfStatuses(t *testing.T) {
	t.Parallel()
	allFacts(func(f facts) {
		if f.status == b2bv1.ThreadStatus_THREAD_STATUS_UNSPECIFIED {
			return
		}
		s := stateOf(f)
		if !slices.Contains(mayBeIn(s), f.status) {
			t.Errorf("%+v is %s, of which the filter does not look at the status", f, s)
		}
		ended := f.status == b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED || f.status == b2bv1.ThreadStatus_THREAD_STATUS_CLOSED
		if s.Terminal() != ended || s.Terminal() && !interrupted(s) {
			t.Errorf("%+v is %s", f, s)
		}
	})
	if mayBeIn("TASK_STATE_ODD") != nil || mayBeIn(a2a.TaskStateRejected) == nil {
		t.Error("an unknown state is known, or REJECTED is not")
	}
}
