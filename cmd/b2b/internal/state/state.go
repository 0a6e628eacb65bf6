// Package state keeps what a verb remembers from one run to the next, and may lose: a file with a
// bounded number of entries, written whole.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
)

// ErrDamaged is the error of a file that has no entries of this form.
var ErrDamaged = errors.New("the file is damaged")

// Read returns the entries of a file, which need not exist.
func Read[V any](path string) (map[string]V, error) {
	entries := map[string]V{}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return entries, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return entries, nil
}

// Write replaces a file, which only its owner may read. Of more than most entries it forgets those that
// were used longest ago, also in the map.
func Write[V any](path string, entries map[string]V, most int, used func(V) time.Time) error {
	for len(entries) > most {
		oldest, first := "", true
		for key, v := range entries {
			if first || used(v).Before(used(entries[oldest])) {
				oldest, first = key, false
			}
		}
		delete(entries, oldest)
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return profile.Replace(path, text, 0o600)
}
