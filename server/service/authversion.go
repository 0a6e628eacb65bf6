package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// checkedStore is a store whose changes are made only while their caller is what it was when
// it was looked up. What is remembered of callers may be older than a revocation that
// another node wrote; the log of the org, which a change has read anyway, knows it.
type checkedStore struct{ store.Store }

// Update is store.Store's, and fails with call.ErrStale when access has changed in the
// caller's org since the caller was looked up.
func (s checkedStore) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	caller := call.CallerOf(ctx)
	if caller.AuthVersion == (call.AuthVersion{}) || caller.OrgID != org {
		return s.Store.Update(ctx, org, fn)
	}
	return s.Store.Update(ctx, org, func(tx store.Tx) error {
		top, err := tx.LogTop(ctx, org)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return call.ErrStale // destroyed
		case err != nil:
			return fmt.Errorf("find the end of an org's log: %w", err)
		case caller.AuthVersion != call.AuthVersion{Epoch: top.Epoch, Access: top.Access}:
			return call.ErrStale
		}
		return fn(tx)
	})
}
