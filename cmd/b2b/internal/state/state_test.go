package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "file.json")
	if entries, err := Read[time.Time](path); err != nil || len(entries) != 0 {
		t.Errorf("a file that does not exist: %v, %v", entries, err)
	}
	entries := map[string]time.Time{"": time.Unix(3, 0), "old": time.Unix(1, 0), "new": time.Unix(4, 0), "older": time.Unix(0, 0)}
	if err := Write(path, entries, 2, func(at time.Time) time.Time { return at }); err != nil {
		t.Fatal(err)
	}
	kept, err := Read[time.Time](path)
	if err != nil || len(kept) != 2 || !kept["new"].Equal(time.Unix(4, 0)) || !kept[""].Equal(time.Unix(3, 0)) || len(entries) != 2 {
		t.Errorf("of four entries there are %v (%v) and %v", kept, err, entries)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read[time.Time](path); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file of something else: %v", err)
	}
}
