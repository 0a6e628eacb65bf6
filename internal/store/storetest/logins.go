package storetest

import (
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

var loginFailureTests = []test{
	{"put, read, replace, delete, purge", func(s *suite) {
		put := func(f store.LoginFailures) {
			s.update("", func(tx store.Tx) error { return tx.PutLoginFailures(s.ctx, &f) })
		}
		read := func(keys ...string) []store.LoginFailures {
			got := must(s.LoginFailures(s.ctx, keys))(s)
			slices.SortFunc(got, func(a, b store.LoginFailures) int { return strings.Compare(a.Key, b.Key) })
			return got
		}
		a, b, c := store.LoginFailures{Key: "a", Failed: 1, EndsAt: 10}, store.LoginFailures{Key: "b", Failed: 2, EndsAt: 11}, store.LoginFailures{Key: "c", Failed: 3, EndsAt: 12}
		equal(s, "counts of none", len(read()), 0)
		equal(s, "counts that are not there", len(read("a", "b")), 0)
		put(a)
		put(b)
		put(c)
		same(s, "two of them", read("b", "a", "x"), []store.LoginFailures{a, b})
		a.Failed, a.EndsAt = 7, 20
		put(a)
		same(s, "the new one", read("a"), []store.LoginFailures{a})
		s.update("", func(tx store.Tx) error {
			for _, limit := range []int{0, 1, 5} {
				n, err := tx.PurgeLoginFailures(s.ctx, 12, limit)
				if err != nil {
					return err
				}
				equal(s, "purged", n, int64(min(limit, 1)))
			}
			return nil
		})
		same(s, "those that are left", read("a", "b", "c"), []store.LoginFailures{a})
		for range 2 {
			s.update("", func(tx store.Tx) error { return tx.DeleteLoginFailures(s.ctx, "a") })
		}
		equal(s, "after the end", len(read("a", "b", "c")), 0)
	}},
}
