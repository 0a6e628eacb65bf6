package inbox_test

import (
	"context"
	"maps"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// TestInboxCounts: the numbers for operators are those of all inboxes, by state.
func TestInboxCounts(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, s *sqlstore.Store) {
		before, err := s.InboxCounts(t.Context())
		if err != nil || len(before.Deliveries) != 0 || before.OldestQueued != 0 {
			t.Fatalf("without deliveries there are %v, %v", before, err)
		}
		f := newFixture(t, s, "counts")
		a, b := f.bot("a"), f.bot("b")
		f.update(func(tx store.Tx) error {
			for i, d := range []store.Delivery{
				{BotID: a, At: 30, State: store.DeliveryQueued}, {BotID: b, At: 20, State: store.DeliveryQueued},
				{BotID: a, At: 10, State: store.DeliveryLeased}, {BotID: b, At: 40, State: store.DeliveryDead},
			} {
				d.Seq, d.OrgID = int64(i+1), f.org
				if err := tx.AddDelivery(context.Background(), &d); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.InboxCounts(t.Context())
		want := map[store.DeliveryState]int64{store.DeliveryQueued: 2, store.DeliveryLeased: 1, store.DeliveryDead: 1}
		if err != nil || !maps.Equal(got.Deliveries, want) || got.OldestQueued != 20 {
			t.Errorf("counted %v, %v, want %v and 20", got, err, want)
		}
	})
}
