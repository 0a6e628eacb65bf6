package storetest

import (
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

var retentionTests = []test{
	{"a job has one holder", func(s *suite) {
		take := func(job, node string, now, doneBefore int64) (got bool) {
			s.update("", func(tx store.Tx) (err error) {
				got, err = tx.TakeJob(s.ctx, job, node, liveAt(now), doneBefore)
				return err
			})
			return got
		}
		finish := func(job, node string, now int64) {
			s.update("", func(tx store.Tx) error { return tx.FinishJob(s.ctx, job, node, now) })
		}
		equal(s, "without a lease", take("j", "a", 10, 0), false)
		s.renew("a", 20)
		s.renew("b", 40)
		equal(s, "nobody has it", take("j", "a", 10, 0), true)
		equal(s, "a has it", take("j", "b", 19, 0), false)
		s.renew("a", 30)
		equal(s, "a still has it", take("j", "b", 29, 0), false)
		equal(s, "another job", take("k", "b", 29, 0), true)
		equal(s, "the lease of a has ended", take("j", "b", 30, 0), true)
		finish("j", "a", 31) // too late: it is b's
		s.renew("a", 50)
		equal(s, "b has it", take("j", "a", 32, 32), false)
		finish("j", "b", 33)
		equal(s, "done just now", take("j", "a", 34, 32), false)
		equal(s, "due again", take("j", "a", 35, 33), true)
		s.update("", func(tx store.Tx) error { return tx.ReleaseJob(s.ctx, "j", "b") }) // it is a's
		equal(s, "a has it", take("j", "b", 36, 40), false)
		s.update("", func(tx store.Tx) error { return tx.ReleaseJob(s.ctx, "j", "a") })
		equal(s, "released, and not done since", take("j", "b", 36, 33), true)
		const back = 7_200_000 // the clock is put back by two hours: B2B-LIFE-020
		s.renew("c", back+20)
		s.renew("d", back+21)
		equal(s, "taken later", take("l", "c", back+10, 0), true)
		equal(s, "held by a live node", take("l", "d", back+11, 0), false)
		s.renew("b", 20)
		equal(s, "held from later", take("l", "b", 10, 0), true)
		finish("l", "b", back+12)
		equal(s, "done later", take("l", "b", 13, 5), true)
	}},
	{"idle threads", func(s *suite) {
		org, other := s.org(), s.org()
		bot := s.bot(org, "a")
		status := func(th *store.Thread, status string) *store.Thread {
			s.update(org, func(tx store.Tx) error {
				th.Status, th.Revision = status, th.Revision+1
				return tx.UpdateThread(s.ctx, th, th.Revision-1)
			})
			return th
		}
		second, first := s.thread(org, "b", 20, bot), s.thread(org, "a", 10, bot)
		status(s.thread(org, "r", 30, bot), "resolved")
		status(s.thread(org, "c", 30, bot), "closed")
		third, fourth := status(s.thread(org, "x", 30, bot), "blocked"), status(s.thread(org, "y", 40, bot), "reviewing")
		s.thread(org, "fresh", 50, bot)
		s.thread(other, "foreign", 10)
		id := func(t store.Thread) string { return t.ID }
		same(s, "idle", keys(must(s.IdleThreads(s.ctx, org, 50, 10))(s), id), []string{first.ID, second.ID, third.ID, fourth.ID})
		same(s, "two", keys(must(s.IdleThreads(s.ctx, org, 50, 2))(s), id), []string{first.ID, second.ID})
		equal(s, "none", len(must(s.IdleThreads(s.ctx, org, 10, 10))(s)), 0)
	}},
	{"old messages and artifacts", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch := s.channel(org, a, b, 1)
		old := s.say(org, ch, a, "old", 9)
		kept := s.say(org, ch, a, "kept", 10)
		c, d := s.bot(other, "a"), s.bot(other, "b")
		s.say(other, s.channel(other, c, d, 1), c, "foreign", 9)

		open, done := s.thread(org, "open", 1, a), s.thread(org, "done", 1, a)
		artifact := func(th *store.Thread, version, at int64) string {
			id := s.id("art")
			s.update(org, func(tx store.Tx) error {
				return tx.InsertArtifact(s.ctx, &store.Artifact{ID: id, ThreadID: th.ID, Key: "k", Type: "text", Version: version, CreatedAt: at})
			})
			return id
		}
		s.post(org, open.ID, a, "in an open thread", 5)
		artifact(open, 1, 5)
		oldPost, oldVersion := s.post(org, done.ID, a, "old", 9), artifact(done, 1, 9)
		s.post(org, done.ID, a, "kept", 10)
		artifact(done, 2, 10)
		status := func(status string) {
			s.update(org, func(tx store.Tx) error {
				done.Status, done.Revision = status, done.Revision+1
				return tx.UpdateThread(s.ctx, done, done.Revision-1)
			})
		}
		equal(s, "all threads are open", len(must(s.OldThreadMessages(s.ctx, org, 10, 10))(s))+len(must(s.OldArtifacts(s.ctx, org, 10, 10))(s)), 0)
		status("resolved")
		same(s, "direct", must(s.OldChannelMessages(s.ctx, org, 10, 10))(s), []string{old})
		same(s, "in threads", must(s.OldThreadMessages(s.ctx, org, 10, 10))(s), []string{oldPost})
		same(s, "versions", must(s.OldArtifacts(s.ctx, org, 10, 10))(s), []string{oldVersion})
		equal(s, "limit", len(must(s.OldChannelMessages(s.ctx, org, 11, 1))(s)), 1)

		remove := func() (direct, posts, versions int64) {
			s.update(org, func(tx store.Tx) (err error) {
				if direct, err = tx.DeleteChannelMessages(s.ctx, []string{old, "unknown"}); err != nil {
					return err
				}
				if posts, err = tx.DeleteThreadMessages(s.ctx, []string{oldPost}); err != nil {
					return err
				}
				versions, err = tx.DeleteArtifacts(s.ctx, []string{oldVersion})
				return err
			})
			return direct, posts, versions
		}
		status("active") // reopened meanwhile
		direct, posts, versions := remove()
		same(s, "reopened", []int64{direct, posts, versions}, []int64{1, 0, 0})
		status("closed")
		direct, posts, versions = remove()
		same(s, "closed", []int64{direct, posts, versions}, []int64{0, 1, 1})
		same(s, "what is left", keys(must(s.ChannelHistory(s.ctx, ch, "", 10))(s), func(m store.ChannelMessageRow) string { return m.ID }), []string{kept})
		equal(s, "messages of the thread", len(must(s.ThreadHistory(s.ctx, done.ID, "", 10))(s)), 1)
		equal(s, "first version left", must(s.FirstArtifact(s.ctx, done.ID, "k"))(s).Version, 2)
		equal(s, "the open thread", len(must(s.ThreadHistory(s.ctx, open.ID, "", 10))(s)), 1)
		equal(s, "nothing to do", must(func() (n int64, err error) {
			err = s.Update(s.ctx, org, func(tx store.Tx) (err error) {
				n, err = tx.DeleteChannelMessages(s.ctx, nil)
				return err
			})
			return n, err
		}())(s), 0)
	}},
	{"the events of deleted messages keep their content", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		ch := s.channel(org, a, b, 1)
		th := s.thread(org, "t", 1, a)
		// write adds a message and the event that names it.
		write := func(id string, thread bool) (seq int64) {
			s.update(org, func(tx store.Tx) (err error) {
				content := "content of " + id
				e := store.Event{At: 9, ActorID: &a, Payload: []byte("p"), MessageID: &id, Body: &content}
				if thread {
					e.Type, e.Audience, e.ThreadID = "thread_message", store.AudienceThread, &th.ID
				} else {
					e.Type, e.Audience, e.ChannelID = "message", store.AudienceChannel, &ch
				}
				if seq, err = tx.Append(s.ctx, e); err != nil {
					return err
				}
				if thread {
					return tx.InsertThreadMessage(s.ctx, &store.ThreadMessage{
						ID: id, ThreadID: th.ID, SenderID: &a, Content: content, ContentType: "text", CreatedAt: 9, EventSeq: &seq,
					})
				}
				return tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{
					ID: id, ChannelID: ch, SenderID: a, Content: content, ContentType: "text", CreatedAt: 9, EventSeq: &seq,
				})
			})
			return seq
		}
		ids := []string{s.id("direct"), "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f6", s.id("post"), "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f7"}
		first := write(ids[0], false)
		write(ids[1], false)
		write(ids[2], true)
		last := write(ids[3], true)
		read := func(what string) {
			s.Helper()
			rows := must(s.ReadLog(s.ctx, org, first-1, 10))(s)
			equal(s, what, len(rows), len(ids))
			for i, row := range rows {
				if row.MessageID == nil || row.Body == nil {
					s.Fatalf("%s: event %d names no message: %+v", what, i, row)
				}
				equal(s, what+": message", *row.MessageID, ids[i])
				equal(s, what+": body", *row.Body, "content of "+ids[i])
				equal(s, what+": size", row.Size(), len("p"+"content of "+ids[i]))
			}
			in := store.LogRange{ScopeID: th.ID, Type: "thread_message", Party: a, After: first, UpTo: last}
			of := must(inRange(s, org, in, 10))(s)
			equal(s, what+": of a range", len(of), 2)
			equal(s, what+": of a range", *of[1].Body, "content of "+ids[3])
		}
		read("stored")
		s.update(org, func(tx store.Tx) error {
			th.Status, th.Revision = "closed", th.Revision+1
			return tx.UpdateThread(s.ctx, th, th.Revision-1)
		})
		s.update(org, func(tx store.Tx) error {
			if _, err := tx.DeleteThreadMessages(s.ctx, ids[2:]); err != nil {
				return err
			}
			_, err := tx.DeleteChannelMessages(s.ctx, ids[:2])
			return err
		})
		equal(s, "messages left", len(must(s.ChannelHistory(s.ctx, ch, "", 10))(s))+len(must(s.ThreadHistory(s.ctx, th.ID, "", 10))(s)), 0)
		read("deleted")
	}},
	{"old audit entries", func(s *suite) {
		org, other := s.org(), s.org()
		add := func(org, id string, at int64) {
			s.update(org, func(tx store.Tx) error { return tx.InsertAudit(s.ctx, entry(org, id, at)) })
		}
		for i, at := range []int64{5, 5, 6, 7, 8} {
			add(org, string(rune('a'+i)), at)
		}
		add(other, "o", 1)
		prune := func(limit int) (n int64) {
			s.update(org, func(tx store.Tx) (err error) {
				n, err = tx.PruneAudit(s.ctx, org, 8, limit)
				return err
			})
			return n
		}
		left := func(org string) []string {
			return keys(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 10}))(s), func(e store.AuditEntry) string { return e.ID })
		}
		equal(s, "there are old ones", must(s.OldAudit(s.ctx, org, 8))(s), true)
		equal(s, "at most", prune(3), 3)
		same(s, "the oldest went", left(org), []string{"e", "d"})
		equal(s, "the rest", prune(3), 1)
		equal(s, "there are no old ones", must(s.OldAudit(s.ctx, org, 8))(s), false)
		equal(s, "none", prune(3), 0)
		same(s, "left", left(org), []string{"e"})
		same(s, "the other's", left(other), []string{"o"})

		e := must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)[0]
		e.Detail = ptr(`{"n":2}`)
		s.update(org, func(tx store.Tx) error { return tx.SetAuditDetail(s.ctx, &e) })
		same(s, "rewritten", must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)[0], e)
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error {
			return tx.SetAuditDetail(s.ctx, &store.AuditEntry{ID: "e", OrgID: other, CreatedAt: 8})
		})
	}},
	{"old rates", func(s *suite) {
		org := s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(org, "c")
		use := func(bot string, at int64) (ok bool) {
			s.update(org, func(tx store.Tx) (err error) {
				ok, _, err = tx.TakeRate(s.ctx, bot, "thread", time.Hour, 2, at)
				return err
			})
			return ok
		}
		const hour = 3_600_000
		use(a, hour)
		use(b, hour)
		use(b, 2*hour-1)
		use(c, 2*hour)
		same(s, "bots", must(s.OldRates(s.ctx, 2*hour-1, "", 10))(s), []string{a, b})
		same(s, "after", must(s.OldRates(s.ctx, 2*hour-1, a, 10))(s), []string{b})
		var n int64
		s.update("", func(tx store.Tx) (err error) {
			n, err = tx.PurgeRates(s.ctx, []string{a, b, c}, 2*hour-1)
			return err
		})
		equal(s, "slots", n, 2)
		equal(s, "bots left", len(must(s.OldRates(s.ctx, 2*hour-1, "", 10))(s)), 0)
		equal(s, "one more", use(b, 2*hour), true)
		equal(s, "the newer use still counts", use(b, 2*hour), false)
	}},
	{"tickets and invite codes that expired", func(s *suite) {
		org := s.org()
		s.update(org, func(tx store.Tx) error {
			return errorsOf(
				tx.CreateTicket(s.ctx, &store.OrgTicket{ID: "old", IDHash: ptr("old"), OrgID: org, ExpiresAt: 5}),
				tx.CreateTicket(s.ctx, &store.OrgTicket{ID: "new", IDHash: ptr("new"), OrgID: org, ExpiresAt: 10}),
				tx.CreateTicket(s.ctx, &store.OrgTicket{ID: "ever", IDHash: ptr("ever"), OrgID: org}),
			)
		})
		s.update("", func(tx store.Tx) error {
			return errorsOf(
				tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: "old", CodeHash: "1", ExpiresAt: 5, CreatedAt: 1}),
				tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: "new", CodeHash: "2", ExpiresAt: 10, CreatedAt: 2}),
				tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: "ever", CodeHash: "3", CreatedAt: 3}),
			)
		})
		for range 2 {
			s.update("", func(tx store.Tx) error {
				_, err := tx.PurgeTickets(s.ctx, 10, 1)
				if err == nil {
					_, err = tx.PurgeInvites(s.ctx, 10, 1)
				}
				return err
			})
		}
		missing(s.Ticket(s.ctx, "old"))(s)
		for _, id := range []string{"new", "ever"} {
			must(s.Ticket(s.ctx, id))(s)
		}
		same(s, "codes", keys(must(s.InviteCodes(s.ctx, nil, 10))(s), func(c store.InviteCode) string { return c.ID }), []string{"ever", "new"})
	}},
	{"an organisation ends at once and goes in steps", func(s *suite) {
		gone, kept := s.org(), s.org()
		for _, org := range []string{gone, kept} {
			s.fill(org)
			for range 7 {
				s.append(org, "e")
			}
		}
		before := s.dump(kept)
		s.update(gone, func(tx store.Tx) error {
			if _, err := tx.Append(s.ctx, store.Event{Type: "last"}); err != nil {
				return err
			}
			return tx.EndOrg(s.ctx, gone)
		})
		missing(s.Org(s.ctx, gone))(s)
		same(s, "orgs", keys(must(s.Orgs(s.ctx, nil, 10))(s), func(o store.OrgSummary) string { return o.ID }), []string{kept})
		equal(s, "organisations counted", must(s.PlatformStats(s.ctx, 0))(s).OrgCount, 1)
		equal(s, "bots counted", must(s.PlatformStats(s.ctx, 0))(s).BotCount, must(s.CountBots(s.ctx, kept))(s))
		equal(s, "sessions", len(must(s.Sessions(s.ctx, gone, 0, 10, 0))(s)), 0)
		missing(s.Ticket(s.ctx, gone+"-ticket"))(s)
		must(s.LogTop(s.ctx, gone))(s) // others read in it that it has ended
		s.refused(gone, store.ErrNotFound, func(tx store.Tx) error { return tx.EndOrg(s.ctx, gone) })
		same(s, "ended", must(s.EndedOrgs(s.ctx, 10))(s), []string{gone})
		var steps []int64
		for n := int64(3); n >= 3; {
			s.update(gone, func(tx store.Tx) (err error) {
				n, err = tx.EmptyOrg(s.ctx, gone, 3)
				return err
			})
			steps = append(steps, n)
		}
		if slices.Max(steps) > 3 || len(steps) < 6 {
			s.Errorf("rows that went in steps of 3: %v", steps)
		}
		for what, n := range s.dump(gone) { // fill adds one of each table to an org
			if n > 1 {
				s.Errorf("%d %s are left for DeleteOrg", n, what)
			}
		}
		s.update(gone, func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, gone) })
		missing(s.LogTop(s.ctx, gone))(s)
		for what, n := range s.dump(gone) {
			if n != 0 {
				s.Errorf("%d %s left", n, what)
			}
		}
		same(s, "the other organisation", s.dump(kept), before)
		equal(s, "ended", len(must(s.EndedOrgs(s.ctx, 10))(s)), 0)
	}},
}

// inSteps removes three rows, two at a time.
func (s *suite) inSteps(remove func(tx store.Tx, limit int) (int64, error)) {
	s.Helper()
	for _, want := range []int64{2, 1, 0} {
		s.update("", func(tx store.Tx) error {
			n, err := remove(tx, 2)
			equal(s, "removed at once", n, want)
			return err
		})
	}
}
