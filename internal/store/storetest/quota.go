package storetest

import (
	"errors"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// quotaTests check that the use of quotas is counted exactly.
var quotaTests = []test{
	{"versions that come and go", func(s *suite) {
		org, other := s.org(), s.org()
		t, beside, foreign := s.thread(org, "t", 1), s.thread(org, "u", 1), s.thread(other, "v", 1)
		const day = 24 * 60 * 60 * 1000
		at := int64(20 * day)
		use := func(org, thread string, at int64) store.ArtifactUse {
			return must(s.ArtifactUse(s.ctx, org, thread, at))(s)
		}
		same(s, "nothing", use(org, t.ID, at), store.ArtifactUse{})
		add := func(org, thread, key string, version, at int64, content string) string {
			a := &store.Artifact{
				ID: s.id("art"), ThreadID: thread, Key: key, Type: "text", Version: version, CreatedAt: at,
				Title: ptr("é"), Content: &content, Language: ptr("go"), URL: ptr("u"), MimeType: ptr("m/n"),
			}
			equal(s, "bytes of a version", a.Bytes(), int64(len(key)+2+len(content)+2+1+3))
			s.update(org, func(tx store.Tx) error { return tx.InsertArtifact(s.ctx, a) })
			return a.ID
		}
		first := add(org, t.ID, "k", 1, at-day, strings.Repeat("é", 45)) // 99
		second := add(org, t.ID, "k", 2, at, strings.Repeat("x", 991))   // 1000
		add(org, beside.ID, "k", 1, at+1, strings.Repeat("x", 9_991))    // 10000
		add(other, foreign.ID, "k", 1, at, strings.Repeat("x", 99_991))  // 100000
		same(s, "a thread", use(org, t.ID, at), store.ArtifactUse{Versions: 2, ThreadBytes: 1099, OrgBytes: 11_099, DayBytes: 11_000})
		same(s, "the one beside", use(org, beside.ID, at), store.ArtifactUse{Versions: 1, ThreadBytes: 10_000, OrgBytes: 11_099, DayBytes: 11_000})
		equal(s, "the day before", use(org, t.ID, at-day).DayBytes, 99)
		equal(s, "the next day", use(org, t.ID, at+day).DayBytes, 0)
		same(s, "another org", use(other, foreign.ID, at), store.ArtifactUse{Versions: 1, ThreadBytes: 100_000, OrgBytes: 100_000, DayBytes: 100_000})

		s.refused(org, store.ConflictArtifactKey, func(tx store.Tx) error {
			return tx.InsertArtifact(s.ctx, &store.Artifact{ID: "new", ThreadID: t.ID, Key: "k", Type: "text", Version: 2, CreatedAt: at})
		})
		equal(s, "a version that was refused", use(org, t.ID, at).OrgBytes, 11_099)
		s.update(org, func(tx store.Tx) error { // active: nothing goes
			n, err := tx.DeleteArtifacts(s.ctx, []string{first})
			equal(s, "versions of an active thread that go", n, 0)
			return err
		})
		equal(s, "an active thread", use(org, t.ID, at).OrgBytes, 11_099)
		s.update(org, func(tx store.Tx) error {
			ended := *t
			ended.Status, ended.Revision = "closed", 2
			return tx.UpdateThread(s.ctx, &ended, 1)
		})
		s.update(org, func(tx store.Tx) error {
			n, err := tx.DeleteArtifacts(s.ctx, []string{first, second, "unknown"})
			equal(s, "versions that go", n, 2)
			return err
		})
		same(s, "what went gives room", use(org, t.ID, at), store.ArtifactUse{OrgBytes: 10_000, DayBytes: 11_000})
		add(org, beside.ID, "k", 2, at+2*day, "y")
		equal(s, "old days are forgotten", use(org, beside.ID, at).DayBytes, 0)
	}},
	{"an import", func(s *suite) {
		org := "imported"
		const day = 24 * 60 * 60 * 1000
		t := s.newThread(org, "t", 1)
		content := strings.Repeat("x", 999)
		var rows store.ImportRows
		rows.Threads = []store.Thread{*t}
		for i := range int64(3) {
			rows.Artifacts = append(rows.Artifacts, store.Artifact{
				ID: s.id("art"), ThreadID: t.ID, Key: "k", Type: "text", Version: i + 1, Content: &content, CreatedAt: i / 2 * day,
			})
		}
		err := s.imported(org, func(tx store.Tx) error { return tx.ImportRows(s.ctx, &rows) })
		if err != nil {
			s.Fatal(err)
		}
		same(s, "what it brought", must(s.ArtifactUse(s.ctx, org, t.ID, day))(s),
			store.ArtifactUse{Versions: 3, ThreadBytes: 3000, OrgBytes: 3000, DayBytes: 1000})
	}},
	{"what changes store on a day", func(s *suite) {
		org, other := s.org(), s.org()
		channel := s.channel(org, s.bot(org, "a"), s.bot(org, "b"), 1)
		const day = 24 * 60 * 60 * 1000
		at := int64(20 * day)
		use := func(org string, at int64) (u store.Stored) {
			s.update(org, func(tx store.Tx) (err error) {
				u, err = tx.StoredOn(s.ctx, at)
				return err
			})
			return u
		}
		say := func(tx store.Tx, bytes int) error {
			parts := strings.Repeat("é", bytes/2)
			return tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{
				ID: s.id("msg"), ChannelID: channel, SenderID: "a", Content: "x", ContentType: "text", Parts: &parts, CreatedAt: 1,
			})
		}
		write := func(at int64, bulk bool, bytes int) {
			s.update(org, func(tx store.Tx) error {
				if err := say(tx, bytes); err != nil {
					return err
				}
				if _, err := tx.Append(s.ctx, store.Event{Type: "t", Audience: store.AudienceOrg, Payload: make([]byte, bytes)}); err != nil {
					return err
				}
				return tx.CountStored(s.ctx, at, bulk)
			})
		}
		about := func(what string, got, want int64) {
			s.Helper()
			if got < want || got > want+1000 {
				s.Errorf("%s: %d, want %d and little more", what, got, want)
			}
		}
		same(s, "nothing", use(org, at), store.Stored{})
		write(at, true, 50_000)
		write(at+1, false, 500_000)
		about("bulk", use(org, at).Bulk, 100_000)
		about("all", use(org, at).All, 1_100_000)
		same(s, "another org", use(other, at), store.Stored{})
		same(s, "no org", use("", at), store.Stored{})

		failed := errors.New("undo this")
		before := use(org, at)
		s.refused(org, failed, func(tx store.Tx) error {
			if err := say(tx, 100); err != nil {
				return err
			}
			if err := tx.CountStored(s.ctx, at, true); err != nil {
				return err
			}
			return failed
		})
		same(s, "what was undone", use(org, at), before)
		s.update(org, func(tx store.Tx) error { return say(tx, 100) })
		same(s, "what is not counted", use(org, at), before)

		write(at+day, true, 10_000)
		about("the next day", use(org, at+day).All, 20_000)
		same(s, "a clock that is a little behind", use(org, at+day-5000), use(org, at+day))
		same(s, "a clock that was put back", use(org, at), store.Stored{})
	}},
}
