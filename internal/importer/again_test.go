package importer_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// outcomes gives what became of each org.
func outcomes(r *importer.Report) map[string]importer.Outcome {
	out := map[string]importer.Outcome{}
	for _, o := range r.Orgs {
		out[o.ID] = o.Outcome
	}
	return out
}

// Run again, an import doubles nothing; news comes over where nothing has happened here
// since, and is refused where something has; what was deleted here stays so.
// It proves B2B-IMP-004.
func TestAgain(t *testing.T) {
	t.Parallel()
	for _, to := range targets(t) {
		t.Run(to.name, func(t *testing.T) {
			dir := unpack(t)
			file := filepath.Join(dir, "hxa-connect.db")
			importInto(t, dir, "", to)
			before := epochs(t, to)

			r := importInto(t, dir, "", to)
			for id, o := range outcomes(r) {
				if o != importer.Present {
					t.Errorf("org %s the second time: %s", id, o)
				}
			}
			if after := epochs(t, to); !slices.Equal(after, before) {
				t.Errorf("the logs were %v, are %v", before, after)
			}

			// Here, something happens in one org; there, in two.
			s := to.open(t)
			update(t, s, harbor, func(tx store.Tx) error {
				_, err := tx.Append(context.Background(), store.Event{At: 1, Type: "message", Audience: store.AudienceOrg, Payload: []byte{}})
				return err
			})
			var code string
			for _, c := range must(s.InviteCodes(t.Context(), nil, 10))(t) {
				code = c.ID
			}
			update(t, s, "", func(tx store.Tx) error { return tx.DeleteInviteCode(context.Background(), code) })
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, file,
				"INSERT INTO messages (id, channel_id, sender_id, content, created_at) VALUES ('new-1', '"+talk+"', '"+scribe+"', 'news', 1795340900000)",
				"INSERT INTO audit_log (id, org_id, action, target_type, target_id, created_at) VALUES ('new-2', '"+harbor+"', 'x', 'y', 'z', 1795340900000)",
				"UPDATE platform_invite_codes SET use_count = use_count + 7",
			)
			r = importInto(t, dir, "", to)
			got := outcomes(r)
			if got[northwind] != importer.Replaced || got[harbor] != importer.Refused || got[vineyard] != importer.Present || !r.Failed() {
				t.Errorf("with news: %v", got)
			}
			s = to.open(t)
			if m := must(s.ChannelMessages(t.Context(), talk, store.MessageRange{Limit: 100}))(t); len(m) != 16 || m[15].ID != "new-1" {
				t.Errorf("%d messages, the last is %s", len(m), m[len(m)-1].ID)
			}
			if a := must(s.Audit(t.Context(), store.AuditQuery{OrgID: harbor, Limit: 1}))(t); a[0].ID == "new-2" {
				t.Error("news came into an org that was used here")
			}
			for _, c := range must(s.InviteCodes(t.Context(), nil, 10))(t) {
				if c.ID == code || c.UseCount < 7 {
					t.Errorf("invite code %+v", c)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func update(t *testing.T, s *sqlstore.Store, org string, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), org, fn); err != nil {
		t.Fatal(err)
	}
}

// epochs returns the logs apart, and how long they are.
func epochs(t *testing.T, to target) (all []string) {
	t.Helper()
	s := to.open(t)
	for _, o := range must(s.Orgs(t.Context(), nil, 100))(t) {
		top := must(s.LogTop(t.Context(), o.ID))(t)
		all = append(all, fmt.Sprint(o.ID, top))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there is no org")
	}
	return all
}

// An org of the same id that no import brought is not touched, nor is one whose
// rows are here under another.
func TestForeignOrgIsRefused(t *testing.T) {
	t.Parallel()
	to := targets(t)[0]
	s := to.open(t)
	update(t, s, "", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: vineyard, Name: "mine", SecretHash: "h", Status: store.OrgActive})
	})
	update(t, s, "", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: "other", Name: "mine", SecretHash: "h", Status: store.OrgActive})
	})
	update(t, s, "other", func(tx store.Tx) error {
		return tx.CreateBot(context.Background(), &store.Bot{ID: scribe, OrgID: "other", Name: "b", TokenHash: "t", AuthRole: "member", JoinStatus: "active"})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := importInto(t, unpack(t), "", to)
	got := outcomes(r)
	if got[vineyard] != importer.Refused || got[northwind] != importer.Refused || got[harbor] != importer.Imported {
		t.Errorf("outcomes %v", got)
	}
	for _, table := range r.Tables {
		if table.Rows != table.Carried+table.Skipped+table.Refused {
			t.Errorf("%+v", table)
		}
	}
	s = to.open(t)
	if o := must(s.Org(t.Context(), vineyard))(t); o.Name != "mine" {
		t.Errorf("the org is now %q", o.Name)
	}
	if _, err := s.Org(t.Context(), northwind); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a part of an org came over: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// B2B-IMP-031: a dry run reports the same, and what it does is taken back.
func TestDryRun(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		src := must(importer.Open(t.Context(), s.from, s.dir))(t)
		var last importer.Progress
		target := targets(t)[0].open(t)
		im := &importer.Importer{Source: src, Store: importer.Rehearsal{Store: narrowed(target)}, Keys: seal.New(seal.NewKey()), DryRun: true, Now: time.Now, Progress: func(p importer.Progress) {
			if p.Done < last.Done || p.Total == 0 {
				t.Errorf("progress from %v to %v", last, p)
			}
			last = p
		}}
		r, err := im.Run(t.Context())
		if err := errors.Join(err, src.Close()); err != nil {
			t.Fatal(err)
		}
		checkReport(t, s, r)
		if !r.DryRun || last.Done != last.Total {
			t.Errorf("dry run %v, progress ended at %v", r.DryRun, last)
		}
		if orgs, err := target.Orgs(t.Context(), nil, 9); err != nil || len(orgs) != 0 {
			t.Errorf("%v are in the target of a dry run, %v", orgs, err)
		}
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}
}

// An import that is given up leaves no part of an org.
// It proves B2B-IMP-003.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, to := range targets(t) {
		dir := unpack(t)
		src := must(importer.Open(t.Context(), dir, ""))(t)
		s := to.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		im := &importer.Importer{Source: src, Store: narrowed(s), Keys: seal.New(seal.NewKey()), NoNUL: true, Now: time.Now, Progress: func(p importer.Progress) {
			if p.Done > 200 {
				cancel()
			}
		}}
		_, err := im.Run(ctx)
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", to.name, err)
		}
		if _, err := s.Org(t.Context(), northwind); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: a part came over: %v", to.name, err)
		}
		if err := errors.Join(src.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		for id, o := range outcomes(importInto(t, dir, "", to)) {
			if o != importer.Imported {
				t.Errorf("%s: org %s afterwards: %s", to.name, id, o)
			}
		}
	}
}
