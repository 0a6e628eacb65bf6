package vault

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what the vault needs of the store.
type Store interface {
	SealState(ctx context.Context) (store.SealState, error)
	BareSecrets(ctx context.Context, kind store.SecretKind, after *store.SecretRow, limit int) ([]store.SecretRow, error)
	SealedSecrets(ctx context.Context, kind store.SecretKind, but string, after *store.SecretRow, limit int) ([]store.SecretRow, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the changes of the vault need.
type Tx interface {
	Installation(ctx context.Context, proposed string) (string, error)
	SetSealState(ctx context.Context, was, now store.SealState) (store.SealState, error)
	PutSealed(ctx context.Context, kind store.SecretKind, id, sealed string) error
	SealTicket(ctx context.Context, org, id string, now *store.OrgTicket) error
}
