package service

import (
	"context"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Each service states beside its type what it needs of the store: Reads for lists and rows,
// View for one snapshot, Tx for changes. The functions that services share take the smaller
// parts below. Store, Reader and Tx are the sums, which the server provides.

// Store is what the services need of the store.
type Store interface {
	database
	artifactReads
	authReads
	botReads
	channelReads
	deliveryReads
	decisionReads
	eventReads
	fileReads
	leaseReads
	orgReads
	orgThreadReads
	platformReads
	searchReads
	serverReads
	threadReads
	tokenReads
	webhookReads
	retentionReads
	agentCardReads
	pushReads
	botListReads
}

// database runs snapshots and changes.
type database interface {
	// View runs fn on one snapshot ([store.Store]).
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Reader is what the services read on snapshots.
type Reader interface {
	botView
	orgView
	orgThreadView
	searchView
	threadView
}

// Tx is what the changes of the services need. It embeds the part of each service: so view,
// update and change can convert to it.
type Tx interface {
	accessTx
	changeTx
	deniedTx
	artifactTx
	authTx
	botTx
	channelTx
	deliveryTx
	decisionTx
	overdueTx
	fileTx
	leaseTx
	orgTx
	orgThreadTx
	platformTx
	pushTx
	threadTx
	tokenTx
	webhookTx
	retentionTx
}

// view runs fn on one snapshot of the store and returns its result. R is the part of Reader that
// the service states.
func view[T, R any](ctx context.Context, c *core, fn func(r R) (T, error)) (T, error) {
	var out T
	err := c.db.View(ctx, func(r Reader) (err error) {
		out, err = fn(any(r).(R))
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// update runs fn as one change of the org. T is the part of Tx that the service states.
func update[T any](ctx context.Context, c *core, org string, fn func(tx T) error) error {
	return c.db.Update(ctx, org, func(tx Tx) error { return fn(any(tx).(T)) })
}

// eventTx appends an event to the log of the org.
type eventTx interface {
	Append(ctx context.Context, e store.Event) (seq int64, err error)
}

// auditTx writes an audit entry.
type auditTx interface {
	InsertAudit(ctx context.Context, e *store.AuditEntry) error
}

// rateTx counts a use of a rate limit.
type rateTx interface {
	TakeRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (ok bool, retryAfter int64, err error)
}

// quotaTx reads what the org has stored today.
type quotaTx interface {
	StoredOn(ctx context.Context, at int64) (store.Stored, error)
}

// changeTx is what every change needs: the responses of earlier requests, and the quota.
type changeTx interface {
	quotaTx
	Idempotency(ctx context.Context, org, caller, requestID string) (*store.IdempotencyRecord, error)
	PutIdempotency(ctx context.Context, r *store.IdempotencyRecord) error
	CountStored(ctx context.Context, at int64, bulk bool) error
}

// accessTx reads the auth version of the org.
type accessTx interface {
	LogTop(ctx context.Context, org string) (store.LogTop, error)
}

// orgReader finds an org.
type orgReader interface {
	Org(ctx context.Context, id string) (*store.Org, error)
}

// settingsReader reads the settings of an org.
type settingsReader interface {
	OrgSettings(ctx context.Context, org string) (*store.OrgSettings, error)
}

// nameReader finds the bots, living and deleted, that have a name.
type nameReader interface {
	BotByName(ctx context.Context, org, name string) (*store.Bot, error)
	Tombstone(ctx context.Context, org, name string) (*store.Tombstone, error)
}

// secretTx replaces the secret of an org.
type secretTx interface {
	eventTx
	auditTx
	orgReader
	SetOrgSecret(ctx context.Context, id, secretHash string) error
	DeleteSessionsOf(ctx context.Context, scope store.SessionScope) ([]store.Session, error)
	DeleteUnconsumedTickets(ctx context.Context, org string) (int64, error)
}

// deniedTx audits what a permission policy denied.
type deniedTx interface {
	auditTx
	CountStored(ctx context.Context, at int64, bulk bool) error
}
