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

// InUse returns an InUseError while any process has an SQLite file open. A file that does not
// exist is not in use.
func InUse(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("check whether %s is in use: %w", path, err)
	}
	err := lockAlone(ctx, path)
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xFF == sqlite3.SQLITE_BUSY {
		return inUse(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("check whether %s is in use: %w", path, err)
	}
	return nil
}

// countSchema reads the file.
var countSchema = controlOf(forSQLite, "SELECT count(*) FROM sqlite_master")

// lockAlone takes SQLite's exclusive lock and releases it. It fails while another connection
// has the file open with a write-ahead log, because that has a shared lock.
func lockAlone(ctx context.Context, path string) (err error) {
	// The locking mode must be set before the file is first read.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=locking_mode(EXCLUSIVE)&_pragma=busy_timeout(0)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var n int
	return db.QueryRowContext(ctx, countSchema.text[forSQLite]).Scan(&n)
}
