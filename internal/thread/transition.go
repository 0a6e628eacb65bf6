package thread

import "fmt"

// Refusal is the reason why a change of status is refused.
type Refusal int

// The refusals, in the order in which they are checked (B2B-THR-053).
const (
	UnknownStatus     Refusal = iota + 1 // the target is not one of the five states
	UnknownReason                        // the close reason is not one of the three
	ReasonRequired                       // closed without a close reason
	ReasonNotAllowed                     // a close reason without the status closed
	TransitionRefused                    // the transition is not allowed
)

// StatusError is the error of a refused change of status. Only TransitionRefused depends on the
// state of the thread; its wire code is INVALID_TRANSITION. The others are errors of the request.
type StatusError struct {
	Refusal  Refusal
	From, To Status
	Reason   CloseReason
}

func (e *StatusError) Error() string {
	switch e.Refusal {
	case UnknownStatus:
		return fmt.Sprintf("status %q is not one of active, blocked, reviewing, resolved, closed", string(e.To))
	case UnknownReason:
		return fmt.Sprintf("close_reason %q is not one of manual, timeout, error", string(e.Reason))
	case ReasonRequired:
		return "close_reason is required when status is closed"
	case ReasonNotAllowed:
		return "close_reason is only allowed when status is closed"
	default:
		return fmt.Sprintf("a thread cannot change from %s to %s", e.From, e.To)
	}
}

// CanTransition reports whether a transition is allowed (B2B-THR-060). Setting the current status
// again is not.
func CanTransition(from, to Status) bool {
	switch from {
	case Active:
		return to == Blocked || to == Reviewing || to == Resolved || to == Closed
	case Blocked, Resolved, Closed:
		return to == Active
	case Reviewing:
		return to == Active || to == Resolved || to == Closed
	}
	return false
}

// CheckTransition returns a *StatusError unless the transition is allowed.
func CheckTransition(from, to Status) error {
	if !CanTransition(from, to) {
		return &StatusError{Refusal: TransitionRefused, From: from, To: to}
	}
	return nil
}

// CheckPairing checks that a close reason is given with closed, and only with closed (B2B-THR-061).
// status is empty when the request names none, so that a reason alone is refused.
func CheckPairing(status Status, reason CloseReason) error {
	switch {
	case status == Closed && reason == NoReason:
		return &StatusError{Refusal: ReasonRequired, To: status}
	case status != Closed && reason != NoReason:
		return &StatusError{Refusal: ReasonNotAllowed, To: status, Reason: reason}
	}
	return nil
}

// ValidateStatusChange checks a change of status in the order of B2B-THR-053: the status, the close
// reason, whether they fit together, and the transition. The permission check (B2B-THR-076) comes
// before the transition, so a caller that applies policies calls CheckPairing, then Status.Guard
// and Allowed, then CheckTransition.
func ValidateStatusChange(from, to Status, reason CloseReason) error {
	if _, ok := ParseStatus(string(to)); !ok {
		return &StatusError{Refusal: UnknownStatus, From: from, To: to}
	}
	if reason != NoReason {
		if _, ok := ParseCloseReason(string(reason)); !ok {
			return &StatusError{Refusal: UnknownReason, From: from, To: to, Reason: reason}
		}
	}
	if err := CheckPairing(to, reason); err != nil {
		return err
	}
	return CheckTransition(from, to)
}

// Lifecycle is the stored state of a thread. Times are Unix milliseconds.
type Lifecycle struct {
	Status      Status
	CloseReason CloseReason
	ResolvedAt  *int64 // nil unless the thread was resolved since it last became active
}

// Change checks a change of status and returns the new lifecycle. The status resolved sets
// ResolvedAt to now, active clears it, and every status but closed clears the close reason
// (B2B-THR-062).
func (l Lifecycle) Change(to Status, reason CloseReason, now int64) (Lifecycle, error) {
	if err := ValidateStatusChange(l.Status, to, reason); err != nil {
		return l, err
	}
	next := Lifecycle{Status: to, CloseReason: reason, ResolvedAt: l.ResolvedAt}
	switch to {
	case Resolved:
		next.ResolvedAt = &now
	case Active:
		next.ResolvedAt = nil
	}
	return next, nil
}
