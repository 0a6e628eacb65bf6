package storetest

import (
	"github.com/b2b-protocol/b2b/internal/store"
)

func botName(b store.Bot) string { return b.Name }

var botTests = []test{
	{"create and find", func(s *suite) {
		org, other := s.org(), s.org()
		b := &store.Bot{
			ID: "b1", OrgID: org, Name: "Scout", TokenHash: "h", AuthRole: store.AuthAdmin, Metadata: ptr(`{"a":9007199254740993}`),
			SealedURL: ptr("sealed"), SealedSecret: ptr(""), Bio: ptr(awkward), Role: ptr("r"), Function: ptr("f"), Team: ptr("t"),
			Tags: ptr(`["x"]`), Languages: ptr(`[]`), Protocols: ptr(`{}`), StatusText: ptr("s"), Timezone: ptr("z"), ActiveHours: ptr("h"),
			Version: ptr(""), Runtime: ptr("go"), Online: true, LastSeenAt: ptr(int64(1)), CreatedAt: 2, JoinStatus: store.BotPending,
			JoinStatusChangedBy: ptr("bot:x"), JoinStatusChangedAt: ptr(int64(3)), JoinStatusReason: ptr("why"),
		}
		s.update(org, func(tx store.Tx) error { return tx.CreateBot(s.ctx, b) })
		same(s, "by id", must(s.Bot(s.ctx, org, "b1"))(s), b)
		same(s, "by name", must(s.BotByName(s.ctx, org, "Scout"))(s), b)
		same(s, "by token", must(s.BotByTokenHash(s.ctx, "h"))(s), b)
		missing(s.Bot(s.ctx, other, "b1"))(s)
		missing(s.BotByName(s.ctx, org, "scout"))(s)
		missing(s.BotByName(s.ctx, other, "Scout"))(s)
		missing(s.BotByTokenHash(s.ctx, "H"))(s)
	}},
	{"conflicts", func(s *suite) {
		org, other := s.org(), s.org()
		s.bot(org, "Scout")
		b := s.newBot(org, "Scout")
		s.refused(org, store.ConflictName, func(tx store.Tx) error { return tx.CreateBot(s.ctx, b) })
		s.refused(org, store.ErrConflict, func(tx store.Tx) error { return tx.CreateBot(s.ctx, b) })
		s.bot(org, "scout") // another case is another name
		s.bot(other, "Scout")
		taken := s.newBot(org, "new")
		taken.TokenHash = must(s.BotByName(s.ctx, org, "Scout"))(s).TokenHash
		s.refused(org, store.ConflictToken, func(tx store.Tx) error { return tx.CreateBot(s.ctx, taken) })
		s.refused(org, store.ConflictReference, func(tx store.Tx) error { return tx.CreateBot(s.ctx, s.newBot("nowhere", "x")) })
	}},
	{"a conflict that fn hides still fails", func(s *suite) {
		org := s.org()
		s.bot(org, "a")
		s.refused(org, store.ConflictName, func(tx store.Tx) error {
			if _, err := tx.Append(s.ctx, store.Event{Type: "e"}); err != nil {
				return err
			}
			_ = tx.CreateBot(s.ctx, s.newBot(org, "a"))
			return nil
		})
		equal(s, "events", must(s.LogTop(s.ctx, org))(s).Seq, 0)
	}},
	{"resolve", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.bot(org, "a")
		named := s.bot(org, a+"x")
		foreign := s.bot(other, "foreign")
		equal(s, "by id", must(s.ResolveBot(s.ctx, org, a))(s).ID, a)
		equal(s, "by name", must(s.ResolveBot(s.ctx, org, a+"x"))(s).ID, named)
		missing(s.ResolveBot(s.ctx, org, foreign))(s)
		missing(s.ResolveBot(s.ctx, org, "foreign"))(s)
		missing(s.ResolveBot(s.ctx, org, "A"))(s)
		equal(s, "id by id", must(s.BotID(s.ctx, org, a))(s), a)
		equal(s, "id by name", must(s.BotID(s.ctx, org, a+"x"))(s), named)
		missing(s.BotID(s.ctx, org, foreign))(s)
		missing(s.BotID(s.ctx, org, "foreign"))(s)
		missing(s.BotID(s.ctx, org, "A"))(s)
		// An imported bot that is named like an id is reached by its own id alone.
		for _, name := range []string{"0198c1de-7a3b-7c11-9f00-5d1e0a6b2c3f", "0198C1DE7A3B7C119F005D1E0A6B2C3F"} {
			b := s.bot(org, name)
			missing(s.ResolveBot(s.ctx, org, name))(s)
			missing(s.BotID(s.ctx, org, name))(s)
			equal(s, "the same bot by its id", must(s.BotID(s.ctx, org, b))(s), b)
			equal(s, "the same bot by its name", must(s.BotByName(s.ctx, org, name))(s).ID, b)
		}
		equal(s, "several", len(must(s.BotsByID(s.ctx, org, []string{a, named, foreign, "x", awkward}))(s)), 2)
		equal(s, "none", len(must(s.BotsByID(s.ctx, org, nil))(s)), 0)
	}},
	{"filters", func(s *suite) {
		org, other := s.org(), s.org()
		s.bot(other, "foreign")
		b := s.bot(org, "b", func(b *store.Bot) { b.Role, b.Tags, b.Online = ptr("Reviewer"), ptr(`["Ops","x"]`), true })
		s.bot(org, "B", func(b *store.Bot) { b.Bio, b.StatusText = ptr("100% Sure"), ptr("Busy") })
		s.bot(org, "a_c", func(b *store.Bot) { b.Function, b.JoinStatus = ptr("re_view"), store.BotPending })
		s.bot(org, "a-d", func(b *store.Bot) { b.Tags = ptr(`["opsx"]`) })
		for _, c := range []struct {
			what string
			q    store.BotQuery
			want []string
		}{
			{"all in byte order", store.BotQuery{}, []string{"B", "a-d", "a_c", "b"}},
			{"active", store.BotQuery{ActiveOnly: true}, []string{"B", "a-d", "b"}},
			{"peers", store.BotQuery{ExceptID: b}, []string{"B", "a-d", "a_c"}},
			{"role", store.BotQuery{Role: "reviewER"}, []string{"b"}},
			{"part of a role", store.BotQuery{Role: "review"}, []string{}},
			{"tag", store.BotQuery{Tag: "OPS"}, []string{"b"}},
			{"no tag", store.BotQuery{Tag: "op"}, []string{}},
			{"online", store.BotQuery{Status: "online"}, []string{"b"}},
			{"offline", store.BotQuery{Status: "Offline"}, []string{"B", "a-d", "a_c"}},
			{"status text", store.BotQuery{Status: "busy"}, []string{"B"}},
			{"text in role", store.BotQuery{Text: "VIEWER"}, []string{"b"}},
			{"percent is no wildcard", store.BotQuery{Text: "%"}, []string{"B"}},
			{"underscore is no wildcard", store.BotQuery{Text: "re_v"}, []string{"a_c"}},
			{"backslash", store.BotQuery{Text: `\`}, []string{}},
			{"together", store.BotQuery{Status: "online", Tag: "x", Text: "rev"}, []string{"b"}},
			{"after", store.BotQuery{AfterName: "a-d"}, []string{"a_c", "b"}},
			{"limited", store.BotQuery{Limit: 2}, []string{"B", "a-d"}},
			{"tag limited", store.BotQuery{Tag: "ops", Limit: -1}, []string{}},
		} {
			c.q.OrgID = org
			if c.q.Limit == 0 {
				c.q.Limit = 100
			}
			same(s, c.what, keys(must(s.Bots(s.ctx, c.q))(s), botName), c.want)
		}
	}},
	{"pages by id", func(s *suite) {
		org, other := s.org(), s.org()
		s.bot(other, "x1")
		for _, n := range []string{"x1", "y_2", "X3", "z", "yA2"} {
			s.bot(org, n)
		}
		first := must(s.BotsPage(s.ctx, org, "", "", 3))(s)
		same(s, "first", keys(first, botName), []string{"x1", "y_2", "X3"})
		same(s, "rest", keys(must(s.BotsPage(s.ctx, org, "", first[2].ID, 3))(s), botName), []string{"z", "yA2"})
		same(s, "search", keys(must(s.BotsPage(s.ctx, org, "x", "", 3))(s), botName), []string{"x1", "X3"})
		same(s, "underscore", keys(must(s.BotsPage(s.ctx, org, "Y_", "", 3))(s), botName), []string{"y_2"})
		equal(s, "count", must(s.CountBots(s.ctx, org))(s), 5)
	}},
	{"profile", func(s *suite) {
		org := s.org()
		id := s.bot(org, "a", func(b *store.Bot) { b.Bio, b.Team = ptr("old"), ptr("kept") })
		b := must(s.Bot(s.ctx, org, id))(s)
		b.Bio, b.Team, b.Tags, b.Version = nil, ptr("ignored"), ptr(`["`+"ü"+`"]`), ptr(awkward)
		s.update(org, func(tx store.Tx) error {
			return tx.UpdateBotProfile(s.ctx, b, store.BotBio, store.BotTags, store.BotVersion)
		})
		b.Team = ptr("kept")
		same(s, "profile", must(s.Bot(s.ctx, org, id))(s), b)
		every := []store.BotField{
			store.BotBio, store.BotRole, store.BotFunction, store.BotTeam, store.BotTags, store.BotLanguages, store.BotProtocols,
			store.BotStatusText, store.BotTimezone, store.BotActiveHours, store.BotVersion, store.BotRuntime,
		}
		b.Bio, b.Role, b.Function, b.Team, b.Tags, b.Languages = ptr("1"), ptr("2"), ptr("3"), ptr("4"), ptr(`["5"]`), ptr(`["6"]`)
		b.Protocols, b.StatusText, b.Timezone, b.ActiveHours, b.Version, b.Runtime = ptr(`{}`), ptr("8"), ptr("9"), ptr("10"), ptr("11"), ptr("12")
		s.update(org, func(tx store.Tx) error { return tx.UpdateBotProfile(s.ctx, b, every...) })
		same(s, "whole profile", must(s.Bot(s.ctx, org, id))(s), b)
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { return tx.UpdateBotProfile(s.ctx, &store.Bot{ID: "x"}, store.BotBio) })
		if err := s.Update(s.ctx, org, func(tx store.Tx) error { return tx.UpdateBotProfile(s.ctx, b, "name") }); err == nil {
			s.Fatal("a column that is no profile field was written")
		}
	}},
	{"rename, role, join status, presence", func(s *suite) {
		org := s.org()
		id := s.bot(org, "a")
		s.bot(org, "taken")
		s.refused(org, store.ConflictName, func(tx store.Tx) error { return tx.RenameBot(s.ctx, id, "taken") })
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.RenameBot(s.ctx, id, "A"), tx.SetBotRole(s.ctx, id, store.AuthAdmin),
				tx.SetBotJoinStatus(s.ctx, id, store.BotRejected, ptr("bot:b"), 9, ptr("why")), tx.SetBotOnline(s.ctx, id, true))
		})
		b := must(s.BotByName(s.ctx, org, "A"))(s)
		missing(s.BotByName(s.ctx, org, "a"))(s)
		equal(s, "role", b.AuthRole, store.AuthAdmin)
		equal(s, "status", b.JoinStatus, store.BotRejected)
		equal(s, "at", *b.JoinStatusChangedAt, 9)
		equal(s, "online", b.Online, true)
		s.update("", func(tx store.Tx) error { return tx.ResetOnline(s.ctx) })
		equal(s, "online after reset", must(s.Bot(s.ctx, org, id))(s).Online, false)
		for _, change := range []func(tx store.Tx) error{
			func(tx store.Tx) error { return tx.RenameBot(s.ctx, "x", "n") },
			func(tx store.Tx) error { return tx.SetBotRole(s.ctx, "x", store.AuthAdmin) },
			func(tx store.Tx) error { return tx.SetBotJoinStatus(s.ctx, "x", store.BotActive, nil, 1, nil) },
			func(tx store.Tx) error { return tx.SetBotOnline(s.ctx, "x", true) },
		} {
			s.refused(org, store.ErrNotFound, change)
		}
	}},
	{"last seen only rises", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.LastSeenAt = nil })
		s.update("", func(tx store.Tx) error { return tx.TouchBots(s.ctx, map[string]int64{a: 20, b: 30, "gone": 1}) })
		s.update("", func(tx store.Tx) error { return tx.TouchBots(s.ctx, map[string]int64{a: 15}) })
		equal(s, "a", *must(s.Bot(s.ctx, org, a))(s).LastSeenAt, 20)
		equal(s, "b", *must(s.Bot(s.ctx, org, b))(s).LastSeenAt, 30)
	}},
	{"tombstones", func(s *suite) {
		org, other := s.org(), s.org()
		stone := &store.Tombstone{ID: "t1", OrgID: org, Name: "Gone", DeletedAt: 1, DeletedBy: "session"}
		s.update(org, func(tx store.Tx) error { return tx.PutTombstone(s.ctx, stone) })
		same(s, "stone", must(s.Tombstone(s.ctx, org, "Gone"))(s), stone)
		missing(s.Tombstone(s.ctx, org, "gone"))(s)
		missing(s.Tombstone(s.ctx, other, "Gone"))(s)
		s.update(org, func(tx store.Tx) error {
			return tx.PutTombstone(s.ctx, &store.Tombstone{ID: "t2", OrgID: org, Name: "Gone", DeletedAt: 5, DeletedBy: "b"})
		})
		equal(s, "renewed", must(s.Tombstone(s.ctx, org, "Gone"))(s).DeletedAt, 5)
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteTombstone(s.ctx, org, "gone") })
		s.update(org, func(tx store.Tx) error { return tx.DeleteTombstone(s.ctx, org, "Gone") })
		missing(s.Tombstone(s.ctx, org, "Gone"))(s)
	}},
}

var deletionTests = []test{
	{"removed rows, cleared references, kept rows", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch := s.channel(org, a, b, 1)
		s.say(org, ch, a, "kept", 2)
		shared := s.thread(org, "shared", 3, a, b)
		msg := s.post(org, shared.ID, a, "mine", 4)
		s.post(org, shared.ID, b, "reply", 5, func(m *store.ThreadMessage) { m.ReplyToID = &msg })
		s.update(org, func(tx store.Tx) error {
			return errorsOf(
				tx.CreateToken(s.ctx, &store.Token{ID: "t", BotID: a, TokenHash: "th", Scopes: "[]"}),
				tx.PutWebhookStatus(s.ctx, &store.WebhookStatus{BotID: a, Degraded: true}),
				tx.CreateJoinRequest(s.ctx, &store.JoinRequest{ID: "r1", ThreadID: shared.ID, BotID: a, Status: store.JoinPending}),
				tx.CreateJoinRequest(s.ctx, &store.JoinRequest{ID: "r2", ThreadID: shared.ID, BotID: b, Status: store.JoinRejected, ResolvedAt: ptr(int64(1)), ResolvedBy: &a}),
				tx.InsertArtifact(s.ctx, &store.Artifact{ID: "art", ThreadID: shared.ID, Key: "k", Type: "text", Version: 1, ContributorID: &a}),
				tx.InsertAudit(s.ctx, &store.AuditEntry{ID: "au", OrgID: org, BotID: &a, Action: "x", TargetType: "bot", TargetID: a}),
				tx.CreateSession(s.ctx, &store.Session{Hash: "se", Role: store.RoleBotOwner, OrgID: &org, BotID: &a, ExpiresAt: 9}),
				take(s, tx, a))
		})
		s.update(org, func(tx store.Tx) error {
			d, err := tx.DeleteBot(s.ctx, org, a, b, 50)
			if err != nil {
				return err
			}
			equal(s, "name", d.Bot.Name, "a")
			same(s, "channels", d.Channels, []string{ch})
			return nil
		})
		missing(s.Bot(s.ctx, org, a))(s)
		missing(s.TokenByHash(s.ctx, "th"))(s)
		missing(s.Participant(s.ctx, shared.ID, a))(s)
		missing(s.JoinRequest(s.ctx, shared.ID, "r1"))(s)
		equal(s, "webhook", must(s.WebhookStatus(s.ctx, a))(s).Degraded, false)
		equal(s, "memberships", len(must(s.Memberships(s.ctx, a))(s)), 0)
		equal(s, "members", len(must(s.ChannelMembers(s.ctx, ch))(s)), 1)
		equal(s, "resolver", must(s.JoinRequest(s.ctx, shared.ID, "r2"))(s).ResolvedBy, nil)
		equal(s, "contributor", must(s.LatestArtifact(s.ctx, shared.ID, "k"))(s).ContributorID, nil)
		rows := must(s.ThreadMessages(s.ctx, shared.ID, store.MessageRange{Limit: 10}))(s)
		equal(s, "thread messages", len(rows), 2)
		equal(s, "sender", rows[0].SenderID, nil)
		equal(s, "sender name", rows[0].SenderName, nil)
		equal(s, "sender of the parent", rows[1].ReplyTo.SenderID, nil)
		equal(s, "parent", rows[1].ReplyTo.Content, "mine")
		dms := must(s.ChannelMessages(s.ctx, ch, store.MessageRange{Limit: 10}))(s)
		equal(s, "sender of a direct message", dms[0].SenderID, a)
		equal(s, "its name", dms[0].SenderName, nil)
		equal(s, "audit", *must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)[0].BotID, a)
		must(s.SessionByHash(s.ctx, "se"))(s)
		stone := must(s.Tombstone(s.ctx, org, "a"))(s)
		equal(s, "deleted by", stone.DeletedBy, b)
		equal(s, "deleted at", stone.DeletedAt, 50)
		// The history outlives the members too.
		equal(s, "counterpart", must(s.DirectChannelsOf(s.ctx, b, nil, 10))(s)[0].Counterpart, nil)
	}},
	{"threads", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		alone := s.thread(org, "alone", 3, a)
		shared := s.thread(org, "shared", 3, b, a)
		ended := s.thread(org, "ended", 3, a)
		s.update(org, func(tx store.Tx) error {
			ended.Status, ended.ResolvedAt, ended.Revision = "resolved", ptr(int64(4)), 2
			return errorsOf(tx.UpdateThread(s.ctx, ended, 1), tx.SetParticipantLabel(s.ctx, shared.ID, a, ptr("lead")))
		})
		var d *store.BotDeletion
		s.update(org, func(tx store.Tx) (err error) {
			d, err = tx.DeleteBot(s.ctx, org, a, "session", 50)
			return err
		})
		equal(s, "threads", len(d.Threads), 3)
		for _, l := range d.Threads {
			stored := must(s.Thread(s.ctx, org, l.Thread.ID))(s)
			same(s, "thread "+l.Thread.Topic, l.Thread, stored)
			equal(s, "updated_at", stored.UpdatedAt, 50)
			switch l.Thread.ID {
			case alone.ID:
				same(s, "alone", []any{l.Closed, l.WasStatus, l.WasInitiator, l.Remaining, stored.Status, *stored.CloseReason, stored.Revision, stored.LastActivityAt, stored.InitiatorID},
					[]any{true, "active", true, 0, "closed", "manual", 2, 50, nil})
			case shared.ID:
				same(s, "shared", []any{l.Closed, l.WasStatus, l.WasInitiator, l.Remaining, *l.Label, stored.Status, stored.Revision, stored.LastActivityAt, *stored.InitiatorID},
					[]any{false, "active", false, 1, "lead", "active", 2, 3, b})
			case ended.ID:
				same(s, "ended", []any{l.Closed, l.WasStatus, l.Remaining, stored.Status, stored.Revision, stored.LastActivityAt},
					[]any{false, "resolved", 0, "resolved", 3, 3})
			}
		}
	}},
	{"only in its organisation", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.bot(org, "a")
		s.refused(other, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, other, a, "session", 1); return err })
		must(s.Bot(s.ctx, org, a))(s)
		missing(s.Tombstone(s.ctx, other, "a"))(s)
	}},
}
