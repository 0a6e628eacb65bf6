package storetest

import (
	"github.com/b2b-protocol/b2b/internal/store"
)

var pushTests = []test{
	{"push configs are listed and counted", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		one, two := s.thread(org, "one", 1, a, b).ID, s.thread(org, "two", 1, a, b).ID
		second := s.push(org, a, one, "second", 2)
		first := s.push(org, a, one, "first", 1)
		s.push(org, a, two, "first", 3)
		same(s, "one", must(s.PushConfig(s.ctx, first.ID))(s), first)
		same(s, "of a thread", must(s.PushConfigs(s.ctx, a, one, 9))(s), []store.PushConfig{*first, *second})
		same(s, "at most", must(s.PushConfigs(s.ctx, a, one, 1))(s), []store.PushConfig{*first})
		equal(s, "of another bot", len(must(s.PushConfigs(s.ctx, b, one, 9))(s)), 0)
		equal(s, "of all threads", must(s.CountPushConfigs(s.ctx, a))(s), 3)
		s.refused(org, store.ErrConflict, func(tx store.Tx) error { return tx.PutPushConfig(s.ctx, pushOf(s, org, a, one, "first", 9)) })
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.DeletePushConfig(s.ctx, first.ID), tx.DeletePushConfig(s.ctx, "none"))
		})
		missing(s.PushConfig(s.ctx, first.ID))(s)
		equal(s, "after a deletion", must(s.CountPushConfigs(s.ctx, a))(s), 2)
	}},
	{"one node holds a push config", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a", hooked)
		p := s.push(org, a, s.thread(org, "topic", 1, a).ID, "p", 1)
		ref := store.HookRef{OrgID: org, BotID: a, PushID: p.ID}
		hook := store.HookRef{OrgID: org, BotID: a}
		take := func(node string, now int64) (got bool) {
			s.Helper()
			s.update("", func(tx store.Tx) (err error) {
				got, err = tx.TakeWebhook(s.ctx, ref, node, liveAt(now))
				return err
			})
			return got
		}
		save := func(node string, seq int64) (held bool) {
			s.Helper()
			s.update(org, func(tx store.Tx) (err error) {
				held, err = tx.SavePush(s.ctx, p.ID, node, store.PushState{Seq: seq, Attempts: 2, NextAt: ptr(int64(7)), Failures: 3})
				return err
			})
			return held
		}
		free := func(now int64) []store.HookRef {
			s.Helper()
			var own []store.HookRef
			for _, f := range must(s.FreeWebhooks(s.ctx, liveAt(now), 100))(s) {
				if f.OrgID == org {
					own = append(own, f)
				}
			}
			return own
		}
		same(s, "webhooks first", free(1), []store.HookRef{hook, ref})
		equal(s, "without a lease", take("n1", 1), false)
		s.renew("n1", 10)
		s.renew("n2", 19)
		equal(s, "free", take("n1", 1), true)
		equal(s, "taken", take("n2", 9), false)
		same(s, "the webhook is free", free(9), []store.HookRef{hook})
		equal(s, "saved by another", save("n2", 4), false)
		equal(s, "saved", save("n1", 5), true)
		got := must(s.PushConfig(s.ctx, p.ID))(s)
		same(s, "state", []any{got.Seq, got.Attempts, *got.NextAt, got.Failures}, []any{int64(5), int64(2), int64(7), int64(3)})
		same(s, "held", must(s.HeldWebhooks(s.ctx, "n1"))(s), []string{p.ID})
		share := must(s.WebhookShare(s.ctx, "n1", liveAt(9)))(s)
		same(s, "share", []int64{share.Held, min(share.Webhooks, 2)}, []int64{1, 2})
		equal(s, "at the end", take("n2", 10), true)
		equal(s, "lost", save("n1", 6), false)
		s.update("", func(tx store.Tx) error { return tx.ReleaseWebhook(s.ctx, p.ID, "n1") })
		equal(s, "not its own", save("n2", 6), true)
		s.update("", func(tx store.Tx) error { return tx.ReleaseWebhook(s.ctx, p.ID, "n2") })
		equal(s, "released", save("n2", 7), false)
		equal(s, "again", take("n2", 10), true)
		s.update("", func(tx store.Tx) error { return tx.EndNode(s.ctx, "n2") })
		equal(s, "ended with its node", save("n2", 7), false)
		s.renew("n3", 30)
		s.update(org, func(tx store.Tx) error { return tx.DeletePushConfig(s.ctx, p.ID) })
		equal(s, "deleted", take("n3", 20), false)
	}},
	{"push configs end with their token, thread and bot", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		one := s.thread(org, "one", 1, a, b).ID
		primary := must(s.Bot(s.ctx, org, a))(s).TokenHash
		at := func(id, hash string) { s.push(org, a, one, id, 1, func(p *store.PushConfig) { p.TokenHash = hash }) }
		at("primary", primary)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(
				tx.CreateToken(s.ctx, &store.Token{ID: s.id("token"), BotID: a, TokenHash: org + "-lasts", Scopes: "[]"}),
				tx.CreateToken(s.ctx, &store.Token{ID: s.id("token"), BotID: a, TokenHash: org + "-ends", Scopes: "[]", ExpiresAt: ptr(int64(50))}))
		})
		at("revoked", org+"-gone")
		at("lasts", org+"-lasts")
		at("ends", org+"-ends")
		s.push(org, b, one, "of b", 1)
		left := func() (ids []string) {
			for _, p := range must(s.PushConfigs(s.ctx, a, one, 9))(s) {
				ids = append(ids, p.ConfigID)
			}
			return ids
		}
		s.update(org, func(tx store.Tx) error { return tx.EndPushConfigs(s.ctx, a, 50) })
		same(s, "at the last moment", len(left()), 3)
		s.update(org, func(tx store.Tx) error { return tx.EndPushConfigs(s.ctx, a, 51) })
		same(s, "after the end of a token", len(left()), 2)
		equal(s, "of another bot", must(s.CountPushConfigs(s.ctx, b))(s), 1)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "session", 5); return err })
		equal(s, "of a deleted bot", len(left()), 0)
		s.update(org, func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, org) })
		equal(s, "of a deleted org", must(s.CountPushConfigs(s.ctx, b))(s), 0)
	}},
}

func pushOf(s *suite, org, bot, thread, id string, at int64) *store.PushConfig {
	return &store.PushConfig{
		ID: s.id("push"), OrgID: org, BotID: bot, ThreadID: thread, ConfigID: id, AgentID: "agent", TokenHash: "hash", Sealed: "sealed",
		CreatedAt: at, Seq: 1,
	}
}

// push adds a push config.
func (s *suite) push(org, bot, thread, id string, at int64, edit ...func(*store.PushConfig)) *store.PushConfig {
	s.Helper()
	p := pushOf(s, org, bot, thread, id, at)
	for _, e := range edit {
		e(p)
	}
	s.update(org, func(tx store.Tx) error { return tx.PutPushConfig(s.ctx, p) })
	return p
}
