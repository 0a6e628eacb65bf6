package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLeastLimit(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	small, large := file("small", "1000\n"), file("large", "9223372036854771712\n")
	none, empty, missing := file("none", "max\n"), file("empty", ""), filepath.Join(folder, "missing")
	for _, c := range []struct {
		files []string
		want  uint64
	}{
		{nil, 5000},
		{[]string{missing, none, empty, large}, 5000},
		{[]string{missing, small}, 1000},
		{[]string{small, large}, 1000},
	} {
		if got := leastLimit(5000, c.files); got != c.want {
			t.Errorf("%v: %d, want %d", c.files, got, c.want)
		}
	}
	if got := memoryLimit(); got < 64<<20 {
		t.Errorf("this machine has %d bytes of memory", got)
	}
}
