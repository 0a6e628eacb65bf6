package main

import "testing"

// TestCuts checks that the functions which features leaves out exist.
func TestCuts(t *testing.T) {
	t.Chdir("..") // paths are relative to the root of the repository
	for _, c := range cuts {
		if _, err := cut(c.file, c.function, c.statement); err != nil {
			t.Error(err)
		}
	}
	if _, err := cut(cuts[0].file, "missing", ""); err == nil {
		t.Error("control: a missing function is found")
	}
}
