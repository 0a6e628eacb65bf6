package importer

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/server/store"
)

// Rehearsal is a store in which every change is made and taken back, so that an import into
// it says what one into the store itself would. Each organisation is tried by itself: it does
// not meet what others of the same import would have brought.
type Rehearsal struct{ store.Store }

// errTakenBack ends a change that was good.
var errTakenBack = errors.New("importer: only rehearsed")

// Update runs fn and takes its change back.
func (r Rehearsal) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	err := r.Store.Update(ctx, org, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return errTakenBack
	})
	if errors.Is(err, errTakenBack) {
		return nil
	}
	return err
}
