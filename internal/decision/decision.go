// Package decision has the rules of decisions, without I/O: which answers a question allows, how it
// ends, and which status its thread has (B2B-DEC).
package decision

import (
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/jstext"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/thread"
)

// Kind is what a decision asks for, as in wire JSON and in the database.
type Kind string

// The kinds.
const (
	Approve Kind = "approve"
	Choose  Kind = "choose"
	Input   Kind = "input"
)

// The answers of an approval.
const (
	Approved = "approved"
	Rejected = "rejected"
)

// Status is a state of a decision. An open decision gets one of the others, once.
type Status string

// The states.
const (
	Open      Status = "open"
	Answered  Status = "answered"
	Withdrawn Status = "withdrawn"
	Expired   Status = "expired"
)

// Reason is why a decision was withdrawn.
type Reason string

// The reasons.
const (
	ByAsker      Reason = "asker"
	ByAdmin      Reason = "admin"
	ThreadEnded  Reason = "thread_ended"
	AskerLeft    Reason = "asker_left"
	AskerDeleted Reason = "asker_deleted"
	NobodyLeft   Reason = "nobody_left"
)

// Choices returns the possible answers of a question of a kind; none: any text. asked are those of
// the request.
func Choices(kind Kind, asked []string) ([]string, error) {
	switch kind {
	case Approve, Input:
		if len(asked) > 0 {
			return nil, fmt.Errorf("choices: are for the kind %s only", Choose)
		}
		if kind == Input {
			return nil, nil
		}
		return []string{Approved, Rejected}, nil
	case Choose:
	default:
		return nil, fmt.Errorf("kind: must be %s, %s or %s", Approve, Choose, Input)
	}
	if len(asked) < 2 {
		return nil, fmt.Errorf("choices: must have at least 2 entries")
	}
	for i, c := range asked {
		if n := jstext.Len(c); n == 0 || n > limits.MaxDecisionChoice {
			return nil, fmt.Errorf("choices[%d]: must have 1 to %d characters", i, limits.MaxDecisionChoice)
		}
		if slices.Contains(asked[:i], c) {
			return nil, fmt.Errorf("choices[%d]: is the same as another", i)
		}
	}
	return slices.Clone(asked), nil
}

// Allows reports whether an answer is one of the choices. Without choices every text is.
func Allows(choices []string, answer string) bool {
	return len(choices) == 0 || slices.Contains(choices, answer)
}

// GivesBack returns the status that a thread gets when the decisions that block it are closed. That
// of the first counts; others are those of the open ones.
func GivesBack(now thread.Status, others []thread.Status) thread.Status {
	if len(others) > 0 {
		return others[0]
	}
	return now
}

// Released returns the new status of a thread after a decision that blocked it was closed while a
// number of others still block it. changed is false if the thread keeps its status: also if it is
// terminal, or was blocked before.
func Released(now, givesBack thread.Status, others int) (status thread.Status, changed bool) {
	if others > 0 || now != thread.Blocked || givesBack == thread.Blocked {
		return now, false
	}
	return givesBack, true
}
