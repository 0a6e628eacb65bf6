package storetest

import (
	"slices"

	"github.com/b2b-protocol/b2b/internal/store"
)

var receiptTests = []test{
	{"where a message is in the log", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		thread, channel := s.thread(org, "t", 1, a, b).ID, s.channel(org, a, b, 1)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(
				tx.InsertThreadMessage(s.ctx, &store.ThreadMessage{ID: "in-thread", ThreadID: thread, SenderID: &a, ContentType: "text", EventSeq: new(int64(7))}),
				tx.InsertThreadMessage(s.ctx, &store.ThreadMessage{ID: "imported", ThreadID: thread, SenderID: &a, ContentType: "text"}),
				tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{ID: "direct", ChannelID: channel, SenderID: a, ContentType: "text", EventSeq: new(int64(9))}))
		})
		for _, want := range []store.SentMessage{
			{ID: "in-thread", Kind: store.MemberOfThread, ScopeID: thread, Seq: 7}, {ID: "imported", Kind: store.MemberOfThread, ScopeID: thread},
			{ID: "direct", Kind: store.MemberOfChannel, ScopeID: channel, Seq: 9},
		} {
			same(s, want.ID, *must(s.SentMessage(s.ctx, org, want.ID))(s), want)
			missing(s.SentMessage(s.ctx, other, want.ID))(s)
		}
		missing(s.SentMessage(s.ctx, org, "none"))(s)
	}},
	{"inboxes and deliveries of several bots", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		s.update(org, func(tx store.Tx) error {
			return errorsOf(
				tx.OpenInbox(s.ctx, &store.Inbox{BotID: a, OrgID: org, OpenedSeq: 3}), tx.OpenInbox(s.ctx, &store.Inbox{BotID: b, OrgID: org, OpenedSeq: 4}),
				tx.AddDelivery(s.ctx, &store.Delivery{BotID: a, Seq: 5, OrgID: org, State: store.DeliveryQueued}),
				tx.AddDelivery(s.ctx, &store.Delivery{BotID: a, Seq: 6, OrgID: org, State: store.DeliveryQueued}),
				tx.AddDelivery(s.ctx, &store.Delivery{BotID: b, Seq: 5, OrgID: org, State: store.DeliveryDead}))
		})
		opened, states := map[string]int64{}, map[string]store.DeliveryState{}
		for _, box := range must(s.InboxesOf(s.ctx, []string{a, b, c, "none"}))(s) {
			opened[box.BotID] = box.OpenedSeq
		}
		for _, d := range must(s.DeliveriesAt(s.ctx, 5, []string{a, b, c}))(s) {
			states[d.BotID] = d.State
		}
		same(s, "inboxes", opened, map[string]int64{a: 3, b: 4})
		same(s, "deliveries", states, map[string]store.DeliveryState{a: store.DeliveryQueued, b: store.DeliveryDead})
		same(s, "of one bot", len(must(s.DeliveriesAt(s.ctx, 6, []string{b, a}))(s)), 1)
		same(s, "of nobody", slices.Concat(must(s.DeliveriesAt(s.ctx, 5, nil))(s)), []store.Delivery(nil))
		same(s, "no inboxes", len(must(s.InboxesOf(s.ctx, nil))(s)), 0)
	}},
}
