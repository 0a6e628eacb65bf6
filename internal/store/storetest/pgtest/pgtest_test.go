package pgtest_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, url := range []string{pgtest.URL(t), pgtest.URL(t), pgtest.EmptyURL(t)} {
		s, err := sqlstore.Open(ctx, sqlstore.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Update(ctx, "", func(tx store.Tx) error {
			return tx.CreateOrg(ctx, &store.Org{ID: "same", Name: "x", Status: store.OrgActive})
		})
		if err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
