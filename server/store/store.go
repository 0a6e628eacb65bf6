// Package store is the contract of persistence: what the server keeps, how it is
// read, and how it is changed. It holds no SQL; server/store/sqlstore implements
// it for SQLite and PostgreSQL, and server/store/storetest is the suite that every
// implementation must pass.
//
// # Reading
//
// Every read is a method of [Reader]. A [Store] is a Reader itself: each call then
// sees the newest committed state. [Store.View] gives a Reader whose calls all see
// one and the same snapshot. Inside [Store.Update] the [Tx] is a Reader that also
// sees its own writes.
//
// A single row that is not there is [ErrNotFound]. Lists are bounded by a limit
// (0 or less gives none), have a total order, and page by the key of the last row:
// ask for one row more than the page to learn whether there is another page.
//
// Lists whose rows have texts are bounded by [PageBytes], too: such a list ends with the
// row that takes its texts past that, though more were asked for. Whoever answers no more
// than PageBytes leaves that row out, and so knows that there is more.
//
// # Changing
//
// All changes go through [Store.Update], which names the organisation they belong
// to. The changes of one organisation happen one after the other, on all nodes, so
// what a function read inside Update is still true when it writes. Many waiting
// functions may be committed together; each succeeds or fails alone.
//
// Times are Unix milliseconds, ids are opaque text, hashes are lower-case hex
// SHA-256, JSON is kept as the text that was sent. Null columns are nil pointers.
package store

import (
	"context"

	"github.com/b2b-protocol/b2b/server/limits"
)

// PageBytes is how many bytes the texts of a list may have, but for its last row.
const PageBytes = limits.MaxPageBody

// Store is an open database. Its methods may be called by many goroutines.
type Store interface {
	Reader

	// View runs fn with a Reader of one snapshot. The Reader is dead when fn
	// returns. The error of fn is returned as it is.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn as one atomic change of the organisation org and returns when
	// the change is durable. The organisation "" is the platform: use it to create
	// organisations, for invite codes, for super-admin sessions and for the
	// batched last-seen marks, never to change what belongs to an existing
	// organisation.
	//
	// fn must be re-runnable: it is committed together with others, and when that
	// batch has to be undone each member is run again. So fn changes nothing but
	// its Tx and variables that it sets anew in every run. It must not call the
	// Store (a call of Update inside fn would wait for itself), nor wait for
	// anything slow: the organisation waits with it.
	//
	// An error of fn undoes what this fn wrote, nothing else, and is returned as it
	// is. A panic of fn is returned as an error. Writes may be sent to the database
	// later than they are called: a conflict is reported by the write, by a later
	// call on the same Tx, or by Update itself. After any error other than
	// ErrNotFound the Tx is spent: Update then fails even if fn returns nil.
	//
	// ctx bounds the wait until fn starts; once fn runs it is finished. When
	// Update returns the error of ctx, fn did not and will not take effect.
	Update(ctx context.Context, org string, fn func(Tx) error) error

	// OnCommit registers fn to be called with the events of every commit that
	// appended any, in the order of their seq, after the commit and before the
	// Updates that made them return. It runs on the goroutine that writes, so it
	// must be quick and must not call the Store. The result unregisters fn.
	OnCommit(fn func(org string, events []Event)) (remove func())

	// Ping reports whether the database answers, took a change in the last seconds, and is
	// not known to be damaged; its error says which, for the operator's eyes.
	Ping(ctx context.Context) error

	// Close waits for the changes that were accepted, refuses new ones with
	// ErrClosed, and frees everything.
	Close() error
}

// Reader is everything that can be asked.
type Reader interface {
	OrgReader
	SettingsReader
	InviteReader
	TicketReader
	SessionReader
	BotReader
	TokenReader
	WebhookReader
	ChannelReader
	ChannelMessageReader
	ThreadReader
	ParticipantReader
	JoinRequestReader
	ThreadMessageReader
	ArtifactReader
	AuditReader
	LogReader
	IdempotencyReader
	WsTicketReader
	PresenceReader
	ImportReader
	FileReader
	UpkeepReader
	SecretReader
	LoginFailureReader
}

// Tx is one change under way: all reads, which see its own writes, and all writes.
// It belongs to the goroutine that runs the function and is dead when that returns.
// The contexts given to its methods carry values only: a Tx is never cancelled half
// way.
type Tx interface {
	Reader

	OrgWriter
	SettingsWriter
	InviteWriter
	TicketWriter
	SessionWriter
	BotWriter
	TokenWriter
	WebhookWriter
	ChannelWriter
	ChannelMessageWriter
	ThreadWriter
	ParticipantWriter
	JoinRequestWriter
	ThreadMessageWriter
	ArtifactWriter
	AuditWriter
	LogWriter
	RateWriter
	StoredWriter
	IdempotencyWriter
	WsTicketWriter
	PresenceWriter
	ImportWriter
	FileWriter
	InstallationWriter
	UpkeepWriter
	SecretWriter
	LoginFailureWriter
}
