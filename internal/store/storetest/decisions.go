package storetest

import (
	"strings"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
)

var decisionTests = []test{
	{"decisions by place, asker and who may answer", func(s *suite) {
		org, other := s.org(), s.org()
		a, b, foreign := s.bot(org, "a"), s.bot(org, "b"), s.bot(other, "foreign")
		t1, t2, channel := s.thread(org, "one", 1, a, b).ID, s.thread(org, "two", 1, a, b).ID, s.channel(org, a, b, 1)
		put := func(org, id, asker string, at int64, asked []string, edit func(*store.Decision)) *store.Decision {
			s.Helper()
			d := &store.Decision{
				ID: id, OrgID: org, AskerID: asker, AskerName: "name of " + asker, Kind: "choose", Question: "which?", Choices: `["x","y"]`,
				Bots: `[]`, Status: store.DecisionOpen, AskedAt: at,
			}
			edit(d)
			s.update(org, func(tx store.Tx) error { return tx.PutDecision(s.ctx, d, asked) })
			return d
		}
		in := func(thread string) func(*store.Decision) { return func(d *store.Decision) { d.ThreadID = &thread } }
		until := func(at int64) func(*store.Decision) {
			return func(d *store.Decision) { d.ThreadID, d.ExpiresAt, d.Default = &t1, &at, new("x") }
		}
		d1 := put(org, "d1", a, 10, []string{b}, in(t1))
		d2 := put(org, "d2", a, 20, nil, func(d *store.Decision) { d.ChannelID, d.Humans = &channel, true })
		d3 := put(org, "d3", b, 20, []string{a}, func(d *store.Decision) {
			d.ThreadID, d.Blocks, d.GivesBack, d.Humans = &t2, true, new("reviewing"), true
		})
		d4 := put(org, "d4", b, 30, []string{a}, until(100))
		put(other, "d5", foreign, 30, nil, func(d *store.Decision) { d.ChannelID, d.Humans = nil, true })

		same(s, "a decision", must(s.Decision(s.ctx, org, "d3"))(s), d3)
		missing(s.Decision(s.ctx, other, "d3"))(s)
		missing(s.Decision(s.ctx, org, "none"))(s)
		list := func(q store.DecisionQuery) (ids string) {
			s.Helper()
			q.OrgID = org
			if q.Limit == 0 {
				q.Limit = 9
			}
			for _, d := range must(s.Decisions(s.ctx, q))(s) {
				ids += d.ID + " "
			}
			return strings.TrimSpace(ids)
		}
		for _, status := range []string{"", store.DecisionOpen} {
			q := store.DecisionQuery{Status: status, Now: 99}
			with := func(edit func(*store.DecisionQuery)) store.DecisionQuery { q := q; edit(&q); return q }
			same(s, "of the org", list(q), "d4 d3 d2 d1")
			same(s, "a page", list(with(func(q *store.DecisionQuery) { q.Limit = 2 })), "d4 d3")
			same(s, "the next", list(with(func(q *store.DecisionQuery) { q.Limit, q.Before = 2, &store.PageKey{At: 20, ID: "d3"} })), "d2 d1")
			same(s, "of a thread", list(with(func(q *store.DecisionQuery) { q.ThreadID = t1 })), "d4 d1")
			same(s, "of a channel", list(with(func(q *store.DecisionQuery) { q.ChannelID = channel })), "d2")
			same(s, "of an asker", list(with(func(q *store.DecisionQuery) { q.AskerID = a })), "d2 d1")
			same(s, "of an asker in a thread", list(with(func(q *store.DecisionQuery) { q.ThreadID, q.AskerID = t1, b })), "d4")
		}
		open := store.DecisionQuery{Status: store.DecisionOpen, Now: 99}
		forA, forHumans, later := open, open, open
		forA.BotID, forHumans.Humans, later.Now = a, true, 100
		same(s, "for a bot", list(forA), "d4 d3")
		same(s, "for people", list(forHumans), "d3 d2")
		same(s, "after one has expired", list(later), "d3 d2 d1")
		same(s, "the expired one", list(store.DecisionQuery{Status: "expired", Now: 100}), "d4")
		same(s, "none is expired", list(store.DecisionQuery{Status: "expired", Now: 99}), "")
		same(s, "orgs with expired ones", must(s.DecisionsExpired(s.ctx, 100, "", 9))(s), []string{org})
		equal(s, "orgs without", len(must(s.DecisionsExpired(s.ctx, 99, "", 9))(s)), 0)
		equal(s, "orgs after it", len(must(s.DecisionsExpired(s.ctx, 100, org, 9))(s)), 0)

		ids := func(all []store.Decision, err error) (ids string) {
			s.Helper()
			for _, d := range must(all, err)(s) {
				ids += d.ID + " "
			}
			return strings.TrimSpace(ids)
		}
		s.update(org, func(tx store.Tx) error {
			ofOrg, ofAsker, ofPlace, err := tx.CountOpenDecisions(s.ctx, org, a, t1)
			same(s, "counts", []int64{ofOrg, ofAsker, ofPlace}, []int64{4, 2, 2})
			same(s, "in a thread", ids(tx.OpenDecisionsIn(s.ctx, t1, 9)), "d1 d4")
			same(s, "the first in a thread", ids(tx.OpenDecisionsIn(s.ctx, t1, 1)), "d1")
			same(s, "by a bot", ids(tx.OpenDecisionsBy(s.ctx, b, 9)), "d3 d4")
			same(s, "for a bot", ids(tx.OpenDecisionsFor(s.ctx, a, 9)), "d3 d4")
			same(s, "expired", ids(tx.ExpiredDecisions(s.ctx, org, 100, 9)), "d4")
			same(s, "not yet", ids(tx.ExpiredDecisions(s.ctx, org, 99, 9)), "")
			return err
		})
		s.update(org, func(tx store.Tx) error {
			d1.Status, d1.Answer, d1.Comment, d1.ClosedBy, d1.ClosedAt = "answered", new("x"), new("since"), &b, new(int64(60))
			d2.Status, d2.Reason, d2.ClosedBy, d2.ClosedAt = "withdrawn", new("asker"), &a, new(int64(70))
			d3.Bots = `[]`
			err := errorsOf(tx.CloseDecision(s.ctx, d1), tx.CloseDecision(s.ctx, d2), tx.SetDecisionBots(s.ctx, d3, a))
			same(s, "open in a thread, in the same change", ids(tx.OpenDecisionsIn(s.ctx, t1, 9)), "d4")
			return err
		})
		same(s, "answered", must(s.Decision(s.ctx, org, "d1"))(s), d1)
		same(s, "withdrawn", must(s.Decision(s.ctx, org, "d2"))(s), d2)
		same(s, "for a bot that may no longer", list(forA), "d4")
		same(s, "still open", list(open), "d4 d3")
		same(s, "of a state", list(store.DecisionQuery{Status: "answered", Now: 99}), "d1")
		same(s, "old ones", must(s.OldDecisions(s.ctx, org, 70, 9))(s), []string{"d1"})
		s.update(org, func(tx store.Tx) error {
			n, err := tx.DeleteDecisions(s.ctx, []string{"d1", "none"})
			equal(s, "deleted", n, 1)
			return err
		})
		missing(s.Decision(s.ctx, org, "d1"))(s)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, "test", 1); return err })
		same(s, "a decision of a bot that was deleted", must(s.Decision(s.ctx, org, "d2"))(s), d2)
		same(s, "for a deleted bot", list(forA), "")
		same(s, "one that it could answer", must(s.Decision(s.ctx, org, "d4"))(s), d4)
	}},
	{"lists of decisions end by their bytes", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		long := strings.Repeat("x", limits.MaxPageBody/3)
		for _, id := range []string{"d1", "d2", "d3", "d4", "d5"} {
			s.update(org, func(tx store.Tx) error {
				return tx.PutDecision(s.ctx, &store.Decision{
					ID: id, OrgID: org, AskerID: a, AskerName: "a", Kind: "input", Question: long, Choices: "[]", Bots: "[]", Humans: true,
					Status: store.DecisionOpen, AskedAt: 1,
				}, nil)
			})
		}
		for _, status := range []string{"", store.DecisionOpen} {
			got := must(s.Decisions(s.ctx, store.DecisionQuery{OrgID: org, Status: status, Limit: 100}))(s)
			if len(got) < 3 || len(got) > 4 {
				s.Errorf("a list with the status %q has %d rows", status, len(got))
			}
		}
	}},
}
