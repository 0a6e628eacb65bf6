package thread

// Status is a state of a thread, as in wire JSON and in the database.
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

// ParseStatus parses the exact text of a status.
func ParseStatus(text string) (Status, bool) {
	switch s := Status(text); s {
	case Active, Blocked, Reviewing, Resolved, Closed:
		return s, true
	}
	return "", false
}

// Terminal reports whether a thread in this state refuses changes until it is reopened
// (B2B-THR-063, B2B-THR-064).
func (s Status) Terminal() bool { return s == Resolved || s == Closed }

// Guard returns the policy action that is needed to set this state, if one is (B2B-THR-076).
func (s Status) Guard() (Action, bool) {
	switch s {
	case Resolved:
		return ActionResolve, true
	case Closed:
		return ActionClose, true
	}
	return "", false
}

// CloseReason is the reason why a thread is closed. The empty text is "no reason".
type CloseReason string

// The close reasons (B2B-THR-061).
const (
	NoReason CloseReason = ""
	Manual   CloseReason = "manual"
	Timeout  CloseReason = "timeout"
	Failure  CloseReason = "error"
)

// ParseCloseReason parses the exact text of a close reason. The empty text is not one.
func ParseCloseReason(text string) (CloseReason, bool) {
	switch r := CloseReason(text); r {
	case Manual, Timeout, Failure:
		return r, true
	}
	return NoReason, false
}
