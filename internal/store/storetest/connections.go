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
	{"presence on several nodes", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.AddPresence(s.ctx, a, "n1"), tx.AddPresence(s.ctx, a, "n1"), tx.AddPresence(s.ctx, a, "n2"), tx.AddPresence(s.ctx, b, "n1"))
		})
		present := func(bot string, now int64) bool { s.Helper(); return must(s.Present(s.ctx, bot, liveAt(now)))(s) }
		equal(s, "on nodes without a lease", present(a, 1), false)
		s.renew("n1", 10)
		s.renew("n1", 20)
		s.renew("n2", 30)
		equal(s, "before the end", present(b, 19), true)
		equal(s, "from before the clock was put back", present(b, -5000), false)
		equal(s, "at the end", present(b, 20), false)
		equal(s, "on the other node", present(a, 29), true)
		s.renew("n1", 40)
		equal(s, "renewed", present(b, 39), true)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.RemovePresence(s.ctx, b, "n1"), tx.RemovePresence(s.ctx, b, "n1"), tx.RemovePresence(s.ctx, b, "unknown"))
		})
		equal(s, "removed", present(b, 1), false)
		s.update("", func(tx store.Tx) error { return tx.EndNodes(s.ctx, 30) })
		equal(s, "kept", present(a, 39), true)
		s.renew("n2", 60)
		equal(s, "ended with its node", present(a, 50), false)
		s.update(org, func(tx store.Tx) error { return tx.AddPresence(s.ctx, b, "n2") })
		s.update("", func(tx store.Tx) error { return errorsOf(tx.EndNode(s.ctx, "n1"), tx.EndNode(s.ctx, "unknown")) })
		s.renew("n1", 60)
		equal(s, "ended with n1", present(a, 50), false)
		equal(s, "on n2", present(b, 50), true)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, b, "session", 5); return err })
		equal(s, "of a deleted bot", present(b, 50), false)
	}},
	{"online bots that are present nowhere", func(s *suite) {
		org := s.org()
		var bots []string
		for _, name := range []string{"a", "b", "c", "d"} {
			bots = append(bots, s.bot(org, name, func(b *store.Bot) { b.Online = name != "d" }))
		}
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.AddPresence(s.ctx, bots[0], "ended"), tx.AddPresence(s.ctx, bots[1], "live"))
		})
		s.renew("ended", 10)
		s.renew("live", 11)
		first := must(s.OnlineAbsent(s.ctx, liveAt(10), "", 1))(s)
		same(s, "first", first, []store.BotRef{{OrgID: org, BotID: bots[0]}})
		same(s, "rest", must(s.OnlineAbsent(s.ctx, liveAt(10), bots[0], 5))(s), []store.BotRef{{OrgID: org, BotID: bots[2]}})
	}},
}

// liveAt returns the condition that a lease is live at a time.
func liveAt(now int64) store.Live { return store.Live{Now: now, Latest: now + 1000} }

// renew extends the lease of a node to a time.
func (s *suite) renew(node string, until int64) {
	s.Helper()
	s.update("", func(tx store.Tx) error { return tx.RenewNode(s.ctx, node, until) })
}
