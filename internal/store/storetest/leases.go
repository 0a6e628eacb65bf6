package storetest

import (
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

var leaseTests = []test{
	{"leases by name, holder and place", func(s *suite) {
		org, other := s.org(), s.org()
		a, b, foreign := s.bot(org, "a"), s.bot(org, "b"), s.bot(other, "foreign")
		lease := func(org, id, bot, name, head string, until int64) *store.NamedLease {
			l := &store.NamedLease{ID: id, OrgID: org, Name: name, Head: head, BotID: bot, Fence: 7, TTL: 5, AcquiredAt: 1, ExpiresAt: until, Note: new("why")}
			s.update(org, func(tx store.Tx) error { return tx.PutLease(s.ctx, l) })
			return l
		}
		one := lease(org, "l1", a, "repo/a.go", "repo/a.go", 100)
		all := lease(org, "l2", b, "repo/**", "repo", 100)
		deep := lease(org, "l3", a, "repo/x/*", "repo/x", 100)
		lease(org, "l4", a, "repository", "repository", 100)
		ended := lease(org, "l5", a, "repo/a.go", "repo/a.go", 50)
		lease(other, "l6", foreign, "repo/a.go", "repo/a.go", 100)

		same(s, "a lease", must(s.Lease(s.ctx, org, "l1"))(s), one)
		same(s, "an expired one", must(s.Lease(s.ctx, org, "l5"))(s), ended)
		missing(s.Lease(s.ctx, other, "l1"))(s)
		missing(s.Lease(s.ctx, org, "none"))(s)

		names := func(q store.LeaseQuery) (ids []string) {
			s.Helper()
			q.OrgID, q.Now = org, 60
			for _, l := range must(s.Leases(s.ctx, q))(s) {
				ids = append(ids, l.ID)
			}
			return ids
		}
		same(s, "all", names(store.LeaseQuery{Limit: 9}), []string{"l2", "l1", "l3", "l4"})
		same(s, "a page", names(store.LeaseQuery{Limit: 2}), []string{"l2", "l1"})
		same(s, "the next", names(store.LeaseQuery{Limit: 2, After: &store.LeaseKey{Name: one.Name, ID: "l1"}}), []string{"l3", "l4"})
		same(s, "none", len(names(store.LeaseQuery{})), 0)
		same(s, "with a prefix", names(store.LeaseQuery{Prefix: "repo/", Limit: 9}), []string{"l2", "l1", "l3"})
		same(s, "of a bot with a prefix", names(store.LeaseQuery{Prefix: "repo/", BotID: a, Limit: 9}), []string{"l1", "l3"})

		at := func(now int64, p store.LeasePlaces) (ids []string) {
			s.Helper()
			for _, l := range must(s.LeasesIn(s.ctx, org, now, p))(s) {
				ids = append(ids, l.ID)
			}
			return ids
		}
		same(s, "with heads", at(60, store.LeasePlaces{Heads: []string{"", "repo", "repo/a.go"}}), []string{all.ID, one.ID})
		same(s, "before the end", at(49, store.LeasePlaces{Heads: []string{"repo/a.go"}}), []string{"l1", "l5"})
		same(s, "below", at(60, store.LeasePlaces{Low: "repo/", High: "repo0"}), []string{"l1", deep.ID})
		same(s, "both", at(60, store.LeasePlaces{Heads: []string{"repo"}, Low: "repo/", High: "repo0"}), []string{"l2", "l1", "l3"})

		s.update(org, func(tx store.Tx) error {
			ofOrg, ofBot, err := tx.CountLeases(s.ctx, org, a, 60)
			equal(s, "of the org", ofOrg, 4)
			equal(s, "of the bot", ofBot, 3)
			equal(s, "all of the bot", len(must(tx.LeasesOf(s.ctx, a, 9))(s)), 4)
			equal(s, "some of the bot", len(must(tx.LeasesOf(s.ctx, a, 2))(s)), 2)
			same(s, "expired", must(tx.ExpiredLeases(s.ctx, org, 50, 9))(s), []store.NamedLease{*ended})
			equal(s, "not yet", len(must(tx.ExpiredLeases(s.ctx, org, 49, 9))(s)), 0)
			return errorsOf(err, tx.ExtendLease(s.ctx, "l1", 9, 200), tx.DeleteLease(s.ctx, "l5"), tx.DeleteLease(s.ctx, "none"))
		})
		got := must(s.Lease(s.ctx, org, "l1"))(s)
		same(s, "extended", []int64{got.TTL, got.ExpiresAt}, []int64{9, 200})
		missing(s.Lease(s.ctx, org, "l5"))(s)

		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "test", 1); return err })
		same(s, "without those of a deleted bot", at(60, store.LeasePlaces{Low: "", High: "z"}), []string{"l2"})
	}},
	{"waits count while their node is live", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.bot(org, "a")
		s.renew("n1", 1000)
		s.renew("n2", 20)
		put := func(id, node string, place, until int64) {
			s.update(org, func(tx store.Tx) error {
				return tx.PutLeaseWait(s.ctx, &store.LeaseWait{ID: id, OrgID: org, Name: "x", Head: "x", BotID: a, TTL: 5, Place: place, NodeID: node, Until: until})
			})
		}
		put("w1", "n1", 2, 100)
		put("w2", "n2", 1, 100)
		put("w3", "n1", 3, 50)
		put("w4", "never", 4, 100)
		waits := func(now int64) (ids []string) {
			s.Helper()
			s.update(org, func(tx store.Tx) error {
				ids = nil
				for _, w := range must(tx.LeaseWaits(s.ctx, org, now, liveAt(now), 9))(s) {
					ids = append(ids, fmt.Sprint(w.ID, "@", w.Place))
				}
				equal(s, "those of another org", len(must(tx.LeaseWaits(s.ctx, other, now, liveAt(now), 9))(s)), 0)
				return nil
			})
			return ids
		}
		same(s, "all live", waits(19), []string{"w2@1", "w1@2", "w3@3"})
		same(s, "a node ended", waits(20), []string{"w1@2", "w3@3"})
		same(s, "a wait ended", waits(50), []string{"w1@2"})
		put("w1", "n1", 9, 200)
		same(s, "extended at its place", waits(150), []string{"w1@2"})
		same(s, "orgs with something to end", must(s.LeasesEnded(s.ctx, 60, "", 9))(s), []string{org})
		s.update(org, func(tx store.Tx) error {
			ended, err := tx.EndLeaseWaits(s.ctx, org, 60, liveAt(60))
			equal(s, "ended", ended, 3)
			return err
		})
		equal(s, "nothing left to end", len(must(s.LeasesEnded(s.ctx, 60, "", 9))(s)), 0)
		same(s, "what counts stays", waits(19), []string{"w1@2"})
		s.update(org, func(tx store.Tx) error { return tx.DeleteLeaseWait(s.ctx, "w1") })
		equal(s, "deleted", len(waits(19)), 0)
		put("w5", "n1", 1, 100)
		s.update("", func(tx store.Tx) error { return tx.EndNode(s.ctx, "n1") })
		s.renew("n1", 1000)
		equal(s, "ended with its node", len(waits(19)), 0)
	}},
	{"the clock of leases", func(s *suite) {
		now := must(s.LeaseClock(s.ctx, 42))(s)
		if now != 42 && now < 1_700_000_000_000 {
			s.Errorf("the clock of leases is %d: neither local nor a time", now)
		}
	}},
}
