package thread

// Status is a state of a thread, in the text form of the wire and of the database.
type Status string

// The five states (B2B-THR-034, B2B-THR-065).
const (
	Active    Status = "active"
	Blocked   Status = "blocked"
	Reviewing Status = "reviewing"
	Resolved  Status = "resolved"
	Closed    Status = "closed"
)

// Statuses lists the five states, in the order of the transition table.
func Statuses() []Status { return []Status{Active, Blocked, Reviewing, Resolved, Closed} }

// ParseStatus reads a status from its text form, which is exact: case and white space count.
func ParseStatus(text string) (Status, bool) {
	switch s := Status(text); s {
	case Active, Blocked, Reviewing, Resolved, Closed:
		return s, true
	}
	return "", false
}

// Terminal reports whether a thread in this state refuses work until it is reopened
// (B2B-THR-063, B2B-THR-064).
func (s Status) Terminal() bool { return s == Resolved || s == Closed }

// Guard is the policy action that entering this state needs, if it needs one (B2B-THR-076).
func (s Status) Guard() (Action, bool) {
	switch s {
	case Resolved:
		return ActionResolve, true
	case Closed:
		return ActionClose, true
	}
	return "", false
}

// CloseReason says why a thread is closed. The empty text is "no reason".
type CloseReason string

// The reasons a closed thread may have (B2B-THR-061).
const (
	NoReason CloseReason = ""
	Manual   CloseReason = "manual"
	Timeout  CloseReason = "timeout"
	Failure  CloseReason = "error"
)

// ParseCloseReason reads a close reason from its text form. The empty text is not one.
func ParseCloseReason(text string) (CloseReason, bool) {
	switch r := CloseReason(text); r {
	case Manual, Timeout, Failure:
		return r, true
	}
	return NoReason, false
}
