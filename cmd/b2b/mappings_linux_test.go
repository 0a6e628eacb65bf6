package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Only clean, private, read-only mappings of the program are unmapped.
func TestCleanMappings(t *testing.T) {
	t.Parallel()
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 17 /bin/b2b
Size:               1024 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00500000-00600000 r--p 00100000 fe:00 17 /bin/b2b
Anonymous:             0 kB
00600000-00700000 r--p 00200000 fe:00 17 /bin/b2b
Anonymous:             4 kB
00700000-00800000 rw-p 00300000 fe:00 17 /bin/b2b
Anonymous:             0 kB
00800000-00900000 r--s 00300000 fe:00 17 /bin/b2b
Anonymous:             0 kB
00900000-00a00000 r--p 00000000 fe:00 18 /bin/b2b.old
Anonymous:             0 kB
00a00000-00b00000 r--p 00000000 00:00 0
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x500000}, {0x500000, 0x600000}}
	if got := cleanMappings(strings.NewReader(smaps), "/bin/b2b"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	if cleanMappings(maps, path) == nil {
		t.Error("this program has no clean mapping")
	}
	unmapProgram() // and the test goes on
}
