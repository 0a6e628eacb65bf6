package importer

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what an Importer needs of the store.
type Store interface {
	reader
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// reader is what an Importer reads, before its change and in it.
type reader interface {
	Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error)
	Import(ctx context.Context, scope string) (*store.Import, error)
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	Org(ctx context.Context, id string) (*store.Org, error)
}

// Tx is what the changes of an Importer need.
type Tx interface {
	reader
	ImportOrg(ctx context.Context, org *store.Org) error
	ImportRows(ctx context.Context, rows *store.ImportRows) error
	ImportInviteCode(ctx context.Context, c *store.InviteCode) error
	PutImport(ctx context.Context, i *store.Import) error
	InviteCodes(ctx context.Context, before *store.PageKey, limit int) ([]store.InviteCode, error)
	Append(ctx context.Context, e store.Event) (seq int64, err error)
	DeleteOrg(ctx context.Context, id string) error
	StartWebhook(ctx context.Context, bot string) error
}
