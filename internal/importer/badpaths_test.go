package importer_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/importer"
)

// A path that leads nowhere, or elsewhere, costs its own file its bytes and nothing else.
// It proves B2B-IMP-010.
func TestBadPathsCostTheirOwnBytes(t *testing.T) {
	t.Parallel()
	const (
		outside = "its path is not one below files/"
		foreign = "its path leads to the files of another"
		twice   = "a file of another organisation has the same path"
		noFile  = "its path leads to nothing that is a file"
		gone    = "its bytes are not in the folder"
	)
	tree := "files/" + northwind + "/bot/tr/tree.txt"
	theirs := "files/" + harbor + "/bot/se/secret.txt"
	cases := map[string]struct{ path, why string }{
		"bad-flat":     {"files/flat.txt", ""},
		"bad-tree":     {tree, ""},
		"bad-nul":      {"files/a' || char(0) || 'b", outside},
		"bad-long":     {"files/" + strings.Repeat("x", 5000), noFile},
		"bad-through":  {tree + "/below", noFile},
		"bad-escape":   {"files/escape.txt", noFile},
		"bad-loop":     {"files/loop.txt", noFile},
		"bad-folder":   {"files/" + northwind + "/bot", noFile},
		"bad-database": {"hxa-connect.db", outside},
		"bad-foreign":  {theirs, foreign},
		"bad-shared":   {"files/shared.txt", twice},
		"bad-gone":     {"files/gone.txt", gone},
	}
	dir := unpack(t)
	put := func(name string) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"files/flat.txt", tree, theirs, "files/shared.txt", "secret.txt"} {
		put(name)
	}
	for link, to := range map[string]string{"escape.txt": "../secret.txt", "loop.txt": "loop.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, "files", link)); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id, org, path string) string {
		return "INSERT INTO files (id, org_id, name, mime_type, size, path, created_at) VALUES ('" + id + "', '" + org + "', 'x', 'text/plain', 1, '" + path + "', 1)"
	}
	statements := []string{row("other-shared", harbor, "files/shared.txt")}
	for id, c := range cases {
		statements = append(statements, row(id, northwind, c.path))
	}
	change(t, filepath.Join(dir, "hxa-connect.db"), statements...)
	for _, to := range targets(t) {
		r := importInto(t, dir, "", to)
		if r.Failed() {
			t.Errorf("into %s: %+v", to.name, r.Orgs)
		}
		db := to.open(t)
		disk := must(files.OpenDisk(filepath.Join(to.dir, "b2b-files"), slog.New(slog.DiscardHandler)))(t)
		for id, c := range cases {
			must(db.File(t.Context(), northwind, id))(t)
			object, err := disk.Open(t.Context(), files.Key{Org: northwind, File: id})
			if err == nil {
				err = object.Close()
			} else if c.why != "" && errors.Is(err, files.ErrNotFound) {
				err = nil
			}
			if err != nil || (object == nil) != (c.why != "") {
				t.Errorf("into %s: the bytes of %s: %v, %v", to.name, id, object, err)
			}
			said := slices.ContainsFunc(r.Changed, func(n importer.Note) bool {
				return n.Table == "files" && c.why != "" && strings.HasPrefix(n.Why, c.why) && slices.Contains(n.IDs, id)
			})
			if said != (c.why != "") {
				t.Errorf("into %s: the report says of %s: %v, want %q", to.name, id, r.Changed, c.why)
			}
		}
		if err := errors.Join(db.Close(), disk.Close()); err != nil {
			t.Error(err)
		}
	}
}
