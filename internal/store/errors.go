package store

import "errors"

var (
	// ErrNotFound reports that the row to be read or changed does not exist.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict is matched (errors.Is) by every Conflict.
	ErrConflict = errors.New("store: conflict")
	// ErrStale reports that a row has changed since it was read (UpdateThread).
	ErrStale = errors.New("store: stale revision")
	// ErrClosed reports that the store is closed or closing.
	ErrClosed = errors.New("store: closed")
	// ErrNoOrg says that an event was appended, or a member added, in an Update of
	// the platform, or of an org that does not exist.
	ErrNoOrg = errors.New("store: no organisation to log to")
)

// Conflict is the error of a write that breaks a rule of the schema, mostly because a row with
// the same key exists. Its text names the rule. errors.Is matches the Conflict and ErrConflict.
type Conflict string

// The rules that a write can break.
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
	ConflictReference   Conflict = "reference"    // a row refers to a row that does not exist
	ConflictOther       Conflict = "other rule"   // any other rule of the schema
)

// Error returns a text with the rule.
func (c Conflict) Error() string { return "store: conflict: " + string(c) }

// Is makes every Conflict match ErrConflict.
func (c Conflict) Is(target error) bool { return target == ErrConflict }

// Outage is the error of a database that is out of order: it cannot be reached, or its disk is
// full. The call can be repeated later.
type Outage struct {
	// Unknown reports that a change may or may not have been made: the connection was lost
	// during the commit.
	Unknown bool
	// Full reports that the disk is full; reads still work.
	Full bool
	// Newer reports that a newer program has changed the schema; this one makes no changes.
	Newer bool
	// Busy reports that the caller's org has too many calls in progress; the database works for
	// other orgs.
	Busy bool
	Err  error
}

func (o *Outage) Error() string { return "store: the database cannot work now: " + o.Err.Error() }

func (o *Outage) Unwrap() error { return o.Err }

// Outage returns the texts for clients: what is wrong, what to do, and the seconds to wait
// before a retry.
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
