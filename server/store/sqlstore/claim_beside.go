//go:build !linux

package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// claim takes an SQLite file for this process, making it if it is not there, until release
// is called. The lock is on a file beside it, because locks of the database file itself get
// in the way of SQLite's own on some of these systems. A hard link in another folder has
// another file beside it: there SQLite's own locks say who has the database.
func claim(ctx context.Context, path string) (release func() error, err error) {
	release, err = lockBeside(path)
	if errors.Is(err, errLocked) {
		return nil, inUse(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	if err := InUse(ctx, path); err != nil {
		return nil, errors.Join(err, release())
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(fmt.Errorf("make %s: %w", path, err), release())
	}
	return release, nil
}

// holders is the process that has the lock, as it wrote down itself.
func holders(path string) []int { return lockedBy(path) }
