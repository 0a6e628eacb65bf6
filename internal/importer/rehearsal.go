package importer

import (
	"context"
	"errors"
)

// Rehearsal is a store that rolls every change back, so that an import into it returns the
// report of a real import and changes nothing. Each org is tried alone: conflicts with other
// orgs of the same import are not found.
type Rehearsal struct{ Store }

// errTakenBack makes the store roll back a change that has succeeded.
var errTakenBack = errors.New("importer: only rehearsed")

// Update runs fn and rolls its change back.
func (r Rehearsal) Update(ctx context.Context, org string, fn func(Tx) error) error {
	err := r.Store.Update(ctx, org, func(tx Tx) error {
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
