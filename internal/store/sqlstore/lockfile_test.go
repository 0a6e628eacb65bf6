package sqlstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// B2B-ENV-006, where a lock file says who has a database (macOS, BSD, Windows): it is locked
// once, by whatever symbolic link, also within one process, and is free when it is released.
func TestLockByFile(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	path, folder, link := filepath.Join(dir, "b2b.db"), filepath.Join(elsewhere, "folder"), filepath.Join(elsewhere, "link.db")
	if err := os.Symlink(dir, folder); err != nil {
		t.Fatal(err)
	}
	release, err := lockByFile(path) // before the database is there
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, filepath.Join(folder, "b2b.db"), link, filepath.Join(dir, "..", filepath.Base(dir), "b2b.db")} {
		if _, err := lockByFile(name); !errors.Is(err, errLocked) {
			t.Errorf("%s is locked twice: %v", name, err)
		}
		if pids := lockedBy(name); !slices.Equal(pids, []int{os.Getpid()}) {
			t.Errorf("%s is reported as locked by %v", name, pids)
		}
	}
	other, err := lockByFile(filepath.Join(elsewhere, "b2b.db"))
	if err != nil {
		t.Fatalf("another database: %v", err)
	}
	if err := errors.Join(other(), release()); err != nil {
		t.Fatal(err)
	}
	again, err := lockByFile(link)
	if err != nil {
		t.Fatalf("after it was released: %v", err)
	}
	if info, err := os.Stat(path + "-lock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the lock file is %v, %v", info, err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	if _, err := lockByFile(filepath.Join(dir, "nowhere", "b2b.db")); err == nil {
		t.Error("a folder that is not there is locked")
	}
}
