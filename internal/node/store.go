package node

import (
	"context"
)

// Store is what a Node needs of the store.
type Store interface {
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the changes of a Node need.
type Tx interface {
	RenewNode(ctx context.Context, node string, until int64) error
	EndNodes(ctx context.Context, before int64) error
	EndNode(ctx context.Context, node string) error
}
