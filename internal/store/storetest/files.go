package storetest

import (
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
)

// file adds a file of a bot and returns its row.
func (s *suite) file(org, uploader string, size, at int64) *store.File {
	s.Helper()
	f := &store.File{ID: s.id("file"), OrgID: org, UploaderID: &uploader, Name: "naïve.txt", MIMEType: "text/plain", Size: size, CreatedAt: at}
	s.update(org, func(tx store.Tx) error { return tx.CreateFile(s.ctx, f) })
	return f
}

var fileTests = []test{
	{"create and read", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.bot(org, "a")
		equal(s, "any file at first", must(s.AnyFile(s.ctx))(s), false)
		f := s.file(org, a, 5<<30, 7)
		equal(s, "any file", must(s.AnyFile(s.ctx))(s), true)
		same(s, "file", must(s.File(s.ctx, org, f.ID))(s), f)
		missing(s.File(s.ctx, other, f.ID))(s)
		missing(s.File(s.ctx, org, "none"))(s)
		s.refused(org, store.ConflictID, func(tx store.Tx) error { return tx.CreateFile(s.ctx, f) })
		s.refused(org, store.ConflictReference, func(tx store.Tx) error {
			nobody := "nobody"
			return tx.CreateFile(s.ctx, &store.File{ID: s.id("file"), OrgID: org, UploaderID: &nobody})
		})
		empty := &store.File{ID: s.id("file"), OrgID: org}
		s.update(org, func(tx store.Tx) error { return tx.CreateFile(s.ctx, empty) })
		same(s, "file of nobody", must(s.File(s.ctx, org, empty.ID))(s), empty)
	}},
	{"what was uploaded on a day", func(s *suite) {
		const day = 24 * 60 * 60 * 1000
		org, other := s.org(), s.org()
		a, b, c := s.bot(org, "a"), s.bot(org, "b"), s.bot(other, "c")
		s.file(org, a, 1, 5*day-1)
		s.file(org, a, 10, 5*day)
		s.file(org, b, 100, 5*day)
		s.file(org, a, 1000, 6*day-1)
		s.file(other, c, 10_000, 5*day+1)
		for _, want := range []struct {
			org, bot     string
			at, all, own int64
		}{
			{org, a, 5 * day, 1110, 1010}, {org, b, 6*day - 1, 1110, 100}, {org, a, 6 * day, 0, 0}, {org, a, 4 * day, 1, 1},
			{org, c, 5 * day, 1110, 0}, {other, c, 5 * day, 10_000, 10_000}, {"none", a, 5 * day, 0, 0},
		} {
			all, own, err := s.UploadedOn(s.ctx, want.org, want.bot, want.at)
			same(s, "sums", []any{all, own, err}, []any{want.all, want.own, nil})
		}
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, b, 200); return err })
		all, _, err := s.UploadedOn(s.ctx, org, b, 5*day)
		same(s, "sum with those of a bot that is deleted", []any{all, err}, []any{1110, nil})
		s.file(org, b, 1, 6*day)
		all, _, err = s.UploadedOn(s.ctx, org, b, 5*day)
		same(s, "sum of yesterday", []any{all, err}, []any{1110, nil})
		s.file(org, b, 1, 7*day)
		all, _, err = s.UploadedOn(s.ctx, org, b, 5*day)
		same(s, "sum of a day that is forgotten", []any{all, err}, []any{0, nil})
	}},
	{"a quota that is checked in the change holds against 32 callers", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		var stored atomic.Int64
		parallel(32, func(int) {
			f := &store.File{ID: s.id("file"), OrgID: org, UploaderID: &a, Size: 10, CreatedAt: 5}
			kept := false
			err := s.Update(s.ctx, org, func(tx store.Tx) error {
				kept = false
				all, _, err := tx.UploadedOn(s.ctx, org, a, 5)
				if err != nil || all+f.Size > 100 {
					return err
				}
				kept = true
				return tx.CreateFile(s.ctx, f)
			})
			if err != nil {
				s.Errorf("upload: %v", err)
			}
			if kept {
				stored.Add(1)
			}
		})
		equal(s, "stored", stored.Load(), 10)
	}},
	{"known files", func(s *suite) {
		org, other := s.org(), s.org()
		a, c := s.bot(org, "a"), s.bot(other, "c")
		f, g, h := s.file(org, a, 1, 1), s.file(org, a, 1, 1), s.file(other, c, 1, 1)
		same(s, "known", must(s.KnownFiles(s.ctx, org, []string{g.ID, "none", f.ID, h.ID, `"`}))(s), []string{f.ID, g.ID})
		equal(s, "of none", len(must(s.KnownFiles(s.ctx, org, nil))(s)), 0)
	}},
	{"go with their organisation", func(s *suite) {
		org, other := s.org(), s.org()
		f, kept := s.file(org, s.bot(org, "a"), 1, 1), s.file(other, s.bot(other, "c"), 1, 1)
		s.update(org, func(tx store.Tx) error { return tx.DeleteOrg(s.ctx, org) })
		missing(s.File(s.ctx, org, f.ID))(s)
		same(s, "the other's", must(s.File(s.ctx, other, kept.ID))(s), kept)
	}},
	{"lose an uploader who is deleted", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		f := s.file(org, a, 1, 1)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteBot(s.ctx, org, a, b, 50); return err })
		f.UploaderID = nil
		same(s, "file", must(s.File(s.ctx, org, f.ID))(s), f)
	}},
	{"the id of the database never changes", func(s *suite) {
		ids := make([]string, 16)
		parallel(len(ids), func(i int) {
			err := s.Update(s.ctx, "", func(tx store.Tx) (err error) {
				ids[i], err = tx.Installation(s.ctx, s.id("installation"))
				return err
			})
			if err != nil {
				s.Errorf("installation: %v", err)
			}
		})
		for _, id := range ids {
			equal(s, "id", id, ids[0])
		}
	}},
}
