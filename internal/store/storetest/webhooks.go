package storetest

import (
	"fmt"
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
)

var webhookTests = []test{
	{"the cursor begins at the end of the log and goes forward only", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a", hooked)
		missing(s.WebhookPosition(s.ctx, a))(s)
		s.update(org, func(tx store.Tx) error {
			_, err := tx.Append(s.ctx, store.Event{Type: "before"})
			return errorsOf(err, tx.StartWebhook(s.ctx, a))
		})
		equal(s, "start", must(s.WebhookPosition(s.ctx, a))(s), 1)
		s.update(org, func(tx store.Tx) error {
			_, err := tx.Append(s.ctx, store.Event{Type: "after"})
			return errorsOf(err, tx.StartWebhook(s.ctx, a), tx.MoveWebhook(s.ctx, "unknown", 7))
		})
		equal(s, "started again", must(s.WebhookPosition(s.ctx, a))(s), 1)
		for _, seq := range []int64{5, 3} {
			s.update(org, func(tx store.Tx) error { return tx.MoveWebhook(s.ctx, a, seq) })
		}
		equal(s, "moved", must(s.WebhookPosition(s.ctx, a))(s), 5)
	}},
	{"webhooks to be served", func(s *suite) {
		org, away := s.org(), s.org()
		a, b := s.bot(org, "a", hooked), s.bot(org, "b", hooked)
		s.bot(org, "none")
		s.bot(org, "pending", hooked, func(b *store.Bot) { b.JoinStatus = store.BotPending })
		s.bot(away, "suspended", hooked)
		s.update(away, func(tx store.Tx) error {
			return tx.UpdateOrg(s.ctx, &store.Org{ID: away, Name: "away", Status: store.OrgSuspended})
		})
		refs := func(now int64, limit int) []store.HookRef {
			return must(s.FreeWebhooks(s.ctx, liveAt(now), limit))(s)
		}
		s.renew("n1", 10)
		same(s, "all", refs(1, 9), []store.HookRef{{OrgID: org, BotID: a}, {OrgID: org, BotID: b}})
		same(s, "first", refs(1, 1), []store.HookRef{{OrgID: org, BotID: a}})
		equal(s, "taken", s.take(a, "n1", 1), true)
		same(s, "the other", refs(9, 9), []store.HookRef{{OrgID: org, BotID: b}})
		equal(s, "expired", len(refs(10, 9)), 2)
		equal(s, "started when it was taken", must(s.WebhookPosition(s.ctx, a))(s), 0)
	}},
	{"one node holds a webhook", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a", hooked), s.bot(org, "b", hooked)
		holds := func(bot, node string) bool { s.Helper(); return must(s.WebhookHeld(s.ctx, bot, node))(s) }
		equal(s, "without a lease", s.take(a, "n1", 1), false)
		s.renew("n1", 10)
		s.renew("n2", 19)
		equal(s, "unknown bot", s.take("nobody", "n1", 1), false)
		equal(s, "after the lease", s.take(a, "n1", 10), false)
		equal(s, "free", s.take(a, "n1", 1), true)
		equal(s, "taken", s.take(a, "n2", 9), false)
		equal(s, "own", s.take(a, "n1", 9), true)
		s.renew("n1", 12)
		equal(s, "before the end", s.take(a, "n2", 11), false)
		equal(s, "at the end", s.take(a, "n2", 12), true)
		equal(s, "lost", holds(a, "n1"), false)
		equal(s, "holds", holds(a, "n2"), true)
		equal(s, "second", s.take(b, "n2", 1), true)
		back := int64(-7_200_000) // the clock is put back by two hours: B2B-LIFE-020
		s.renew("n3", back+10)
		equal(s, "a lease from before is not believed", len(must(s.FreeWebhooks(s.ctx, liveAt(back), 10))(s)) >= 2, true)
		equal(s, "nor does it keep a webhook from another", s.take(b, "n3", back), true)
		equal(s, "nor is it of use", s.take(b, "n2", back), false)
		equal(s, "back again", s.take(b, "n2", 1), true)
		share := func(now, webhooks, nodes, held int64) {
			s.Helper()
			got, err := s.WebhookShare(s.ctx, "n2", liveAt(now))
			same(s, fmt.Sprint("share at ", now), []any{got, err}, []any{store.WebhookShare{Webhooks: webhooks, Nodes: nodes, Held: held}, nil})
		}
		s.update("", func(tx store.Tx) error { return tx.EndNodes(s.ctx, 12) })
		share(10, 2, 1, 2)
		s.renew("n3", 20)
		s.renew("n2", 100)
		share(19, 2, 2, 2)
		share(20, 2, 1, 2)
		same(s, "held", must(s.HeldWebhooks(s.ctx, "n2"))(s), []string{a, b})
		s.update("", func(tx store.Tx) error { return tx.EndNode(s.ctx, "n3") })
		share(10, 2, 1, 2)
		s.update("", func(tx store.Tx) error { return tx.ReleaseWebhook(s.ctx, a, "n1") })
		equal(s, "not its own", holds(a, "n2"), true)
		s.update("", func(tx store.Tx) error { return tx.ReleaseWebhook(s.ctx, a, "n2") })
		equal(s, "released", holds(a, "n2"), false)
		same(s, "held", must(s.HeldWebhooks(s.ctx, "n2"))(s), []string{b})
		share(10, 2, 1, 1)
		equal(s, "not released", holds(b, "n2"), true)
		s.take(a, "n2", 1)
		s.update("", func(tx store.Tx) error { return tx.ReleaseWebhook(s.ctx, "", "n2") })
		equal(s, "all released", holds(a, "n2") || holds(b, "n2"), false)
		s.take(a, "n2", 1)
		s.renew("n4", 200)
		s.take(b, "n4", 1)
		s.update("", func(tx store.Tx) error { return tx.EndNodes(s.ctx, 100) })
		equal(s, "ended with its node", holds(a, "n2"), false)
		equal(s, "of another node", holds(b, "n4"), true)
		share(10, 2, 1, 0)
		s.update(org, func(tx store.Tx) error {
			return tx.UpdateOrg(s.ctx, &store.Org{ID: org, Name: "away", Status: store.OrgSuspended})
		})
		share(10, 0, 1, 0)
	}},
	{"one of 16 nodes gets a webhook", func(s *suite) {
		a := s.bot(s.org(), "a", hooked)
		var won atomic.Int64
		for i := range 16 {
			s.renew(fmt.Sprint("node", i), 10)
		}
		parallel(16, func(i int) {
			if s.take(a, fmt.Sprint("node", i), 5) {
				won.Add(1)
			}
		})
		equal(s, "winners", won.Load(), 1)
	}},
	{"deliveries wait, die and are redelivered", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a", hooked), s.bot(org, "b", hooked)
		put := func(d ...*store.WebhookDelivery) {
			s.Helper()
			s.update(org, func(tx store.Tx) error {
				for _, d := range d {
					if err := tx.PutDelivery(s.ctx, d); err != nil {
						return err
					}
				}
				return nil
			})
		}
		late, soon, other := delivery(org, a, 1, 30), delivery(org, a, 2, 20), delivery(org, b, 1, 10)
		put(late, soon, other)
		same(s, "waiting", must(s.WaitingDeliveries(s.ctx, a, 9))(s), []store.WebhookDelivery{*soon, *late})
		same(s, "first", must(s.WaitingDeliveries(s.ctx, a, 1))(s), []store.WebhookDelivery{*soon})
		dead := func(bot string, after *store.PageKey, limit int) []store.WebhookDelivery {
			s.Helper()
			return must(s.DeadLetters(s.ctx, org, bot, after, limit))(s)
		}
		equal(s, "none dead", len(dead("", nil, 9)), 0)
		for i, d := range []*store.WebhookDelivery{soon, late, other} {
			d.NextAt, d.Attempts, d.UpdatedAt, d.Status, d.Reason = nil, 4, int64(40+i/2), ptr(int64(500)), "answered 500"
		}
		put(soon, late, other)
		equal(s, "none waiting", len(must(s.WaitingDeliveries(s.ctx, a, 9))(s)), 0)
		same(s, "dead", dead("", nil, 9), []store.WebhookDelivery{*other, *soon, *late})
		same(s, "dead of a bot", dead(a, nil, 9), []store.WebhookDelivery{*soon, *late})
		same(s, "next page", dead("", &store.PageKey{At: 40, ID: soon.ID}, 9), []store.WebhookDelivery{*late})
		equal(s, "of another org", len(must(s.DeadLetters(s.ctx, s.org(), "", nil, 9))(s)), 0)
		redeliver := func(bot, id string) (n int64) {
			s.Helper()
			s.update(org, func(tx store.Tx) (err error) { n, err = tx.Redeliver(s.ctx, bot, id, 50); return err })
			return n
		}
		equal(s, "of another bot", redeliver(a, other.ID), 0)
		equal(s, "one", redeliver(a, late.ID), 1)
		equal(s, "again", redeliver(a, late.ID), 0)
		late.NextAt, late.Attempts = ptr(int64(50)), 0
		same(s, "waits again", must(s.WaitingDeliveries(s.ctx, a, 9))(s), []store.WebhookDelivery{*late})
		equal(s, "all", redeliver(a, ""), 1)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.DeleteDelivery(s.ctx, a, 1), tx.DeleteDelivery(s.ctx, a, 1))
		})
		equal(s, "left", len(must(s.WaitingDeliveries(s.ctx, a, 9))(s)), 1)
	}},
	{"dead letters are bounded", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a", hooked), s.bot(org, "b", hooked)
		s.update(org, func(tx store.Tx) error {
			for seq := range int64(5) {
				d, e := delivery(org, a, seq, 0), delivery(org, b, seq, 0)
				d.NextAt, d.UpdatedAt, e.NextAt = nil, 100-seq, nil
				if err := errorsOf(tx.PutDelivery(s.ctx, d), tx.PutDelivery(s.ctx, e)); err != nil {
					return err
				}
			}
			return errorsOf(tx.PutDelivery(s.ctx, delivery(org, a, 9, 1)), tx.TrimDeadLetters(s.ctx, a, 3))
		})
		same(s, "newest", keys(must(s.DeadLetters(s.ctx, org, a, nil, 9))(s), func(d store.WebhookDelivery) string { return fmt.Sprint(d.Seq) }), []string{"0", "1", "2"})
		equal(s, "of the other", len(must(s.DeadLetters(s.ctx, org, b, nil, 9))(s)), 5)
		equal(s, "waiting", len(must(s.WaitingDeliveries(s.ctx, a, 9))(s)), 1)
	}},
	{"the log keeps what webhooks wait for", func(s *suite) {
		org := s.org()
		a, p := s.bot(org, "a", hooked), s.bot(org, "p", hooked, func(b *store.Bot) { b.JoinStatus = store.BotPending })
		s.update(org, func(tx store.Tx) error {
			if err := errorsOf(tx.StartWebhook(s.ctx, a), tx.StartWebhook(s.ctx, p)); err != nil {
				return err
			}
			for range 6 {
				if _, err := tx.Append(s.ctx, store.Event{Type: "e", At: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		prune := func(want int64) {
			s.Helper()
			s.update(org, func(tx store.Tx) error {
				n, err := tx.PruneLog(s.ctx, 10, 100)
				equal(s, "pruned", n, want)
				return err
			})
		}
		prune(0)
		dead := delivery(org, a, 1, 0)
		dead.NextAt = nil
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.MoveWebhook(s.ctx, a, 5), tx.PutDelivery(s.ctx, dead), tx.PutDelivery(s.ctx, delivery(org, a, 3, 99)))
		})
		prune(2)
		equal(s, "dead letters of what went", len(must(s.DeadLetters(s.ctx, org, "", nil, 9))(s)), 0)
		s.update(org, func(tx store.Tx) error { return tx.DeleteDelivery(s.ctx, a, 3) })
		prune(3)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "session", 5); return err })
		prune(1)
	}},
	{"a bot and an org take everything along", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a", hooked), s.bot(org, "b", hooked)
		fill := func(bot string) {
			s.update(org, func(tx store.Tx) error {
				dead := delivery(org, bot, 2, 0)
				dead.NextAt = nil
				return errorsOf(tx.StartWebhook(s.ctx, bot), tx.PutDelivery(s.ctx, delivery(org, bot, 1, 9)), tx.PutDelivery(s.ctx, dead))
			})
			s.renew("n", 10)
			s.take(bot, "n", 1)
		}
		empty := func(bot string) {
			s.Helper()
			missing(s.WebhookPosition(s.ctx, bot))(s)
			equal(s, "held", must(s.WebhookHeld(s.ctx, bot, "n"))(s), false)
			equal(s, "waiting", len(must(s.WaitingDeliveries(s.ctx, bot, 9))(s)), 0)
			equal(s, "dead", len(must(s.DeadLetters(s.ctx, org, bot, nil, 9))(s)), 0)
		}
		fill(a)
		fill(b)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "session", 5); return err })
		empty(a)
		equal(s, "the other's", len(must(s.WaitingDeliveries(s.ctx, b, 9))(s)), 1)
		s.update(org, func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, org) })
		empty(b)
	}},
}

func hooked(b *store.Bot) { b.SealedURL = ptr("sealed") }

func delivery(org, bot string, seq, next int64) *store.WebhookDelivery {
	return &store.WebhookDelivery{
		ID: fmt.Sprintf("%s-%d", bot, seq), OrgID: org, BotID: bot, Seq: seq, EventType: "message", Attempts: 1,
		NextAt: &next, UpdatedAt: 7, Reason: "timed out",
	}
}

// take tries to take the webhook of a bot.
func (s *suite) take(bot, node string, now int64) (got bool) {
	s.Helper()
	s.update("", func(tx store.Tx) (err error) {
		got, err = tx.TakeWebhook(s.ctx, store.HookRef{BotID: bot}, node, liveAt(now))
		return err
	})
	return got
}
