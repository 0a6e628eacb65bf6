package storetest

import (
	"errors"
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
)

var wsTicketTests = []test{
	{"create, read, take", func(s *suite) {
		org := s.org()
		k := &store.WsTicket{Hash: "h", OrgID: org, TokenHash: ptr("token"), ExpiresAt: 10}
		s.update(org, func(tx store.Tx) error { return tx.CreateWsTicket(s.ctx, k) })
		same(s, "read", must(s.WsTicket(s.ctx, "h"))(s), k)
		missing(s.WsTicket(s.ctx, "other"))(s)
		s.refused(org, store.ErrConflict, func(tx store.Tx) error { return tx.CreateWsTicket(s.ctx, k) })
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.TakeWsTicket(s.ctx, "other"); return err })
		s.update(org, func(tx store.Tx) error {
			got, err := tx.TakeWsTicket(s.ctx, "h")
			if err == nil {
				same(s, "taken", got, k)
			}
			return err
		})
		missing(s.WsTicket(s.ctx, "h"))(s)
	}},
	{"one of 64 callers takes it", func(s *suite) {
		org := s.org()
		s.update(org, func(tx store.Tx) error {
			return tx.CreateWsTicket(s.ctx, &store.WsTicket{Hash: "h", OrgID: org, SessionHash: ptr("session"), ExpiresAt: 10})
		})
		var won atomic.Int64
		parallel(64, func(int) {
			err := s.Update(s.ctx, org, func(tx store.Tx) error { _, err := tx.TakeWsTicket(s.ctx, "h"); return err })
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrNotFound):
				s.Errorf("take: %v", err)
			}
		})
		equal(s, "takers", won.Load(), 1)
	}},
	{"purge", func(s *suite) {
		org := s.org()
		for hash, expires := range map[string]int64{"a": 10, "b": 11, "c": 9, "d": 1} {
			s.update(org, func(tx store.Tx) error {
				return tx.CreateWsTicket(s.ctx, &store.WsTicket{Hash: hash, OrgID: org, ExpiresAt: expires})
			})
		}
		s.inSteps(func(tx store.Tx, limit int) (int64, error) { return tx.PurgeWsTickets(s.ctx, 10, limit) })
		missing(s.WsTicket(s.ctx, "a"))(s)
		must(s.WsTicket(s.ctx, "b"))(s)
	}},
}

var presenceTests = []test{
	{"leases of several nodes", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.PutLease(s.ctx, a, "n1", 10), tx.PutLease(s.ctx, a, "n1", 20), tx.PutLease(s.ctx, a, "n2", 30), tx.PutLease(s.ctx, b, "n1", 20))
		})
		leased := func(bot string, now int64) bool { s.Helper(); return must(s.Leased(s.ctx, bot, now, now+1000))(s) }
		equal(s, "before the end", leased(b, 19), true)
		equal(s, "from before the clock was put back", leased(b, -5000), false)
		equal(s, "at the end", leased(b, 20), false)
		equal(s, "by the other node", leased(a, 29), true)
		first := must(s.LeasedBy(s.ctx, "n1", "", 1))(s)
		same(s, "of a node", append(first, must(s.LeasedBy(s.ctx, "n1", first[0].BotID, 5))(s)...), []store.BotRef{{OrgID: org, BotID: a}, {OrgID: org, BotID: b}})
		s.update("", func(tx store.Tx) error {
			n, err := tx.RenewLeases(s.ctx, "n1", 40)
			equal(s, "renewed", n, 2)
			return err
		})
		equal(s, "renewed", leased(b, 39), true)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.DropLease(s.ctx, b, "n1"), tx.DropLease(s.ctx, b, "n1"), tx.DropLease(s.ctx, b, "unknown"))
		})
		equal(s, "dropped", leased(b, 1), false)
		s.update("", func(tx store.Tx) error {
			n, err := tx.PurgeLeases(s.ctx, 30)
			equal(s, "purged", n, 1)
			return err
		})
		equal(s, "kept", leased(a, 39), true)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "session", 5); return err })
		equal(s, "of a deleted bot", leased(a, 1), false)
	}},
	{"online bots without a lease", func(s *suite) {
		org := s.org()
		var bots []string
		for _, name := range []string{"a", "b", "c", "d"} {
			bots = append(bots, s.bot(org, name, func(b *store.Bot) { b.Online = name != "d" }))
		}
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.PutLease(s.ctx, bots[0], "n", 10), tx.PutLease(s.ctx, bots[1], "n", 11))
		})
		first := must(s.OnlineUnleased(s.ctx, 10, 1010, "", 1))(s)
		same(s, "first", first, []store.BotRef{{OrgID: org, BotID: bots[0]}})
		same(s, "rest", must(s.OnlineUnleased(s.ctx, 10, 1010, bots[0], 5))(s), []store.BotRef{{OrgID: org, BotID: bots[2]}})
	}},
}
