package main

import (
	endian "encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkDatabase looks for the secrets that passed in the files of an SQLite database
// (B2B-AUTH-072).
func (r *relay) checkDatabase(data string) {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(data, "b2b.db*"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	secrets := map[string]string{}
	for secret, where := range r.secret {
		if !strings.HasSuffix(where, "/send") && !strings.HasSuffix(where, "/messages") { // those are texts
			secrets[secret] = where
		}
	}
	size := 0
	for _, name := range names {
		all, err := os.ReadFile(name)
		if err != nil {
			r.t.Fatal(err)
		}
		size += len(all)
		for secret := range within(all, secrets) {
			r.t.Errorf("%s has what passed in %s", filepath.Base(name), secrets[secret])
		}
	}
	if len(names) > 0 {
		r.t.Logf("%d bytes of database have none of %d secrets", size, len(secrets))
	}
}

// within finds which of many texts of at least 8 bytes occur, in one pass.
func within[V any](all []byte, texts map[string]V) map[string]struct{} {
	heads := map[uint64][]string{}
	for text := range texts {
		head := endian.LittleEndian.Uint64([]byte(text))
		heads[head] = append(heads[head], text)
	}
	found := map[string]struct{}{}
	for i := 0; i+8 <= len(all); i++ {
		for _, text := range heads[endian.LittleEndian.Uint64(all[i:])] {
			if len(all)-i >= len(text) && string(all[i:i+len(text)]) == text {
				found[text] = struct{}{}
			}
		}
	}
	return found
}

func TestWithin(t *testing.T) {
	texts := map[string]int{"12345678": 0, "12345678x": 0, "87654321": 0, "the very end": 0}
	got := within([]byte("…12345678 and 1234567, 8765432 and the very end"), texts)
	if _, ok := got["12345678"]; !ok || len(got) != 2 {
		t.Errorf("found %v", got)
	}
}
