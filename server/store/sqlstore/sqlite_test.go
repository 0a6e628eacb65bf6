package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore"
	"github.com/b2b-protocol/b2b/server/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) store.Store {
		return open(t, filepath.Join(t.TempDir(), "data", "b2b ?%.db"))
	})
}

func open(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
