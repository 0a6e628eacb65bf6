package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/b2b-protocol/b2b/internal/store"
)

func messageID(m store.ThreadMessageRow) string { return m.ID }

var threadMessageTests = []test{
	{"come back as sent", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t, other := s.thread(org, "t", 1, a, b), s.thread(org, "o", 1, a)
		parent := s.post(org, t.ID, b, "parent", 2)
		m := &store.ThreadMessage{
			ID: "m", ThreadID: t.ID, SenderID: &a, Content: awkward, ContentType: "", Parts: ptr("[]"), Metadata: ptr(awkward),
			Mentions: ptr(`[{"bot_id":"b","name":"b"}]`), MentionAll: true, ReplyToID: &parent, CreatedAt: 3,
			Marks: store.Marks{Automatic: true, NoReply: true},
		}
		s.update(org, func(tx store.Tx) error { return tx.InsertThreadMessage(s.ctx, m) })
		want := &store.ThreadMessageRow{
			ThreadMessage: *m, SenderName: ptr("a"),
			ReplyTo: &store.RepliedMessage{ID: parent, SenderID: &b, SenderName: ptr("b"), Content: "parent", CreatedAt: 2},
		}
		same(s, "message", must(s.ThreadMessage(s.ctx, t.ID, "m"))(s), want)
		missing(s.ThreadMessage(s.ctx, other.ID, "m"))(s)
		missing(s.ThreadMessage(s.ctx, t.ID, "x"))(s)
		plain := must(s.ThreadMessage(s.ctx, t.ID, parent))(s)
		if plain.ReplyTo != nil || plain.ReplyToID != nil || plain.Parts != nil || plain.Metadata != nil || plain.Mentions != nil {
			s.Fatalf("a plain message has more than was sent: %s", show(plain))
		}
		dangling := s.post(org, t.ID, a, "x", 4, func(m *store.ThreadMessage) { m.ReplyToID = ptr("purged") })
		if row := must(s.ThreadMessage(s.ctx, t.ID, dangling))(s); row.ReplyToID != nil || row.ReplyTo != nil {
			s.Fatalf("a message that is gone is still named: %s", show(row))
		}
		s.refused(org, store.ConflictID, func(tx store.Tx) error { return tx.InsertThreadMessage(s.ctx, m) })
		s.refused(org, store.ConflictReference, func(tx store.Tx) error {
			return tx.InsertThreadMessage(s.ctx, &store.ThreadMessage{ID: "x", ThreadID: "nowhere"})
		})
	}},
	{"ranges and pages", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		t, other := s.thread(org, "t", 1, a), s.thread(org, "o", 1, a)
		var m, elsewhere []string
		for _, at := range []int64{10, 20, 20, 20, 30} {
			m = append(m, s.post(org, t.ID, a, "x", at))
			elsewhere = append(elsewhere, s.post(org, other.ID, a, "y", at))
		}
		get := func(r store.MessageRange) []string {
			return keys(must(s.ThreadMessages(s.ctx, t.ID, r))(s), messageID)
		}
		same(s, "all", get(store.MessageRange{Limit: 10}), m)
		same(s, "newest", get(store.MessageRange{Limit: 2}), m[3:])
		same(s, "before", get(store.MessageRange{Before: ptr(int64(20)), Limit: 10}), m[:1])
		same(s, "since", get(store.MessageRange{Since: ptr(int64(20)), Limit: 10}), m[4:])
		same(s, "between", get(store.MessageRange{Since: ptr(int64(10)), Before: ptr(int64(30)), Limit: 2}), m[2:4])
		var got []string
		cursor := ""
		for {
			page := must(s.ThreadHistory(s.ctx, t.ID, cursor, 2))(s)
			if len(page) == 0 {
				break
			}
			got = append(got, keys(page, messageID)...)
			cursor = page[len(page)-1].ID
		}
		same(s, "history", got, []string{m[4], m[3], m[2], m[1], m[0]})
		same(s, "unknown cursor", keys(must(s.ThreadHistory(s.ctx, t.ID, "unknown", 2))(s), messageID), []string{m[4], m[3]})
		same(s, "cursor of another thread", keys(must(s.ThreadHistory(s.ctx, t.ID, elsewhere[1], 2))(s), messageID), []string{m[4], m[3]})
	}},
	{"search", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.bot(org, "a")
		t := s.thread(org, "topic", 1, a)
		s.post(other, s.thread(other, "x", 1).ID, "nobody", "needle", 5)
		s.post(org, t.ID, a, "A NEEDLE in hay", 5)
		s.post(org, t.ID, "gone", "two needles, 100%", 6)
		s.post(org, t.ID, a, "hay_stack", 7)
		hits := must(s.SearchMessages(s.ctx, org, "Needle", nil, 20))(s)
		same(s, "hits", keys(hits, func(h store.MessageHit) string { return h.Content }), []string{"two needles, 100%", "A NEEDLE in hay"})
		same(s, "hit", []any{hits[1].ThreadID, hits[1].ThreadTopic, *hits[1].SenderName, hits[1].CreatedAt}, []any{t.ID, "topic", "a", 5})
		equal(s, "sender that is gone", hits[0].SenderName, nil)
		for text, n := range map[string]int{"%": 1, "_": 1, `\`: 0, "y_s": 1, "0%": 1, "n_e": 0} {
			equal(s, "search for "+text, len(must(s.SearchMessages(s.ctx, org, text, nil, 20))(s)), n)
		}
		equal(s, "limited", len(must(s.SearchMessages(s.ctx, org, "a", nil, 1))(s)), 1)
	}},
}

var artifactTests = []test{
	{"versions", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		t, other := s.thread(org, "t", 1, a), s.thread(org, "o", 1, a)
		add := func(thread, key string, version, at int64) *store.Artifact {
			x := &store.Artifact{
				ID: s.id("art"), ThreadID: thread, Key: key, Type: "code", Title: ptr(awkward), Content: ptr(fmt.Sprint(version)), Language: ptr("go"),
				URL: ptr("u"), MimeType: ptr("m"), ContributorID: &a, Version: version, FormatWarning: version == 2, CreatedAt: at, UpdatedAt: at,
			}
			s.update(org, func(tx store.Tx) error { return tx.InsertArtifact(s.ctx, x) })
			return x
		}
		first := add(t.ID, "plan", 1, 1)
		add(t.ID, "Plan", 1, 2)
		add(t.ID, "a.b", 1, 3)
		last := add(t.ID, "plan", 2, 9)
		add(other.ID, "plan", 1, 4)
		same(s, "latest", must(s.LatestArtifact(s.ctx, t.ID, "plan"))(s), last)
		same(s, "first", must(s.FirstArtifact(s.ctx, t.ID, "plan"))(s), first)
		missing(s.LatestArtifact(s.ctx, t.ID, "PLAN"))(s)
		missing(s.FirstArtifact(s.ctx, "x", "plan"))(s)
		key := func(a store.Artifact) string { return fmt.Sprint(a.Key, a.Version) }
		same(s, "by age", keys(must(s.Artifacts(s.ctx, t.ID, nil, 10))(s), key), []string{"Plan1", "a.b1", "plan2"})
		equal(s, "limited", len(must(s.Artifacts(s.ctx, t.ID, nil, 2))(s)), 2)
		same(s, "first page", keys(must(s.ArtifactsPage(s.ctx, t.ID, "", 2))(s), key), []string{"Plan1", "a.b1"})
		same(s, "second page", keys(must(s.ArtifactsPage(s.ctx, t.ID, "a.b", 2))(s), key), []string{"plan2"})
		same(s, "versions", keys(must(s.ArtifactVersions(s.ctx, t.ID, "plan", 0, 10))(s), key), []string{"plan1", "plan2"})
		same(s, "versions above 1", keys(must(s.ArtifactVersions(s.ctx, t.ID, "plan", 1, 10))(s), key), []string{"plan2"})
		same(s, "no versions", keys(must(s.ArtifactVersions(s.ctx, t.ID, "x", 0, 10))(s), key), []string{})
		s.refused(org, store.ConflictArtifactKey, func(tx store.Tx) error {
			return tx.InsertArtifact(s.ctx, &store.Artifact{ID: "new", ThreadID: t.ID, Key: "plan", Type: "text", Version: 2})
		})
	}},
}

// entry returns an audit entry with arbitrary fields.
func entry(org, id string, at int64) *store.AuditEntry {
	return &store.AuditEntry{ID: id, OrgID: org, Action: "x", TargetType: "y", TargetID: "z", CreatedAt: at}
}

var auditTests = []test{
	{"within a change", func(s *suite) {
		org := s.org()
		const entries = 1100
		count := func(r store.Reader) int {
			return len(must(r.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 2 * entries}))(s))
		}
		s.update(org, func(tx store.Tx) error {
			for i := range entries {
				if err := tx.InsertAudit(s.ctx, entry(org, fmt.Sprintf("e%04d", i), 5)); err != nil {
					return err
				}
			}
			equal(s, "read by the change", count(tx), entries)
			if err := tx.InsertAudit(s.ctx, entry(org, "last", 6)); err != nil {
				return err
			}
			return tx.SetAuditDetail(s.ctx, &store.AuditEntry{ID: "last", OrgID: org, CreatedAt: 6, Detail: ptr("{}")})
		})
		equal(s, "committed", count(s), entries+1)
		same(s, "rewritten", must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)[0].Detail, ptr("{}"))
	}},
	{"of a change of the platform", func(s *suite) {
		org := s.org()
		s.update("", func(tx store.Tx) error { return tx.InsertAudit(s.ctx, entry(org, "created", 5)) })
		equal(s, "written", len(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 2}))(s)), 1)
	}},
	{"with UUIDs, imported and written", func(s *suite) {
		org := s.org()
		const bot, target = "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f6", "0199f0a1-2b3c-7d4e-8f50-a1b2c3d4e5f7"
		var written []store.AuditEntry
		add := func(id string, put func(store.Tx, store.AuditEntry) error) {
			e := *entry(org, id, 5)
			e.BotID, e.TargetID, e.Detail = ptr(bot), target, ptr(`{"thread_id":"`+target+`","to":"`+bot+`"}`)
			s.update(org, func(tx store.Tx) error { return put(tx, e) })
			written = append(written, e)
		}
		for n := range 4 {
			add(fmt.Sprintf("0199f0a1-2b3c-7d4e-8f50-00000000000%d", 2*n), func(tx store.Tx, e store.AuditEntry) error {
				return tx.ImportRows(s.ctx, &store.ImportRows{Audit: []store.AuditEntry{e}})
			})
			add(fmt.Sprintf("0199f0a1-2b3c-7d4e-8f50-00000000000%d", 2*n+1), func(tx store.Tx, e store.AuditEntry) error { return tx.InsertAudit(s.ctx, &e) })
		}
		id := func(e store.AuditEntry) string { return e.ID }
		var paged []store.AuditEntry
		for q := (store.AuditQuery{OrgID: org, Limit: 1}); len(paged) <= len(written); q.Before = keyOf(paged[len(paged)-1].ID, 5) {
			page := must(s.Audit(s.ctx, q))(s)
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
		}
		slices.SortFunc(paged, func(a, b store.AuditEntry) int { return strings.Compare(a.ID, b.ID) })
		same(s, "each entry once", paged, written)
		for what, q := range map[string]store.AuditQuery{"bot": {BotID: bot}, "target": {TargetID: target}} {
			q.OrgID, q.Limit = org, 100
			equal(s, "of a "+what, len(must(s.Audit(s.ctx, q))(s)), len(written))
		}
		equal(s, "of another", len(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, BotID: target, Limit: 1}))(s)), 0)
		for i := range written[:2] {
			written[i].Detail = ptr(`{"to":"` + target + `"}`)
			s.update(org, func(tx store.Tx) error { return tx.SetAuditDetail(s.ctx, &written[i]) })
		}
		all := must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 100}))(s)
		slices.SortFunc(all, func(a, b store.AuditEntry) int { return strings.Compare(id(a), id(b)) })
		same(s, "with another detail", all, written)
		s.update(org, func(tx store.Tx) error { _, err := tx.PruneAudit(s.ctx, org, 6, 100); return err })
		equal(s, "pruned", len(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)), 0)
	}},
	{"of changes side by side", func(s *suite) {
		org := s.org()
		const changes = 200
		failed := errors.New("this change fails")
		var all sync.WaitGroup
		for i := range changes {
			all.Go(func() {
				err := s.Update(s.ctx, org, func(tx store.Tx) error {
					if err := tx.InsertAudit(s.ctx, entry(org, fmt.Sprintf("e%03d", i), 5)); err != nil {
						return err
					}
					if i%10 == 3 {
						return failed
					}
					return nil
				})
				if i%10 == 3 != errors.Is(err, failed) {
					s.Errorf("change %d: %v", i, err)
				}
			})
		}
		all.Wait()
		var want []string
		for i := changes - 1; i >= 0; i-- {
			if i%10 != 3 {
				want = append(want, fmt.Sprintf("e%03d", i))
			}
		}
		same(s, "entries", keys(must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: changes}))(s), func(e store.AuditEntry) string { return e.ID }), want)
	}},
	{"filters", func(s *suite) {
		org, other := s.org(), s.org()
		add := func(org, id, action, target string, bot *string, at int64) {
			s.update(org, func(tx store.Tx) error {
				return tx.InsertAudit(s.ctx, &store.AuditEntry{ID: id, OrgID: org, BotID: bot, Action: action, TargetType: "t" + target, TargetID: target, Detail: ptr(`{"x":1}`), CreatedAt: at})
			})
		}
		add(other, "foreign", "a", "1", nil, 9)
		add(org, "e1", "a", "1", nil, 5)
		add(org, "e2", "b", "1", ptr("bot"), 5)
		add(org, "e3", "a", "2", ptr("bot"), 6)
		id := func(e store.AuditEntry) string { return e.ID }
		for _, c := range []struct {
			q    store.AuditQuery
			want []string
		}{
			{store.AuditQuery{}, []string{"e3", "e2", "e1"}},
			{store.AuditQuery{Since: 5}, []string{"e3"}},
			{store.AuditQuery{Action: "a"}, []string{"e3", "e1"}},
			{store.AuditQuery{TargetType: "t1"}, []string{"e2", "e1"}},
			{store.AuditQuery{TargetID: "2"}, []string{"e3"}},
			{store.AuditQuery{BotID: "bot", Action: "b"}, []string{"e2"}},
			{store.AuditQuery{Action: "A"}, []string{}},
			{store.AuditQuery{Limit: 2}, []string{"e3", "e2"}},
			{store.AuditQuery{Before: &store.PageKey{At: 5, ID: "e2"}}, []string{"e1"}},
		} {
			c.q.OrgID = org
			if c.q.Limit == 0 {
				c.q.Limit = 50
			}
			same(s, show(c.q), keys(must(s.Audit(s.ctx, c.q))(s), id), c.want)
		}
		e := must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Limit: 1}))(s)[0]
		same(s, "entry", e, store.AuditEntry{ID: "e3", OrgID: org, BotID: ptr("bot"), Action: "a", TargetType: "t2", TargetID: "2", Detail: ptr(`{"x":1}`), CreatedAt: 6})
	}},
}
