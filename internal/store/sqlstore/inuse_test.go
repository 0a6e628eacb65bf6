package sqlstore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

func TestInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b2b.db")
	is := func(want bool, when string) {
		t.Helper()
		err := InUse(t.Context(), path)
		var used *InUseError
		if errors.As(err, &used) != want || (err == nil) == want {
			t.Errorf("%s: %v", when, err)
		}
		if want && runtime.GOOS == "linux" && !slices.Contains(used.PIDs, os.Getpid()) {
			t.Errorf("%s: %v names not this process, %d", when, err, os.Getpid())
		}
	}
	is(false, "before it is there")
	s, err := Open(t.Context(), Config{URL: path})
	if err != nil {
		t.Fatal(err)
	}
	is(true, "while it is open")
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("the store after it was asked: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	is(false, "when it is closed")
}

// B2B-ENV-006: a file is opened once, whatever it is called, and stays usable for the process that
// has it.
func TestOpenIsExclusive(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "b2b.db")
	first, err := Open(t.Context(), Config{URL: path})
	if err != nil {
		t.Fatal(err)
	}
	folder, link, hard := filepath.Join(elsewhere, "folder"), filepath.Join(elsewhere, "link.db"), filepath.Join(elsewhere, "hard.db")
	for _, err := range []error{os.Symlink(dir, folder), os.Symlink(path, link), os.Link(path, hard)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	names := []string{path, filepath.Join(dir, "..", filepath.Base(dir), "b2b.db"), filepath.Join(folder, "b2b.db"), link, hard}
	for _, name := range names {
		s, err := Open(t.Context(), Config{URL: name})
		var used *InUseError
		if !errors.As(err, &used) {
			t.Errorf("%s is opened twice: %v", name, err)
		}
		if err == nil {
			_ = s.Close() // the test has failed
		}
	}
	if err := first.Update(t.Context(), "", func(store.Tx) error { return nil }); err != nil {
		t.Errorf("the process that has the file cannot write: %v", err)
	}
	if err := InUse(t.Context(), path); err == nil {
		t.Error("who has the file has lost its locks")
	}
	beside, err := Open(t.Context(), Config{URL: path, Shared: true})
	if err != nil {
		t.Fatalf("a tool cannot look: %v", err)
	}
	if err := errors.Join(beside.Ping(t.Context()), beside.Close()); err != nil {
		t.Error(err)
	}
	if err := InUse(t.Context(), path); err == nil {
		t.Error("who has the file has lost its locks to a tool")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s, err := Open(t.Context(), Config{URL: name})
		if err != nil {
			t.Errorf("%s, when nobody has it: %v", name, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// B2B-ENV-007: only the owner reads the database, new or old.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b2b.db")
	for _, when := range []string{"new", "old"} {
		if when == "old" {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.WriteFile(path+suffix, nil, 0o644); err != nil { // empty files are as good as none
					t.Fatal(err)
				}
				if err := os.Chmod(path+suffix, 0o664); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := Open(t.Context(), Config{URL: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has mode %v (%v)", when, suffix, info.Mode(), err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
