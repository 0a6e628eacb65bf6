package sqlstore

import (
	"path/filepath"
	"testing"
)

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b2b.db")
	is := func(want bool, when string) {
		t.Helper()
		if used, err := InUse(t.Context(), path); err != nil || used != want {
			t.Errorf("%s: %v, %v", when, used, err)
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
