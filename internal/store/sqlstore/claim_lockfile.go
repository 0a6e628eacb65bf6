//go:build !linux

package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// claim locks an SQLite file for this process until release is called, and creates it if it
// does not exist. The lock is on a file beside it, because locks of the database file itself
// interfere with SQLite's own on some of these systems. A hard link in another folder has
// another lock file; in that case SQLite's own locks show whether the database is in use.
func claim(ctx context.Context, path string) (release func() error, err error) {
	release, err = lockByFile(path)
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
		return nil, errors.Join(fmt.Errorf("create %s: %w", path, err), release())
	}
	return release, nil
}

// holders returns the process that has the lock, as it wrote its id into the lock file.
func holders(path string) []int { return lockedBy(path) }
