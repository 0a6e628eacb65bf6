package files_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// claim is files.Claim for a whole store.
func claim(ctx context.Context, bytes files.Store, db *sqlstore.Store) error {
	return files.Claim(ctx, bytes, store.Narrow(db, func(tx store.Tx) files.Tx { return tx }))
}

// newDatabase opens a database with one org.
func newDatabase(t *testing.T) (*sqlstore.Store, string) {
	t.Helper()
	db := sqltest.SQLite(t)
	org := uuid.NewString()
	err := db.Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: org, Name: "org", SecretHash: org, Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, org
}

func TestSweep(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, org := newDatabase(t)
	dir := t.TempDir()
	d := openDisk(t, dir)
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	put := func(org string, named bool) files.Key {
		t.Helper()
		key := files.Key{Org: org, File: uuid.NewString()}
		if _, err := d.Put(ctx, key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		if named {
			err := db.Update(ctx, org, func(tx store.Tx) error {
				return tx.CreateFile(ctx, &store.File{ID: key.File, OrgID: org, Name: "x", Size: 1})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return key
	}
	named, orphan, destroyed := put(org, true), put(org, false), put(uuid.NewString(), false)
	swept := func(now time.Time, want files.Swept) {
		t.Helper()
		if got, err := files.Sweep(ctx, d, db, now, context.Cause); got != want || err != nil {
			t.Errorf("swept %+v, %v, want %+v", got, err, want)
		}
	}
	swept(time.Now().Add(files.Grace-time.Minute), files.Swept{}) // an upload may be about to commit
	swept(time.Now().Add(files.Grace+time.Minute), files.Swept{Orphans: 2})
	swept(time.Now().Add(files.Grace+time.Minute), files.Swept{})
	for key, there := range map[files.Key]bool{named: true, orphan: false, destroyed: false} {
		o, err := d.Open(ctx, key)
		if (err == nil) != there {
			t.Errorf("%v: %v", key, err)
		}
		if err == nil {
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A server never takes the files of another database for its own orphans, and notices
// when its own are not where it looks.
func TestClaim(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, org := newDatabase(t)
	other, _ := newDatabase(t)
	open := func(dir string) *files.Disk {
		d := openDisk(t, dir)
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return d
	}
	dir := t.TempDir()
	mine, elsewhere := open(dir), open(t.TempDir())
	for range 2 {
		if err := claim(ctx, mine, db); err != nil {
			t.Fatal(err)
		}
	}
	if err := claim(ctx, mine, other); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("the claim of another database: %v", err)
	}
	if err := claim(ctx, elsewhere, db); err != nil {
		t.Errorf("a second place while there are no files: %v", err)
	}
	empty := open(t.TempDir())
	err := db.Update(ctx, org, func(tx store.Tx) error {
		return tx.CreateFile(ctx, &store.File{ID: uuid.NewString(), OrgID: org})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = claim(ctx, empty, db)
	if err == nil || !strings.Contains(err.Error(), "all nodes must share one place") {
		t.Fatalf("an empty place: %v", err)
	}
	// The message says how to go on when the files are lost.
	at := strings.Index(err.Error(), "the line ")
	id := strings.Fields(err.Error()[at+len("the line "):])[0]
	lost := t.TempDir()
	if err := os.WriteFile(filepath.Join(lost, "owner.txt"), []byte(id+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := claim(ctx, open(lost), db); err != nil {
		t.Error(err)
	}
}
