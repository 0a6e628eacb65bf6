package storetest

import (
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

var reachTests = []test{
	{"addressees by id, name and channel", func(s *suite) {
		org, other := s.org(), s.org()
		seen := int64(77)
		a := s.bot(org, "a", func(b *store.Bot) { b.LastSeenAt, b.CreatedAt, b.Online = &seen, 5, true })
		b := s.bot(org, "b", func(b *store.Bot) { b.SealedURL, b.JoinStatus = new("url"), store.BotPending })
		foreign := s.bot(other, "foreign")
		channel := s.channel(org, a, b, 1)

		want := &store.Addressee{ID: a, Name: "a", JoinStatus: store.BotActive, Online: true, LastSeenAt: &seen, CreatedAt: 5}
		same(s, "by id", must(s.Addressee(s.ctx, org, a))(s), want)
		same(s, "by name", must(s.Addressee(s.ctx, org, "a"))(s), want)
		same(s, "of a channel", must(s.ChannelPeer(s.ctx, channel, b))(s), want)
		hooked := must(s.ChannelPeer(s.ctx, channel, a))(s)
		same(s, "with a webhook", []any{hooked.ID, hooked.Webhook, hooked.JoinStatus, hooked.Online, hooked.Streaming}, []any{b, true, store.BotPending, false, false})
		for _, ref := range []string{foreign, "foreign", "A", "none"} {
			missing(s.Addressee(s.ctx, org, ref))(s)
		}
		missing(s.ChannelPeer(s.ctx, "none", a))(s)

		ids := func(of ...string) (found []string) {
			s.Helper()
			for _, one := range must(s.Addressees(s.ctx, org, of))(s) {
				found = append(found, one.ID)
			}
			slices.Sort(found)
			return found
		}
		same(s, "several", ids(b, a, foreign, "none"), []string{a, b})
		same(s, "one", ids(b), []string{b})
		same(s, "a foreign one", len(ids(foreign)), 0)
		same(s, "none", len(ids()), 0)

		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, b, "session", 5); return err })
		missing(s.ChannelPeer(s.ctx, channel, a))(s)
	}},
	{"streams of bots on several nodes", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		streaming := func(bot string) bool { s.Helper(); return must(s.Addressee(s.ctx, org, bot))(s).Streaming }
		inChange := func(bot string) (is bool) {
			s.Helper()
			s.update(org, func(tx store.Tx) error {
				found, err := tx.Addressee(s.ctx, org, bot)
				is = err == nil && found.Streaming
				return err
			})
			return is
		}
		equal(s, "without a stream", inChange(a), false)
		s.renew("n1", 10)
		s.renew("n2", 20)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.AddStreaming(s.ctx, a, "n1"), tx.AddStreaming(s.ctx, a, "n1"), tx.AddStreaming(s.ctx, a, "n2"), tx.AddStreaming(s.ctx, b, "n1"))
		})
		equal(s, "on two nodes", streaming(a), true)
		equal(s, "seen by a later change", inChange(a), true)
		s.update("", func(tx store.Tx) error { return tx.EndNodes(s.ctx, 10) })
		equal(s, "on the other node", streaming(a), true)
		equal(s, "ended with its node", streaming(b), false)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.RemoveStreaming(s.ctx, a, "n2"), tx.RemoveStreaming(s.ctx, a, "n2"), tx.RemoveStreaming(s.ctx, a, "unknown"))
		})
		equal(s, "removed", streaming(a), false)
		equal(s, "removed, in a change", inChange(a), false)
	}},
	{"participants that are not active", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.JoinStatus = store.BotPending }), s.bot(org, "c", func(b *store.Bot) { b.JoinStatus = store.BotRejected })
		thread := s.thread(org, "t", 1, c, a, b).ID
		same(s, "two of three", must(s.InactiveParticipants(s.ctx, thread, 9))(s), []string{b, c})
		same(s, "the first", must(s.InactiveParticipants(s.ctx, thread, 1))(s), []string{b})
		same(s, "none", len(must(s.InactiveParticipants(s.ctx, thread, 0))(s)), 0)
		same(s, "of no thread", len(must(s.InactiveParticipants(s.ctx, "none", 9))(s)), 0)
	}},
	{"degraded webhooks", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		put := func(bot string, degraded bool) {
			s.update(org, func(tx store.Tx) error {
				return tx.PutWebhookStatus(s.ctx, &store.WebhookStatus{BotID: bot, Degraded: degraded})
			})
		}
		degraded := func() (found []string) {
			s.Helper()
			s.update(org, func(tx store.Tx) (err error) {
				found, err = tx.DegradedWebhooks(s.ctx, []string{a, b, "none"})
				return err
			})
			return found
		}
		put(a, false)
		put(b, true)
		put(c, true)
		same(s, "of two", degraded(), []string{b})
		put(b, false)
		same(s, "after it ended", len(degraded()), 0)
		same(s, "of none", len(must(s.DegradedWebhooks(s.ctx, nil))(s)), 0)
	}},
	{"what an org knows by a name", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.JoinStatus = store.BotPending })
		gone := s.bot(org, "gone")
		s.bot(other, "foreign")
		thread, second := s.thread(org, "t", 1, a, b), s.thread(org, "u", 1, a, b)
		s.append(org, "x")
		s.update(org, func(tx store.Tx) error {
			_, err := tx.DeleteBot(s.ctx, org, gone, "session", 5)
			return errorsOf(err, tx.RemoveParticipant(s.ctx, thread.ID, a))
		})
		named := func(of string, names ...string) []store.NamedBot {
			s.Helper()
			found := must(s.NamedBots(s.ctx, org, of, names))(s)
			slices.SortFunc(found, func(x, y store.NamedBot) int { return strings.Compare(x.Name, y.Name) })
			return found
		}
		same(s, "all", named(thread.ID, "a", "b", "gone", "foreign", "none", "A"), []store.NamedBot{
			{ID: a, Name: "a", JoinStatus: store.BotActive, Left: true}, {ID: b, Name: "b", JoinStatus: store.BotPending}, {Name: "gone"},
		})
		same(s, "in another thread", named(second.ID, "a"), []store.NamedBot{{ID: a, Name: "a", JoinStatus: store.BotActive}})
		same(s, "no name", len(named(thread.ID)), 0)
	}},
}
