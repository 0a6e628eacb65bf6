package store

import "errors"

var (
	// ErrNotFound says that the row asked for, or to be changed, is not there.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict is matched (errors.Is) by every Conflict.
	ErrConflict = errors.New("store: conflict")
	// ErrStale says that a row changed since it was read (UpdateThread).
	ErrStale = errors.New("store: stale revision")
	// ErrClosed says that the store is closed or closing.
	ErrClosed = errors.New("store: closed")
	// ErrNoOrg says that an event was appended, or a member added, in an Update of
	// the platform, or of an organisation that does not exist.
	ErrNoOrg = errors.New("store: no organisation to log to")
)

// Conflict is the error of a write that met an existing row; its text names the
// rule. Compare with errors.Is: err matches its own Conflict and ErrConflict.
type Conflict string

// The rules that a write can meet.
const (
	ConflictID          Conflict = "id"           // a row with this id exists
	ConflictName        Conflict = "bot name"     // (org, name) of a bot, case-sensitive
	ConflictToken       Conflict = "token"        // token hash of a bot or a scoped token
	ConflictSession     Conflict = "session"      // session hash
	ConflictInviteCode  Conflict = "invite code"  // invite code hash
	ConflictTicketCode  Conflict = "ticket code"  // ticket code hash
	ConflictChannel     Conflict = "channel pair" // direct channel of two bots
	ConflictParticipant Conflict = "participant"  // (thread, bot)
	ConflictJoinRequest Conflict = "join request" // pending request of (thread, bot)
	ConflictArtifactKey Conflict = "artifact key" // (thread, key, version)
	ConflictRequestID   Conflict = "request id"   // (org, caller, request id)
	ConflictReference   Conflict = "reference"    // a row points at something that is not there
	ConflictOther       Conflict = "other rule"   // any other rule of the schema
)

// Error names the rule.
func (c Conflict) Error() string { return "store: conflict: " + string(c) }

// Is makes every Conflict match ErrConflict.
func (c Conflict) Is(target error) bool { return target == ErrConflict }

// Outage is the error of a database that cannot work now: it is not reached, or has
// no room. What failed with it can be tried again.
type Outage struct {
	// Unknown says that a change may or may not have been made: the database went
	// away while it was committed.
	Unknown bool
	// Full says that there is no room for more; reading goes on.
	Full bool
	// Newer says that a newer program has changed the schema: this one does not write.
	Newer bool
	// Busy says that too much is under way for who asks; for others the database works.
	Busy bool
	Err  error
}

func (o *Outage) Error() string { return "store: the database cannot work now: " + o.Err.Error() }

func (o *Outage) Unwrap() error { return o.Err }

// Outage is what a caller may be told: what is wrong, what to do, and in how many
// seconds.
func (o *Outage) Outage() (message, hint string, retryAfter int) {
	const again = "Send it again; with the request_id of the first try it is never done twice."
	switch {
	case o.Full:
		return "The server has no room to keep this", "Nothing was changed. The operator must make room; try again later.", 10
	case o.Busy:
		return "Too much is read for this org at once", "Send fewer requests at a time; try again.", 1
	case o.Newer:
		return "The database belongs to a newer version of the server; this one only reads",
			"Nothing was changed. Try again: another server may take it. The operator must bring this one up to date.", 5
	case o.Unknown:
		return "The database went away before it said whether this was done", again, 1
	}
	return "The database does not answer at the moment", again, 1
}
