package storetest

import (
	"cmp"
	"fmt"
	"github.com/b2b-protocol/b2b/internal/store"
	"math"
	"math/rand/v2"
	"slices"
)

func dmID(m store.ChannelMessageRow) string { return m.ID }

var channelTests = []test{
	{"one for each pair", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		missing(s.DirectChannelOf(s.ctx, org, a, b))(s)
		s.append(org, "before")
		id := s.channel(org, a, b, 7)
		want := &store.Channel{ID: id, OrgID: org, Type: store.ChannelDirect, CreatedAt: 7}
		same(s, "by id", must(s.Channel(s.ctx, id))(s), want)
		same(s, "by pair", must(s.DirectChannelOf(s.ctx, org, a, b))(s), want)
		same(s, "by reversed pair", must(s.DirectChannelOf(s.ctx, org, b, a))(s), want)
		missing(s.DirectChannelOf(s.ctx, org, a, c))(s)
		missing(s.DirectChannelOf(s.ctx, "other", a, b))(s)
		missing(s.Channel(s.ctx, "x"))(s)
		s.refused(org, store.ConflictChannel, func(tx store.Tx) error {
			return tx.CreateChannel(s.ctx, &store.Channel{ID: "new", OrgID: org, Type: "direct"}, b, a)
		})
		same(s, "members", must(s.ChannelMembers(s.ctx, id))(s), []store.ChannelMember{
			{ChannelID: id, BotID: a, Name: "a", JoinedAt: 7, JoinedSeq: 2}, {ChannelID: id, BotID: b, Name: "b", JoinedAt: 7, JoinedSeq: 2},
		})
		equal(s, "a is a member", must(s.IsChannelMember(s.ctx, id, a))(s), true)
		equal(s, "c is a member", must(s.IsChannelMember(s.ctx, id, c))(s), false)
	}},
	{"list of a bot", func(s *suite) {
		org := s.org()
		a, b, c, d := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.Online, b.Bio = true, ptr("bio") }), s.bot(org, "c"), s.bot(org, "d")
		ab, ac, ad := s.channel(org, a, b, 1), s.channel(org, a, c, 5), s.channel(org, d, a, 5)
		s.channel(org, b, c, 9)
		s.say(org, ab, a, "first", 8)
		last := s.say(org, ab, b, "last", 8)
		all := must(s.ChannelsOf(s.ctx, a, nil, 10))(s)
		same(s, "order", keys(all, func(c store.ChannelActivity) string { return c.ID }), []string{ab, ad, ac})
		equal(s, "activity", all[0].LastActivityAt, 8)
		equal(s, "activity without messages", all[1].LastActivityAt, 5)
		same(s, "members", keys(all[1].Members, func(m store.ChannelMember) string { return m.Name }), []string{"a", "d"})
		equal(s, "limited", len(must(s.ChannelsOf(s.ctx, a, nil, 1))(s)), 1)
		behind := &store.PageKey{At: all[0].LastActivityAt, ID: all[0].ID}
		same(s, "behind the first", must(s.ChannelsOf(s.ctx, a, behind, 10))(s), all[1:])

		id := func(c store.DirectChannel) string { return c.ID }
		first := must(s.DirectChannelsOf(s.ctx, a, nil, 2))(s)
		same(s, "first page", keys(first, id), []string{ab, ad})
		same(s, "second page", keys(must(s.DirectChannelsOf(s.ctx, a, &store.PageKey{At: first[1].LastActivityAt, ID: ad}, 2))(s), id), []string{ac})
		same(s, "counterpart", first[0].Counterpart, &store.Counterpart{ID: b, Name: "b", Online: true, Bio: ptr("bio")})
		equal(s, "last message", first[0].LastMessage.ID, last)
		equal(s, "its sender", *first[0].LastMessage.SenderName, "b")
		if first[1].LastMessage != nil {
			s.Fatal("a channel without messages has a last one")
		}
	}},
	{"messages come back as sent", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch := s.channel(org, a, b, 1)
		m := &store.ChannelMessage{ID: "m", ChannelID: ch, SenderID: a, Content: awkward, ContentType: "", Parts: ptr(`[{"type":"json","content":{"b":1,"a":9007199254740993}}]`), CreatedAt: 3, Marks: store.Marks{Automatic: true}}
		s.update(org, func(tx store.Tx) error { return tx.InsertChannelMessage(s.ctx, m) })
		same(s, "message", must(s.ChannelMessages(s.ctx, ch, store.MessageRange{Limit: 1}))(s), []store.ChannelMessageRow{{ChannelMessage: *m, SenderName: ptr("a")}})
		s.update(org, func(tx store.Tx) error {
			return tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{ID: "n", ChannelID: ch, SenderID: a, CreatedAt: 4, Marks: store.Marks{NoReply: true}})
		})
		inbox := must(s.Inbox(s.ctx, b, 0, nil, 9))(s)
		same(s, "marks in the inbox", []store.Marks{inbox[0].Marks, inbox[1].Marks}, []store.Marks{m.Marks, {NoReply: true}})
		s.refused(org, store.ConflictID, func(tx store.Tx) error { return tx.InsertChannelMessage(s.ctx, m) })
		s.refused(org, store.ConflictReference, func(tx store.Tx) error {
			return tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{ID: "x", ChannelID: "nowhere"})
		})
	}},
	{"ranges and pages", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch, other := s.channel(org, a, b, 1), s.channel(org, a, s.bot(org, "c"), 1)
		var m, elsewhere []string
		for _, at := range []int64{10, 20, 20, 20, 30} {
			m = append(m, s.say(org, ch, a, "x", at))
			elsewhere = append(elsewhere, s.say(org, other, a, "y", at))
		}
		get := func(r store.MessageRange) []string {
			return keys(must(s.ChannelMessages(s.ctx, ch, r))(s), dmID)
		}
		same(s, "all", get(store.MessageRange{Limit: 10}), m)
		same(s, "newest", get(store.MessageRange{Limit: 2}), m[3:])
		same(s, "before", get(store.MessageRange{Before: ptr(int64(20)), Limit: 10}), m[:1])
		same(s, "since", get(store.MessageRange{Since: ptr(int64(20)), Limit: 10}), m[4:])
		same(s, "between", get(store.MessageRange{Since: ptr(int64(10)), Before: ptr(int64(30)), Limit: 2}), m[2:4])
		same(s, "limit 0", get(store.MessageRange{}), []string{})

		var got []string
		cursor := ""
		for {
			page := must(s.ChannelHistory(s.ctx, ch, cursor, 2))(s)
			if len(page) == 0 {
				break
			}
			got = append(got, keys(page, dmID)...)
			cursor = page[len(page)-1].ID
		}
		same(s, "history", got, []string{m[4], m[3], m[2], m[1], m[0]})
		same(s, "unknown cursor", keys(must(s.ChannelHistory(s.ctx, ch, "unknown", 2))(s), dmID), []string{m[4], m[3]})
		same(s, "cursor of another channel", keys(must(s.ChannelHistory(s.ctx, ch, elsewhere[1], 2))(s), dmID), []string{m[4], m[3]})
	}},
	{"inbox", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		ab, ac, bc := s.channel(org, a, b, 1), s.channel(org, a, c, 1), s.channel(org, b, c, 1)
		s.say(org, ab, b, "too old", 10)
		two := s.say(org, ac, c, "two", 12)
		one := s.say(org, ab, b, "one", 11)
		s.say(org, ab, a, "own", 13)
		s.say(org, bc, b, "not mine", 14)
		rows := must(s.Inbox(s.ctx, a, 10, nil, 100))(s)
		same(s, "inbox", keys(rows, dmID), []string{one, two})
		equal(s, "sender", *rows[0].SenderName, "b")
		equal(s, "limited", len(must(s.Inbox(s.ctx, a, 10, nil, 1))(s)), 1)
	}},
	{"pages of the inbox", func(s *suite) {
		// In many channels, with equal times within a channel and between them, and own messages.
		org := s.org()
		me := s.bot(org, "me")
		type message struct {
			at int64
			id string
		}
		var all []message
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 9 {
			other := s.bot(org, fmt.Sprint("other", i))
			ch := s.channel(org, me, other, 1)
			for range random.IntN(12) {
				at := 10 + random.Int64N(20)
				if random.IntN(3) == 0 {
					s.say(org, ch, me, "own", at)
				} else {
					all = append(all, message{at, s.say(org, ch, other, "hello", at)})
				}
			}
		}
		slices.SortFunc(all, func(a, b message) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
		for _, since := range []int64{0, 15, 29} {
			want := []string{}
			for _, m := range all {
				if m.at > since {
					want = append(want, m.id)
				}
			}
			for _, size := range []int{1, 2, 3, 5, 9, 100} {
				got := []string{}
				for after := (*store.PageKey)(nil); ; {
					page := must(s.Inbox(s.ctx, me, since, after, size))(s)
					got = append(got, keys(page, dmID)...)
					if len(page) < size {
						break
					}
					last := page[len(page)-1]
					after = &store.PageKey{At: last.CreatedAt, ID: last.ID}
				}
				same(s, fmt.Sprintf("since %d, pages of %d", since, size), got, want)
			}
		}
		equal(s, "since the end of time", len(must(s.Inbox(s.ctx, me, math.MaxInt64, nil, 5))(s)), 0)
	}},
}
