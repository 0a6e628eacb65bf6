package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// InUse returns an InUseError when an SQLite file is open in any process at this moment. A
// file that is not there is not in use.
func InUse(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("look at %s: %w", path, err)
	}
	err := lockAlone(ctx, path)
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xFF == sqlite3.SQLITE_BUSY {
		return inUse(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	return nil
}

// lockAlone takes the lock of SQLite that is only to be had alone, for a moment: everybody
// else who reads or writes with a write-ahead log holds a shared one for as long as the
// file is open.
func lockAlone(ctx context.Context, path string) (err error) {
	// The mode has to be set before the file is first read.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=locking_mode(EXCLUSIVE)&_pragma=busy_timeout(0)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var n int
	return db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n)
}
