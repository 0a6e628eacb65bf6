package storetest

import (
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// longText is a text of which four fill a list.
const longText = store.PageBytes/4 + 1000

// longRows is how many rows with such a text the lists of these tests have.
const longRows = 7

// boundTests check that lists end by the bytes of their texts, whatever the limit.
var boundTests = []test{
	{"messages", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t, ch := s.thread(org, "t", 1, a), s.channel(org, a, b, 1)
		var inThread, direct []string
		for i := range int64(longRows) {
			inThread = append(inThread, s.post(org, t.ID, a, long("needle", i), 10+i/2, func(m *store.ThreadMessage) { m.Parts = ptr("[]") }))
			direct = append(direct, s.say(org, ch, a, long("x", i), 10+i/2, func(m *store.ChannelMessage) { m.Parts = ptr("[]") }))
		}
		newest := func(n int) []string { return inThread[longRows-n:] }
		same(s, "range", keys(must(s.ThreadMessages(s.ctx, t.ID, store.MessageRange{Limit: 100}))(s), messageID), newest(4))
		same(s, "few", keys(must(s.ThreadMessages(s.ctx, t.ID, store.MessageRange{Limit: 2}))(s), messageID), newest(2))
		s.follow("history", inThread, true, func(last string, _ int64) (ids []string, at int64) {
			return keys(must(s.ThreadHistory(s.ctx, t.ID, last, 100))(s), messageID), 0
		})
		s.follow("search", inThread, true, func(last string, at int64) ([]string, int64) {
			rows := must(s.SearchMessages(s.ctx, org, "NEEDLE", keyOf(last, at), 100))(s)
			return keys(rows, func(h store.MessageHit) string { return h.MessageID }), rows[len(rows)-1].CreatedAt
		})
		id := func(m store.ChannelMessageRow) string { return m.ID }
		same(s, "direct range", keys(must(s.ChannelMessages(s.ctx, ch, store.MessageRange{Limit: 100}))(s), id), direct[longRows-4:])
		s.follow("direct history", direct, true, func(last string, _ int64) ([]string, int64) {
			return keys(must(s.ChannelHistory(s.ctx, ch, last, 100))(s), id), 0
		})
		s.follow("inbox", direct, false, func(last string, at int64) ([]string, int64) {
			rows := must(s.Inbox(s.ctx, b, 0, keyOf(last, at), 100))(s)
			return keys(rows, id), rows[len(rows)-1].CreatedAt
		})
		last := must(s.DirectChannelsOf(s.ctx, a, nil, 10))(s)[0].LastMessage
		equal(s, "a preview is short", len(last.Content) > 200 && len(last.Content) < 1000, true)
	}},
	{"messages without parts show their content twice", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t, ch := s.thread(org, "t", 1, a), s.channel(org, a, b, 1)
		var inThread, direct []string
		for i := range int64(longRows) {
			inThread = append(inThread, s.post(org, t.ID, a, long("x", i), 10+i))
			direct = append(direct, s.say(org, ch, a, long("x", i), 10+i))
		}
		id := func(m store.ChannelMessageRow) string { return m.ID }
		same(s, "range", keys(must(s.ThreadMessages(s.ctx, t.ID, store.MessageRange{Limit: 100}))(s), messageID), inThread[longRows-2:])
		same(s, "direct range", keys(must(s.ChannelMessages(s.ctx, ch, store.MessageRange{Limit: 100}))(s), id), direct[longRows-2:])
		equal(s, "history", len(must(s.ThreadHistory(s.ctx, t.ID, inThread[longRows-1], 100))(s)), 2)
		equal(s, "direct history", len(must(s.ChannelHistory(s.ctx, ch, direct[longRows-1], 100))(s)), 2)
		same(s, "inbox", keys(must(s.Inbox(s.ctx, b, 0, nil, 100))(s), id), direct[:2])
	}},
	{"replies to long messages", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		t := s.thread(org, "t", 1, a)
		var replies []string
		for i := range int64(longRows) {
			parent := s.post(org, t.ID, a, long("x", i), 10+i)
			replies = append(replies, s.post(org, t.ID, a, "y", 100+i, func(m *store.ThreadMessage) { m.ReplyToID = &parent }))
		}
		rows := must(s.ThreadMessages(s.ctx, t.ID, store.MessageRange{Since: ptr(int64(99)), Limit: 100}))(s)
		same(s, "replies", keys(rows, messageID), replies[longRows-4:])
		for _, m := range rows {
			equal(s, "the message that is answered is there", m.ReplyTo != nil && len(m.ReplyTo.Content) > longText, true)
		}
		for i := range int64(longRows) { // to one long message: it is read once, and counted each time
			parent := *rows[0].ReplyToID
			s.post(org, t.ID, a, "z", 200+i, func(m *store.ThreadMessage) { m.ReplyToID = &parent })
		}
		rows = must(s.ThreadMessages(s.ctx, t.ID, store.MessageRange{Since: ptr(int64(199)), Limit: 100}))(s)
		equal(s, "replies to one", len(rows), longRows)
	}},
	{"artifacts", func(s *suite) {
		org := s.org()
		t := s.thread(org, "t", 1)
		var ids []string
		for i := range int64(longRows) {
			text := long("x", i)
			for _, a := range []*store.Artifact{
				{Key: fmt.Sprintf("k%d", 9-i), Version: 1, CreatedAt: 10 + i/2}, {Key: "k0", Version: i + 1, CreatedAt: 5},
			} {
				a.ID, a.ThreadID, a.Type, a.Content = s.id("art"), t.ID, "text", &text
				s.update(org, func(tx store.Tx) error { return tx.InsertArtifact(s.ctx, a) })
			}
		}
		key := func(a store.Artifact) string { return fmt.Sprintf("%02d %s", a.CreatedAt, a.Key) }
		ids = append(ids, "05 k0")
		for i := range longRows {
			at := 10 + i/2
			ids = append(ids, fmt.Sprintf("%02d k%d", at, 9-i))
		}
		// Two of each time are in order of their keys.
		for i := 1; i+1 < len(ids); i += 2 {
			ids[i], ids[i+1] = ids[i+1], ids[i]
		}
		s.follow("by age", ids, false, func(last string, at int64) ([]string, int64) {
			if last != "" {
				last = last[3:]
			}
			rows := must(s.Artifacts(s.ctx, t.ID, keyOf(last, at), 100))(s)
			return keys(rows, key), rows[len(rows)-1].CreatedAt
		})
		name := func(a store.Artifact) string { return a.Key }
		s.follow("by key", []string{"k0", "k3", "k4", "k5", "k6", "k7", "k8", "k9"}, false, func(last string, _ int64) ([]string, int64) {
			return keys(must(s.ArtifactsPage(s.ctx, t.ID, last, 100))(s), name), 0
		})
		version := int64(0)
		s.follow("versions", []string{"1", "2", "3", "4", "5", "6", "7"}, false, func(string, int64) ([]string, int64) {
			rows := must(s.ArtifactVersions(s.ctx, t.ID, "k0", version, 100))(s)
			version = rows[len(rows)-1].Version
			return keys(rows, func(a store.Artifact) string { return fmt.Sprint(a.Version) }), 0
		})
	}},
	{"threads, bots, audit entries", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		var ids, entries, names []string
		for i := range int64(longRows) {
			text := long("x", i)
			t := s.newThread(org, "t", 10+i/2)
			t.Context = &text
			s.update(org, func(tx store.Tx) error {
				return tx.CreateThread(s.ctx, t, []store.Participant{{BotID: a, JoinedAt: 1}})
			})
			ids = append(ids, t.ID)
			e := entry(org, s.id("aud"), 10+i/2)
			e.Detail = &text
			s.update(org, func(tx store.Tx) error { return tx.InsertAudit(s.ctx, e) })
			entries = append(entries, e.ID)
			name := fmt.Sprintf("b%d", i)
			s.bot(org, name, func(b *store.Bot) { b.Metadata, b.Tags = &text, ptr(`["long"]`) })
			names = append(names, name)
		}
		for _, scope := range []store.ThreadScope{store.ThreadsJoined, store.ThreadsDiscovered, store.ThreadsAll} {
			s.follow(fmt.Sprint("threads of scope ", scope), ids, true, func(last string, at int64) ([]string, int64) {
				rows := must(s.Threads(s.ctx, store.ThreadQuery{
					OrgID: org, BotID: a, Scope: scope, Before: keyOf(last, at), Limit: 100,
				}))(s)
				equal(s, "the computed columns", fmt.Sprint(rows[0].ParticipantCount, rows[0].IsParticipant), "1 true")
				return keys(rows, func(t store.ThreadRow) string { return t.ID }), rows[len(rows)-1].LastActivityAt
			})
		}
		s.follow("audit entries", entries, true, func(last string, at int64) ([]string, int64) {
			rows := must(s.Audit(s.ctx, store.AuditQuery{OrgID: org, Action: "x", Before: keyOf(last, at), Limit: 100}))(s)
			return keys(rows, func(e store.AuditEntry) string { return e.ID }), rows[len(rows)-1].CreatedAt
		})
		name := func(b store.Bot) string { return b.Name }
		for _, tag := range []string{"", "LONG"} {
			s.follow("bots of tag "+tag, names, false, func(last string, _ int64) ([]string, int64) {
				return keys(must(s.Bots(s.ctx, store.BotQuery{OrgID: org, ExceptID: a, Tag: tag, AfterName: last, Limit: 100}))(s), name), 0
			})
		}
		equal(s, "a page of bots", len(must(s.BotsPage(s.ctx, org, "b", "", 100))(s)), 4)
	}},
	{"the log", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		t := s.thread(org, "t", 1, a)
		top := must(s.LogTop(s.ctx, org))(s).Seq
		var seqs []string
		for i := range int64(longRows) {
			payload := []byte(long("x", i))
			s.update(org, func(tx store.Tx) error {
				_, err := tx.Append(s.ctx, store.Event{At: 1, Type: "x", Audience: store.AudienceThread, ThreadID: &t.ID, Payload: payload})
				return err
			})
			seqs = append(seqs, fmt.Sprint(top+i+1))
		}
		for what, read := range map[string]func(after int64) ([]store.Event, error){
			"whole": func(after int64) ([]store.Event, error) { return s.ReadLog(s.ctx, org, after, 100) },
			"scope": func(after int64) ([]store.Event, error) {
				return inRange(s, org, store.LogRange{ScopeID: t.ID, Type: "x", After: after, UpTo: top + longRows}, 100)
			},
		} {
			after := top
			s.follow(what, seqs, false, func(string, int64) ([]string, int64) {
				rows := must(read(after))(s)
				after = rows[len(rows)-1].Seq
				return keys(rows, func(e store.Event) string { return fmt.Sprint(e.Seq) }), 0
			})
		}
	}},
}

// long is a text that differs from others.
func long(begin string, n int64) string {
	return begin + fmt.Sprint(n) + strings.Repeat("é", longText/2)
}

// keyOf returns the key of the row with this id and time; nil without a row.
func keyOf(id string, at int64) *store.PageKey {
	if id == "" {
		return nil
	}
	return &store.PageKey{At: at, ID: id}
}

// follow reads page after page of a list whose rows are long: four of them, since the
// fourth takes their texts past the bound, until all were read. newestFirst says that the
// list has the rows from the last to the first.
func (s *suite) follow(what string, want []string, newestFirst bool, page func(last string, at int64) (ids []string, lastAt int64)) {
	s.Helper()
	var got []string
	last, at := "", int64(0)
	for len(got) < len(want) {
		var ids []string
		ids, at = page(last, at)
		if wanted := min(4, len(want)-len(got)); len(ids) != wanted {
			s.Fatalf("%s: a page has %d rows, want %d", what, len(ids), wanted)
		}
		got, last = append(got, ids...), ids[len(ids)-1]
	}
	if newestFirst {
		for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
			got[i], got[j] = got[j], got[i]
		}
	}
	same(s, what, got, want)
}
