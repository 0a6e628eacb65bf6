package retention

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what a Runner needs of the store.
type Store interface {
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error)
	Orgs(ctx context.Context, after *store.PageKey, limit int) ([]store.OrgSummary, error)
	EndedOrgs(ctx context.Context, limit int) ([]string, error)
	LogsBehind(ctx context.Context, least int64, after string, limit int) ([]string, error)
	LeaseClock(ctx context.Context, local int64) (int64, error)
	InboxesDue(ctx context.Context, now, least int64, after string, limit int) ([]string, error)
	LeasesEnded(ctx context.Context, now int64, after string, limit int) ([]string, error)
	DecisionsExpired(ctx context.Context, now int64, after string, limit int) ([]string, error)
	DeadlinesDue(ctx context.Context, now int64, after string, limit int) ([]string, error)
	OldRates(ctx context.Context, before int64, afterBot string, limit int) ([]string, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the changes of a Runner need.
type Tx interface {
	PurgeWsTickets(ctx context.Context, now int64, limit int) (int64, error)
	PurgeIdempotency(ctx context.Context, before int64, limit int) (int64, error)
	IndexLog(ctx context.Context, limit int) (int, error)
	PruneLog(ctx context.Context, before int64, limit int) (int64, error)
	PurgeLoginFailures(ctx context.Context, now int64, limit int) (int64, error)
	DeleteOrg(ctx context.Context, id string) error
	EmptyOrg(ctx context.Context, id string, limit int) (int64, error)
	PurgeRates(ctx context.Context, bots []string, before int64) (int64, error)
	PurgeTickets(ctx context.Context, before int64, limit int) (int64, error)
	PurgeInvites(ctx context.Context, before int64, limit int) (int64, error)
	TakeJob(ctx context.Context, job, node string, live store.Live, doneBefore int64) (bool, error)
	FinishJob(ctx context.Context, job, node string, now int64) error
	ReleaseJob(ctx context.Context, job, node string) error
	PurgeSessions(ctx context.Context, now int64, limit int) (int64, error)
	PurgeTokens(ctx context.Context, now int64, limit int) (int64, error)
}
