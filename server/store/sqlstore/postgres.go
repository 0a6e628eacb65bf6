package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/server/store"
)

func openPostgres(ctx context.Context, cfg Config) (store.Store, error) {
	return nil, errors.New("TODO")
}
