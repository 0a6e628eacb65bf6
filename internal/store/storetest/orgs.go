package storetest

import (
	"github.com/b2b-protocol/b2b/internal/store"
)

var orgTests = []test{
	{"create and read", func(s *suite) {
		missing(s.Org(s.ctx, "nothing"))(s)
		o := &store.Org{ID: "o1", Name: awkward, SecretHash: "h", PersistMessages: true, Status: store.OrgActive, JoinApprovalRequired: true, CreatedAt: 7}
		s.update("", func(tx store.Tx) error { return tx.CreateOrg(s.ctx, o) })
		same(s, "org", must(s.Org(s.ctx, "o1"))(s), o)
		top := must(s.LogTop(s.ctx, "o1"))(s)
		equal(s, "seq of a new log", top.Seq, 0)
		if top.Epoch == "" {
			s.Fatal("a new log has no epoch")
		}
		other := s.org()
		if must(s.LogTop(s.ctx, other))(s).Epoch == top.Epoch {
			s.Fatal("two logs share an epoch")
		}
		s.refused("", store.ConflictID, func(tx store.Tx) error { return tx.CreateOrg(s.ctx, o) })
	}},
	{"update", func(s *suite) {
		id, other := s.org(), s.org()
		o := must(s.Org(s.ctx, id))(s)
		o.Name, o.Status, o.JoinApprovalRequired, o.PersistMessages = "new", store.OrgSuspended, true, true
		s.update(id, func(tx store.Tx) error {
			if err := tx.UpdateOrg(s.ctx, o); err != nil {
				return err
			}
			return tx.SetOrgSecret(s.ctx, id, "rotated")
		})
		o.SecretHash = "rotated"
		same(s, "org", must(s.Org(s.ctx, id))(s), o)
		equal(s, "status of the other", must(s.Org(s.ctx, other))(s).Status, store.OrgActive)
		s.refused("x", store.ErrNotFound, func(tx store.Tx) error { return tx.SetOrgSecret(s.ctx, "x", "h") })
		s.refused("x", store.ErrNotFound, func(tx store.Tx) error { return tx.UpdateOrg(s.ctx, &store.Org{ID: "x", Status: store.OrgActive}) })
	}},
	{"list in pages", func(s *suite) {
		var want []string
		for range 5 { // all created at the same time: ids break the tie
			want = append(want, s.org())
		}
		s.bot(want[1], "a")
		s.bot(want[1], "b", func(b *store.Bot) { b.JoinStatus = store.BotRejected })
		id := func(o store.OrgSummary) string { return o.ID }
		var got []string
		var after *store.PageKey
		for {
			page := must(s.Orgs(s.ctx, after, 2))(s)
			if len(page) == 0 {
				break
			}
			got = append(got, keys(page, id)...)
			last := page[len(page)-1]
			after = &store.PageKey{At: last.CreatedAt, ID: last.ID}
		}
		same(s, "orgs", got, want)
		all := must(s.Orgs(s.ctx, nil, 100))(s)
		equal(s, "bots of the second", all[1].BotCount, 2)
		equal(s, "bots of the first", all[0].BotCount, 0)
		equal(s, "limit 0", len(must(s.Orgs(s.ctx, nil, 0))(s)), 0)
	}},
	{"settings", func(s *suite) {
		id := s.org()
		same(s, "defaults", must(s.OrgSettings(s.ctx, id))(s), store.DefaultSettings(id))
		set := &store.OrgSettings{
			OrgID: id, MessagesPerMinutePerBot: 1, ThreadsPerHourPerBot: 2, FileUploadMBPerDayPerBot: 3,
			MessageTTLDays: ptr(int64(4)), DefaultThreadPermissionPolicy: ptr(`{"resolve":["lead"]}`), UpdatedAt: 9,
		}
		s.update(id, func(tx store.Tx) error { return tx.PutOrgSettings(s.ctx, set) })
		same(s, "saved", must(s.OrgSettings(s.ctx, id))(s), set)
		set.MessageTTLDays, set.ArtifactRetentionDays, set.UpdatedAt = nil, ptr(int64(5)), 10
		s.update(id, func(tx store.Tx) error { return tx.PutOrgSettings(s.ctx, set) })
		same(s, "saved again", must(s.OrgSettings(s.ctx, id))(s), set)
		s.refused(id, store.ConflictReference, func(tx store.Tx) error {
			return tx.PutOrgSettings(s.ctx, store.DefaultSettings("nowhere"))
		})
	}},
	{"stats", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b", func(b *store.Bot) { b.Online = true })
		s.say(org, s.channel(org, a, b, 1), a, "hi", 2)
		s.post(org, s.thread(org, "old", 100, a).ID, a, "x", 3)
		s.thread(org, "new", 200, a)
		same(s, "stats", must(s.PlatformStats(s.ctx, 200))(s), store.PlatformStats{
			OrgCount: 1, BotCount: 2, OnlineBotCount: 1, ThreadCount: 2, MessageCount: 2, ActiveThreadCount: 1,
		})
	}},
	{"delete takes all with it", func(s *suite) {
		gone, kept := s.org(), s.org()
		for _, org := range []string{gone, kept} {
			s.fill(org)
		}
		before := s.dump(kept)
		s.update(gone, func(tx store.Tx) error {
			if _, err := tx.Append(s.ctx, store.Event{Type: "last"}); err != nil {
				return err
			}
			return tx.DeleteOrg(s.ctx, gone)
		})
		missing(s.Org(s.ctx, gone))(s)
		missing(s.LogTop(s.ctx, gone))(s)
		for what, n := range s.dump(gone) {
			if n != 0 {
				s.Errorf("%d %s left", n, what)
			}
		}
		same(s, "the other organisation", s.dump(kept), before)
		s.refused(gone, store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, gone) })
		s.refused(gone, store.ErrNoOrg, func(tx store.Tx) error {
			_, err := tx.Append(s.ctx, store.Event{Type: "late"})
			return err
		})
	}},
}

// fill adds one row of each table to an org, with ids made of the org's id.
func (s *suite) fill(org string) {
	s.Helper()
	a := s.bot(org, "a", func(b *store.Bot) { b.ID = org + "-a" })
	b := s.bot(org, "b", func(b *store.Bot) { b.ID = org + "-b" })
	c := s.bot(org, "c")
	s.say(org, s.channel(org, a, b, 1), a, "find me", 2)
	th := s.thread(org, "topic", 3, a, b, c)
	s.post(org, th.ID, a, "find me", 4)
	s.update(org, func(tx store.Tx) error {
		_, err := tx.Append(s.ctx, store.Event{Type: "e", Payload: []byte("p")})
		return errorsOf(err,
			tx.PutOrgSettings(s.ctx, &store.OrgSettings{OrgID: org, UpdatedAt: 77}),
			tx.CreateTicket(s.ctx, &store.OrgTicket{ID: org + "-ticket", OrgID: org, IDHash: ptr(org + "-ticket")}),
			tx.CreateSession(s.ctx, &store.Session{Hash: org + "-s1", Ref: "r", Role: store.RoleOrgAdmin, OrgID: &org, ExpiresAt: 9e12}),
			tx.CreateSession(s.ctx, &store.Session{Hash: org + "-s2", Ref: "q", Role: store.RoleBotOwner, OrgID: &org, BotID: &a, ExpiresAt: 9e12}),
			tx.CreateToken(s.ctx, &store.Token{ID: org + "-tok", BotID: a, TokenHash: org + "-tok", Scopes: "[]"}),
			tx.PutTombstone(s.ctx, &store.Tombstone{ID: org + "-stone", OrgID: org, Name: "old", DeletedBy: "session"}),
			tx.PutWebhookStatus(s.ctx, &store.WebhookStatus{BotID: a, ConsecutiveFailures: 1}),
			tx.CreateJoinRequest(s.ctx, &store.JoinRequest{ID: org + "-req", ThreadID: th.ID, BotID: c, Status: store.JoinPending}),
			tx.InsertArtifact(s.ctx, &store.Artifact{ID: org + "-art", ThreadID: th.ID, Key: "k", Type: "text", Version: 1}),
			tx.InsertAudit(s.ctx, &store.AuditEntry{ID: org + "-audit", OrgID: org, Action: "x", TargetType: "y", TargetID: "z"}),
			tx.PutIdempotency(s.ctx, &store.IdempotencyRecord{OrgID: org, Caller: "c", RequestID: "r"}),
			tx.RemoveParticipant(s.ctx, th.ID, c),
			tx.PutDecision(s.ctx, &store.Decision{ID: org + "-dec", OrgID: org, ThreadID: &th.ID, AskerID: a, Choices: "[]", Bots: "[]", Status: store.DecisionOpen}, []string{b}),
			take(s, tx, a),
		)
	})
}

// dump counts the rows that fill adds.
func (s *suite) dump(org string) map[string]int {
	s.Helper()
	a := org + "-a"
	n := map[string]int{}
	count := func(what string, found bool) {
		if found {
			n[what] = 1
		} else {
			n[what] = 0
		}
	}
	n["bots"] = int(must(s.CountBots(s.ctx, org))(s))
	n["channels"] = len(must(s.ChannelsOf(s.ctx, a, nil, 10))(s))
	n["inbox"] = len(must(s.Inbox(s.ctx, org+"-b", 0, nil, 10))(s))
	n["threads"] = len(must(s.Threads(s.ctx, store.ThreadQuery{OrgID: org, Scope: store.ThreadsAll, Limit: 10}))(s))
	n["messages"] = len(must(s.SearchMessages(s.ctx, org, "find me", nil, 10))(s))
	n["events"] = len(must(s.ReadLog(s.ctx, org, 0, 10))(s))
	n["sessions"] = len(must(s.Sessions(s.ctx, org, 0, 10, 0))(s))
	n["tokens"] = len(must(s.Tokens(s.ctx, a, nil, 10))(s))
	n["tickets"] = len(must(s.Tickets(s.ctx, org, 0, nil, 10))(s))
	n["audit"] = len(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 10}))(s))
	n["memberships"] = len(must(s.Memberships(s.ctx, a))(s))
	n["failures"] = int(must(s.WebhookStatus(s.ctx, a))(s).ConsecutiveFailures)
	n["decisions"] = len(must(s.Decisions(s.ctx, store.DecisionQuery{OrgID: org, Limit: 10}))(s))
	_, err := s.Tombstone(s.ctx, org, "old")
	count("tombstones", err == nil)
	_, err = s.Idempotency(s.ctx, org, "c", "r")
	count("answers", err == nil)
	count("settings", must(s.OrgSettings(s.ctx, org))(s).UpdatedAt != 0)
	return n
}
