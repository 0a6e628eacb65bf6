// Package sqlstate is the table of what PostgreSQL's error codes (SQLSTATE) mean for the
// caller (B2B-ERR-005): whether the error is temporary, whether the transaction may run again,
// and whether the connection is still usable. A code that the table does not have is a fault
// of the program or of the data.
//
// The codes are those of appendix A of PostgreSQL's manual.
package sqlstate

// Meaning is the meaning of a code. The zero value is a fault that a retry does not cure.
type Meaning struct {
	// Passing: the error is temporary. The same call can succeed later.
	Passing bool
	// Full: the disk or a limit is full; reads still work.
	Full bool
	// Again: nothing was changed, and the whole transaction may run again at once; on
	// another connection if Discard is set.
	Again bool
	// Discard: the session is useless.
	Discard bool
	// All: the other open sessions are useless, too.
	All bool
}

var (
	passing = Meaning{Passing: true}
	gone    = Meaning{Passing: true, Again: true, Discard: true}
)

// classes are the first two characters of codes.
var classes = map[string]Meaning{
	"08": {Passing: true, Discard: true}, // connection lost, or refused by a pooler
	"28": {Passing: true, Discard: true}, // the server refuses the login
	"53": passing,                        // out of memory, of connections, of a configured limit
	"57": passing,                        // an operator or a time limit stepped in
	"58": {Passing: true, Discard: true}, // the system below failed, or a pooler did
}

// codes take precedence over classes.
var codes = map[string]Meaning{
	// A plan that was kept does not fit the tables any more: they were migrated. Other
	// uses of this code are faults, and come again on the next connection.
	"0A000": {Again: true, Discard: true},
	// The server, or this session of it, takes no writes: a standby, a primary that was
	// demoted, default_transaction_read_only. A session keeps the default that it began with.
	"25006": {Passing: true, Again: true, Discard: true, All: true},
	"25P03": gone, // idle in a transaction for too long: this process was frozen
	"25P04": gone, // a transaction took too long
	// A name of a prepared statement that is not there, or is there already: something
	// between us and the server shares sessions.
	"26000": {Passing: true, Again: true, Discard: true, All: true},
	"42P05": {Passing: true, Again: true, Discard: true, All: true},
	"40001": {Passing: true, Again: true},   // serialisation failure
	"40P01": {Passing: true, Again: true},   // deadlock
	"40003": {Passing: true, Discard: true}, // completion unknown
	"53100": {Passing: true, Full: true},
	"55006": passing, // object in use
	"55P03": passing, // lock not available in time
	"57P01": gone,    // the server shuts down, or the session was terminated
	"57P02": gone,    // another process crashed
	"57P03": gone,    // starting, stopping or recovering
	"57P04": gone,    // the database was dropped
	"57P05": gone,    // idle for too long
	"72000": {Passing: true, Again: true},
}

// LockNotAvailable is the code of a lock that was not got in time.
const LockNotAvailable = "55P03"

// TooManyConnections is the code of a server, or a role, that has no connection left.
const TooManyConnections = "53300"

// Of returns the meaning of a code.
func Of(code string) Meaning {
	if m, ok := codes[code]; ok {
		return m
	}
	if len(code) != 5 {
		return Meaning{}
	}
	return classes[code[:2]]
}
