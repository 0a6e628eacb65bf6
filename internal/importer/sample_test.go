package importer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/vault"
)

const sampleArchive = "testdata/hxa-connect-sample.tar.gz"

// unpack writes the samples to a folder of the test (testdata/README.md).
func unpack(t testing.TB) string {
	t.Helper()
	packed, err := os.ReadFile(sampleArchive)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(dir, "hxa-connect-sample")
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sample is one of the old databases.
type sample struct {
	name     string
	postgres bool
	dir      string // its data folder
	from     string // what to import
	expected expected
}

func samples(t testing.TB) []*sample {
	t.Helper()
	dir := unpack(t)
	all := []*sample{
		{name: "current", dir: dir},
		{name: "upgraded", dir: filepath.Join(dir, "upgraded")},
		{name: "postgres", dir: filepath.Join(dir, "postgres"), postgres: true},
	}
	for _, s := range all {
		read(t, filepath.Join(s.dir, "expected.json"), &s.expected)
		s.from = s.dir
		if s.postgres {
			s.from = pgtest.EmptyURL(t)
			load(t, s.from, filepath.Join(s.dir, "postgres.sql"))
		}
	}
	return all
}

// load runs a dump.
func load(t testing.TB, url, file string) {
	t.Helper()
	dump, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), string(dump)).ReadAll()
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatalf("load %s: %v", file, err)
	}
}

func read(t testing.TB, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// target is where to import to: a database and a data folder.
type target struct {
	name string
	dir  string
	url  string // PostgreSQL; empty: SQLite in dir
}

func targets(t testing.TB) []target {
	return []target{{name: "sqlite", dir: t.TempDir()}, {name: "postgres", dir: t.TempDir(), url: pgtest.URL(t)}}
}

// narrowed returns the part of a store that an importer needs.
func narrowed(s store.Store) importer.Store {
	return store.Narrow(s, func(tx store.Tx) importer.Tx { return tx })
}

func (to target) open(t testing.TB) *sqlstore.Store {
	t.Helper()
	url := to.url
	if url == "" {
		url = filepath.Join(to.dir, "b2b.db")
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url, NoTimeouts: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// after is a time just after a sample was made, and before its rows are old.
func (e *expected) after() time.Time { return time.UnixMilli(e.Source.LastRowAt).Add(10 * time.Minute) }

// importInto imports what from names.
func importInto(t testing.TB, from, folder string, to target) *importer.Report {
	t.Helper()
	src, err := importer.Open(t.Context(), from, folder)
	if err != nil {
		t.Fatal(err)
	}
	s := to.open(t)
	disk, err := files.OpenDisk(filepath.Join(to.dir, "b2b-files"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Claim(t.Context(), disk, store.Narrow(s, func(tx store.Tx) files.Tx { return tx })); err != nil {
		t.Fatal(err)
	}
	keys, err := vault.Open(t.Context(), vault.Config{Store: store.Narrow(s, func(tx store.Tx) vault.Tx { return tx }), Files: disk, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	im := &importer.Importer{Source: src, Store: narrowed(s), Files: disk, Keys: keys, NoNUL: to.url != "", Now: time.Now}
	report, err := im.Run(t.Context())
	if err := errors.Join(err, src.Close(), s.Close(), disk.Close()); err != nil {
		t.Fatalf("import %s: %v", from, err)
	}
	return report
}
