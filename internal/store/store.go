// Package store defines the interface of the database: the rows, how they are read, and how
// they are changed. It has no SQL. Package sqlstore implements it for SQLite and PostgreSQL, and
// package storetest is the test suite for implementations. Packages that use the store do not name
// its interfaces, but state the methods that they call ([Narrow]).
//
// # Reading
//
// Every read is a method of [Reader]. A [Store] is a Reader itself: each call sees the newest
// committed state. The calls of the Reader of [Store.View] all see one snapshot. Inside
// [Store.Update] the [Tx] is a Reader that also sees its own writes.
//
// A read of a single row that does not exist returns [ErrNotFound]. Lists have a limit (0 or
// less returns no rows), a total order, and pages that begin after the key of the last row.
// Callers request one row more than the page to see whether there is another page.
//
// Lists of rows with texts are also bounded by [PageBytes]: such a list ends with the row that
// takes the bytes of its texts past PageBytes, even if the limit allows more rows. Callers that
// return at most PageBytes omit that row, and know that there are more.
//
// # Changing
//
// All changes go through [Store.Update], which names the org they belong
// to. The changes of one org happen one after the other, on all nodes, so
// what a function read inside Update is still true when it writes. Many waiting
// functions may be committed together; each succeeds or fails on its own.
//
// Times are Unix milliseconds, ids are opaque text, hashes are lower-case hex
// SHA-256, JSON is kept as the text that was sent. Null columns are nil pointers.
package store

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/limits"
)

// PageBytes bounds the bytes of the texts of a list, without those of its last row.
const PageBytes = limits.MaxPageBody

// Store is an open database. Its methods may be called by many goroutines.
type Store interface {
	Reader

	// View runs fn with a Reader of one snapshot, which must not be used after fn returns. It
	// returns the error of fn unchanged.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn as one atomic change of the org org and returns when
	// the change is durable. The org "" is the platform: use it to create
	// orgs, for invite codes, for super-admin sessions and for the
	// batched last-seen marks, never to change what belongs to an existing
	// org.
	//
	// fn must be repeatable: it is committed in a batch with others, and when the batch is
	// rolled back each function runs again. So fn changes only its Tx, and variables that it
	// sets in every run. It must not call the Store (a call of Update inside fn would wait for
	// itself), nor wait for anything slow, because all changes of the org wait for it.
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

	// IndexLog is [LogWriter.IndexLog] as an Update of its own.
	IndexLog(ctx context.Context, org string, limit int) error

	// OnCommit registers fn. It is called with the events of every commit that appended any,
	// in the order of their seq, after the commit and before the Updates of the commit return.
	// It runs on the goroutine that writes, so it must be quick and must not call the Store.
	// The result removes fn.
	OnCommit(fn func(org string, events []Event)) (remove func())

	// OnChange registers fn. It is called for every commit that may have changed bots, before the
	// Updates of the commit return and before the functions of OnCommit. It must be quick and must
	// not call the Store. With several nodes, the changes of others are not reported. The result
	// removes fn.
	OnChange(fn func(org string, c Changes)) (remove func())

	// Moment returns the time of reads that begin now, for Unchanged.
	Moment() Moment

	// Unchanged reports whether reads of an org that began at a moment would return the same now, as
	// far as this node knows: the changes of other nodes are not seen.
	Unchanged(org string, since Moment, read *Reads) bool

	// Ping returns an error if the database does not respond, takes no changes, or is known to
	// be damaged. The error names the cause, and is for operators only.
	Ping(ctx context.Context) error

	// Close waits for the accepted changes, refuses new ones with ErrClosed, and frees all
	// resources.
	Close() error
}

// Reader has all reads.
type Reader interface {
	OrgReader
	SettingsReader
	InviteReader
	TicketReader
	SessionReader
	BotReader
	TokenReader
	WebhookReader
	PushReader
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
	ReachReader
	ImportReader
	FileReader
	RetentionReader
	SecretReader
	LoginFailureReader
	LeaseReader
	DeliveryReader
	ReceiptReader
	DecisionReader
	SearchReader
	DeadlineReader
}

// Tx is one change: it has all reads, which see its own writes, and all writes. Only the
// goroutine that runs the function may use it, and only until the function returns. Its methods
// ignore the cancellation of their contexts: a Tx is never cancelled half way.
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
	PushWriter
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
	NodeWriter
	PresenceWriter
	StreamWriter
	ImportWriter
	FileWriter
	InstallationWriter
	RetentionWriter
	SecretWriter
	LoginFailureWriter
	LeaseWriter
	DeliveryWriter
	DecisionWriter
	SearchWriter
	DeadlineWriter
}
