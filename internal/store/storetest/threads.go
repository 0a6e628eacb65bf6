package storetest

import (
	"github.com/b2b-protocol/b2b/internal/store"
)

func threadID(t store.ThreadRow) string { return t.ID }

var threadTests = []test{
	{"create, read, update", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch := s.channel(org, a, b, 1)
		t := s.newThread(org, awkward, 5)
		t.Tags, t.InitiatorID, t.ChannelID, t.Context, t.PermissionPolicy = ptr("[]"), &a, &ch, ptr(awkward), ptr(`{"write":[]}`)
		s.update(org, func(tx store.Tx) error {
			return tx.CreateThread(s.ctx, t, []store.Participant{{BotID: a, JoinedAt: 5}, {BotID: b, JoinedAt: 5, Label: ptr("lead")}})
		})
		same(s, "thread", must(s.Thread(s.ctx, org, t.ID))(s), t)
		missing(s.Thread(s.ctx, other, t.ID))(s)
		missing(s.Thread(s.ctx, org, "x"))(s)
		equal(s, "participants", must(s.CountParticipants(s.ctx, t.ID))(s), 2)

		t.Topic, t.Status, t.Context, t.CloseReason, t.PermissionPolicy = "new", "closed", nil, ptr("error"), nil
		t.Visibility, t.JoinPolicy, t.Revision, t.UpdatedAt, t.LastActivityAt, t.ResolvedAt = "private", "invite_only", 4, 6, 7, ptr(int64(8))
		t.TurnLimit = ptr(int64(0))
		s.update(org, func(tx store.Tx) error { return tx.UpdateThread(s.ctx, t, 1) })
		same(s, "updated", must(s.Thread(s.ctx, org, t.ID))(s), t)
		s.refused(org, store.ErrStale, func(tx store.Tx) error { return tx.UpdateThread(s.ctx, t, 1) })
		s.refused(org, store.ErrStale, func(tx store.Tx) error {
			return tx.UpdateThread(s.ctx, &store.Thread{ID: "x", Status: "active", Visibility: "public", JoinPolicy: "open"}, 1)
		})

		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.CountTurn(s.ctx, t.ID, 90), tx.ResetTurns(s.ctx, t.ID, 80), tx.CountTurn(s.ctx, "x", 80), tx.ResetTurns(s.ctx, "x", 80))
		})
		t.LastActivityAt = 90
		same(s, "touched", must(s.Thread(s.ctx, org, t.ID))(s), t)
		s.refused(org, store.ConflictID, func(tx store.Tx) error { return tx.CreateThread(s.ctx, t, nil) })
	}},
	{"lists", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		s.thread(other, "foreign", 9, s.bot(other, "x"))
		hide := func(t *store.Thread, visibility string) {
			s.update(org, func(tx store.Tx) error {
				t.Visibility, t.Revision = visibility, 2
				return tx.UpdateThread(s.ctx, t, 1)
			})
		}
		mine := s.thread(org, "Mine 100%", 10, a, b)
		secret := s.thread(org, "secret of b", 11, b)
		hide(secret, "private")
		public := s.thread(org, "public of b", 12, b)
		hidden := s.thread(org, "hidden but joined", 13, b, a)
		hide(hidden, "members")
		done := s.thread(org, "done", 14, b)
		s.update(org, func(tx store.Tx) error {
			done.Status, done.Revision = "resolved", 2
			return tx.UpdateThread(s.ctx, done, 1)
		})
		for _, c := range []struct {
			what string
			q    store.ThreadQuery
			want []string
		}{
			{"joined", store.ThreadQuery{}, []string{hidden.ID, mine.ID}},
			{"discovered", store.ThreadQuery{Scope: store.ThreadsDiscovered}, []string{done.ID, hidden.ID, public.ID, mine.ID}},
			{"discovered, limited after filtering", store.ThreadQuery{Scope: store.ThreadsDiscovered, Limit: 3, Before: &store.PageKey{At: 14, ID: done.ID}}, []string{hidden.ID, public.ID, mine.ID}},
			{"all", store.ThreadQuery{Scope: store.ThreadsAll}, []string{done.ID, hidden.ID, public.ID, secret.ID, mine.ID}},
			{"all, offset", store.ThreadQuery{Scope: store.ThreadsAll, Offset: 1, Limit: 2}, []string{hidden.ID, public.ID}},
			{"status", store.ThreadQuery{Scope: store.ThreadsAll, Status: "resolved"}, []string{done.ID}},
			{"search", store.ThreadQuery{Scope: store.ThreadsAll, Search: "OF B"}, []string{public.ID, secret.ID}},
			{"percent", store.ThreadQuery{Scope: store.ThreadsAll, Search: "%"}, []string{mine.ID}},
			{"underscore", store.ThreadQuery{Scope: store.ThreadsAll, Search: "_"}, []string{}},
			{"search and status", store.ThreadQuery{Scope: store.ThreadsDiscovered, Search: "o", Status: "active"}, []string{hidden.ID, public.ID}},
			{"before a time", store.ThreadQuery{Scope: store.ThreadsAll, Before: &store.PageKey{At: 12}}, []string{secret.ID, mine.ID}},
		} {
			c.q.OrgID, c.q.BotID = org, a
			if c.q.Limit == 0 {
				c.q.Limit = 100
			}
			same(s, c.what, keys(must(s.Threads(s.ctx, c.q))(s), threadID), c.want)
		}
		rows := must(s.Threads(s.ctx, store.ThreadQuery{OrgID: org, BotID: a, Scope: store.ThreadsDiscovered, Limit: 10}))(s)
		same(s, "done", []any{rows[0].IsParticipant, rows[0].ParticipantCount}, []any{false, 1})
		same(s, "hidden", []any{rows[1].IsParticipant, rows[1].ParticipantCount}, []any{true, 2})
		same(s, "a viewer who is nobody", must(s.Threads(s.ctx, store.ThreadQuery{OrgID: org, Scope: store.ThreadsAll, Limit: 1}))(s)[0].IsParticipant, false)
	}},
	{"pages with ties", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		var want []string
		for range 5 {
			want = append([]string{s.thread(org, "t", 10, a).ID}, want...)
		}
		for _, scope := range []store.ThreadScope{store.ThreadsJoined, store.ThreadsDiscovered, store.ThreadsAll} {
			var got []string
			q := store.ThreadQuery{OrgID: org, BotID: a, Scope: scope, Limit: 2}
			for {
				page := must(s.Threads(s.ctx, q))(s)
				if len(page) == 0 {
					break
				}
				got = append(got, keys(page, threadID)...)
				last := page[len(page)-1]
				q.Before = &store.PageKey{At: last.LastActivityAt, ID: last.ID}
			}
			same(s, "pages", got, want)
		}
	}},
}

var participantTests = []test{
	{"add, label, remove", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.Online = true })
		t := s.thread(org, "t", 1, a)
		missing(s.Participant(s.ctx, t.ID, b))(s)
		s.append(org, "one")
		p := &store.Participant{ThreadID: t.ID, BotID: b, Label: ptr(""), JoinedAt: 9}
		s.update(org, func(tx store.Tx) error { return tx.AddParticipant(s.ctx, p) })
		equal(s, "joined seq", p.JoinedSeq, 2)
		same(s, "participant", must(s.Participant(s.ctx, t.ID, b))(s), p)
		s.refused(org, store.ConflictParticipant, func(tx store.Tx) error { return tx.AddParticipant(s.ctx, p) })
		s.refused(org, store.ConflictReference, func(tx store.Tx) error {
			return tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: "nobody"})
		})
		s.update(org, func(tx store.Tx) error { return tx.SetParticipantLabel(s.ctx, t.ID, b, ptr("lead")) })
		rows := must(s.Participants(s.ctx, t.ID, 10))(s)
		same(s, "names", keys(rows, func(p store.ParticipantRow) string { return p.Name }), []string{"a", "b"})
		same(s, "second", []any{*rows[1].Label, rows[1].Online, rows[1].JoinedAt}, []any{"lead", true, 9})
		s.update(org, func(tx store.Tx) error { return tx.RemoveParticipant(s.ctx, t.ID, b) })
		missing(s.Participant(s.ctx, t.ID, b))(s)
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { return tx.RemoveParticipant(s.ctx, t.ID, b) })
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { return tx.SetParticipantLabel(s.ctx, t.ID, b, nil) })
		equal(s, "left", must(s.CountParticipants(s.ctx, t.ID))(s), 1)
	}},
	{"of several threads", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		one, two, three := s.thread(org, "1", 1, a, b), s.thread(org, "2", 1, b), s.thread(org, "3", 1, a)
		rows := must(s.ParticipantsOf(s.ctx, []string{two.ID, one.ID, "x"}, 10))(s)
		same(s, "rows", keys(rows, func(p store.ParticipantRow) string { return p.ThreadID + p.Name }),
			[]string{one.ID + "a", one.ID + "b", two.ID + "b"})
		rows = must(s.ParticipantsOf(s.ctx, []string{two.ID, one.ID}, 1))(s)
		same(s, "the first of each", keys(rows, func(p store.ParticipantRow) string { return p.ThreadID + p.Name }), []string{one.ID + "a", two.ID + "b"})
		equal(s, "the first", len(must(s.Participants(s.ctx, one.ID, 1))(s)), 1)
		equal(s, "none", len(must(s.ParticipantsOf(s.ctx, nil, 10))(s)), 0)
		equal(s, "third", len(must(s.Participants(s.ctx, three.ID, 10))(s)), 1)
	}},
	{"intervals", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t := s.thread(org, "t", 1, a)
		s.append(org, "1")
		s.update(org, func(tx store.Tx) error { return tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: b}) })
		s.append(org, "2")
		s.append(org, "3")
		s.update(org, func(tx store.Tx) error { // leaves between two events of one change
			if _, err := tx.Append(s.ctx, store.Event{Type: "4"}); err != nil {
				return err
			}
			if err := tx.RemoveParticipant(s.ctx, t.ID, b); err != nil {
				return err
			}
			_, err := tx.Append(s.ctx, store.Event{Type: "5"})
			return err
		})
		s.update(org, func(tx store.Tx) error { // joins and leaves with nothing between
			return errorsOf(tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: b}), tx.RemoveParticipant(s.ctx, t.ID, b))
		})
		s.update(org, func(tx store.Tx) error { return tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: b}) })
		ch := s.channel(org, a, b, 1)
		same(s, "memberships", must(s.Memberships(s.ctx, b))(s), []store.Membership{
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: b, JoinedSeq: 2, LeftSeq: ptr(int64(4))},
			{Kind: store.MemberOfChannel, ScopeID: ch, BotID: b, JoinedSeq: 6},
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: b, JoinedSeq: 6},
		})
		same(s, "of the thread", must(s.MembershipsOf(s.ctx, store.MemberOfThread, t.ID))(s), []store.Membership{
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: a, JoinedSeq: 1},
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: b, JoinedSeq: 2, LeftSeq: ptr(int64(4))},
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: b, JoinedSeq: 6},
		})
		same(s, "of the channel", must(s.MembershipsOf(s.ctx, store.MemberOfChannel, ch))(s), []store.Membership{
			{Kind: store.MemberOfChannel, ScopeID: ch, BotID: a, JoinedSeq: 6},
			{Kind: store.MemberOfChannel, ScopeID: ch, BotID: b, JoinedSeq: 6},
		})
		equal(s, "of another kind", len(must(s.MembershipsOf(s.ctx, store.MemberOfChannel, t.ID))(s)), 0)
	}},
}

var joinRequestTests = []test{
	{"one pending for each bot", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		t, other := s.thread(org, "t", 1, a), s.thread(org, "o", 1, a)
		ask := func(id, thread, bot string, at int64) func(store.Tx) error {
			return func(tx store.Tx) error {
				return tx.CreateJoinRequest(s.ctx, &store.JoinRequest{ID: id, ThreadID: thread, BotID: bot, Status: store.JoinPending, RequestedAt: at})
			}
		}
		s.update(org, ask("r1", t.ID, b, 9))
		s.update(org, ask("r2", t.ID, c, 8))
		s.update(org, ask("r3", other.ID, b, 7))
		s.refused(org, store.ConflictJoinRequest, ask("r4", t.ID, b, 9))
		want := &store.JoinRequest{ID: "r1", ThreadID: t.ID, BotID: b, Status: store.JoinPending, RequestedAt: 9}
		same(s, "pending", must(s.PendingJoinRequest(s.ctx, t.ID, b))(s), want)
		same(s, "by id", must(s.JoinRequest(s.ctx, t.ID, "r1"))(s), want)
		missing(s.JoinRequest(s.ctx, other.ID, "r1"))(s)
		missing(s.PendingJoinRequest(s.ctx, t.ID, a))(s)
		rows := must(s.PendingJoinRequests(s.ctx, t.ID, 50))(s)
		same(s, "list", keys(rows, func(r store.JoinRequestRow) string { return r.ID + *r.BotName }), []string{"r2c", "r1b"})
		equal(s, "limited", len(must(s.PendingJoinRequests(s.ctx, t.ID, 1))(s)), 1)

		s.update(org, func(tx store.Tx) error { return tx.ResolveJoinRequest(s.ctx, "r1", store.JoinApproved, 20, &a) })
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { return tx.ResolveJoinRequest(s.ctx, "r1", store.JoinRejected, 21, &a) })
		done := must(s.JoinRequest(s.ctx, t.ID, "r1"))(s)
		same(s, "resolved", []any{done.Status, *done.ResolvedAt, *done.ResolvedBy}, []any{store.JoinApproved, 20, a})
		s.update(org, ask("r5", t.ID, b, 30)) // may ask again
		s.update(org, func(tx store.Tx) error {
			n, err := tx.RejectJoinRequests(s.ctx, t.ID, 40, nil)
			equal(s, "rejected", n, 2)
			return err
		})
		equal(s, "pending left", len(must(s.PendingJoinRequests(s.ctx, t.ID, 50))(s)), 0)
		equal(s, "the other thread", len(must(s.PendingJoinRequests(s.ctx, other.ID, 50))(s)), 1)
		equal(s, "approved stays", must(s.JoinRequest(s.ctx, t.ID, "r1"))(s).Status, store.JoinApproved)
	}},
}
