package storetest

import (
	"strings"

	"github.com/b2b-protocol/b2b/server/store"
)

// quotaTests hold that what is used of the quotas of artifacts is counted exactly.
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
}
