package sqlstore_test

import (
	"testing"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) store.Store { return open(t, pgtest.URL(t)) })
}
