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

// InUse tells whether another process has an SQLite file open at this moment. A file
// that is not there is not in use.
func InUse(ctx context.Context, path string) (used bool, err error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	// The exclusive lock is only to be had alone: everybody else who reads or writes
	// with a write-ahead log holds a shared one for as long as the file is open. The mode
	// has to be set before the file is first read.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=locking_mode(EXCLUSIVE)&_pragma=busy_timeout(0)")
	if err != nil {
		return false, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var n int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n)
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xFF == sqlite3.SQLITE_BUSY {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	return false, nil
}
