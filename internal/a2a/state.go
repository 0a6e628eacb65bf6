package a2a

import (
	"github.com/a2aproject/a2a-go/v2/a2a"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// turn is whose message the newest of a thread is.
type turn int

const (
	turnNobody turn = iota // there is no message
	turnCaller             // of the client: it waits for the agent
	turnAgent              // of the agent, or of somebody else but the client
	turnReport             // the same, marked as one that wants no reply: the agent goes on
)

// facts are what the state of a task depends on.
type facts struct {
	status   b2bv1.ThreadStatus
	reason   b2bv1.CloseReason
	turn     turn
	spoken   bool // somebody else but the client has written
	approval bool // the thread waits for an approval
}

// stateOf returns the state of the task that a thread is (B2B-A2A-010).
func stateOf(f facts) a2a.TaskState {
	switch f.status {
	case b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED:
		return a2a.TaskStateCompleted
	case b2bv1.ThreadStatus_THREAD_STATUS_CLOSED:
		if f.reason == b2bv1.CloseReason_CLOSE_REASON_MANUAL {
			return a2a.TaskStateCanceled
		}
		return a2a.TaskStateFailed
	case b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED:
		if f.approval {
			return a2a.TaskStateAuthRequired
		}
		return a2a.TaskStateInputRequired
	}
	switch {
	case f.turn == turnAgent:
		return a2a.TaskStateInputRequired
	case f.spoken || f.status == b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING:
		return a2a.TaskStateWorking
	}
	return a2a.TaskStateSubmitted
}

// interrupted reports whether a task does not go on before the client does something, if ever.
func interrupted(s a2a.TaskState) bool {
	return s.Terminal() || s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}

// mayBeIn returns the statuses of threads whose tasks can be in a state; nil: it is no state.
func mayBeIn(s a2a.TaskState) []b2bv1.ThreadStatus {
	const (
		active    = b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE
		blocked   = b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED
		reviewing = b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING
	)
	switch s {
	case a2a.TaskStateSubmitted:
		return []b2bv1.ThreadStatus{active}
	case a2a.TaskStateWorking:
		return []b2bv1.ThreadStatus{active, reviewing}
	case a2a.TaskStateInputRequired:
		return []b2bv1.ThreadStatus{active, reviewing, blocked}
	case a2a.TaskStateAuthRequired:
		return []b2bv1.ThreadStatus{blocked}
	case a2a.TaskStateCompleted:
		return []b2bv1.ThreadStatus{b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED}
	case a2a.TaskStateCanceled, a2a.TaskStateFailed:
		return []b2bv1.ThreadStatus{b2bv1.ThreadStatus_THREAD_STATUS_CLOSED}
	case a2a.TaskStateRejected:
		return []b2bv1.ThreadStatus{}
	}
	return nil
}
