package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
)

// checkedStore is a database whose changes fail with call.ErrStale when the access of the caller's
// org changed after the caller was looked up. A cached caller may be older than a revocation that
// another node wrote; the top of the org's log, which every change reads anyway, shows that.
type checkedStore struct{ database }

// Update compares the caller's auth version with the log before it runs fn.
func (s checkedStore) Update(ctx context.Context, org string, fn func(Tx) error) error {
	caller := call.CallerOf(ctx)
	if caller.AuthVersion == (call.AuthVersion{}) || caller.OrgID != org {
		return s.database.Update(ctx, org, fn)
	}
	return s.database.Update(ctx, org, func(tx Tx) error {
		top, err := tx.LogTop(ctx, org)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return call.ErrStale // the org was deleted
		case err != nil:
			return fmt.Errorf("read the top of an org's log: %w", err)
		case caller.AuthVersion != call.AuthVersion{Epoch: top.Epoch, Access: top.Access}:
			return call.ErrStale
		}
		return fn(tx)
	})
}
