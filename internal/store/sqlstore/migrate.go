package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
)

//go:embed migrations
var migrations embed.FS

// migration is one numbered file: 0001_init.sql has version 1.
type migration struct {
	version int
	name    string
	text    string
}

// readMigrations lists the files of a dialect, which must be numbered from 1.
func readMigrations(dialect string) ([]migration, error) {
	files, err := fs.ReadDir(migrations, "migrations/"+dialect) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	out := make([]migration, 0, len(files))
	for i, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s is not numbered %d", f.Name(), i+1)
		}
		text, err := fs.ReadFile(migrations, "migrations/"+dialect+"/"+f.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		out = append(out, migration{version, f.Name(), string(text)})
	}
	return out, nil
}

var (
	createMigrations = control(`CREATE TABLE IF NOT EXISTS schema_migrations (
	version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)`)
	// lockMigrations keeps two nodes from migrating a PostgreSQL database at the same time.
	lockMigrations  = controlOf(forPostgres, "SELECT pg_advisory_xact_lock(7021620531)")
	selectSchema    = control("SELECT coalesce(max(version), 0) FROM schema_migrations")
	insertMigration = control("INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)")
	// selectMigrated fails if schema_migrations is another program's, which has no such column.
	selectMigrated = control("SELECT max(version) FROM schema_migrations WHERE applied_at IS NOT NULL")
	// selectIsMigrated returns whether there is a schema_migrations. It names an absent table without failing.
	selectIsMigrated = controlOf(forPostgres, "SELECT CASE WHEN to_regclass('schema_migrations') IS NULL THEN 0 ELSE 1 END")
)

// migrate applies the missing migrations in one transaction. It refuses a database with a
// newer schema.
func migrate(ctx context.Context, conn *sql.Conn, d database) (err error) {
	dialect, first := "sqlite", []*statement{begin}
	if d == forPostgres {
		dialect, first = "postgres", []*statement{begin, lockMigrations}
	}
	all, err := readMigrations(dialect)
	if err != nil {
		return err
	}
	if done, err := migrated(ctx, conn, d); err == nil && done == len(all) {
		return nil
	}
	for _, q := range first {
		if _, err := conn.ExecContext(ctx, q.text[d]); err != nil {
			return fmt.Errorf("begin migration: %w", err)
		}
	}
	defer func() {
		if err != nil {
			_, failed := conn.ExecContext(context.WithoutCancel(ctx), rollback.text[d])
			err = errors.Join(err, failed)
		}
	}()
	if d == forPostgres { // SQLite is checked before the settings of the file change
		if err := checkOwner(ctx, conn, ""); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, createMigrations.text[d]); err != nil {
		return fmt.Errorf("begin migration: %w", err)
	}
	var done int
	if err := conn.QueryRowContext(ctx, selectSchema.text[d]).Scan(&done); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if done > len(all) {
		return fmt.Errorf("the database has schema version %d, this version of b2b knows %d: use a newer version of b2b", done, len(all))
	}
	for _, m := range all[done:] {
		if err := script(ctx, conn, m.text, d); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		if _, err := conn.ExecContext(ctx, insertMigration.text[d], m.version, m.name, time.Now().UnixMilli()); err != nil {
			return fmt.Errorf("record migration %s: %w", m.name, err)
		}
	}
	if _, err := conn.ExecContext(ctx, commit.text[d]); err != nil {
		return fmt.Errorf("commit migration: %w", err)
	}
	return nil
}

// Migrated reports whether a PostgreSQL database has the schema of this program, and changes
// nothing. It returns false for a database without a schema. Any other state is an error.
func Migrated(ctx context.Context, url string) (there bool, err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	done, err := migrated(ctx, conn, forPostgres)
	if err != nil {
		return false, fmt.Errorf("read schema version: %w", err)
	}
	if done == 0 {
		return false, checkOwner(ctx, conn, "")
	}
	known, err := schemaVersion()
	if err == nil && int64(done) != known {
		err = fmt.Errorf("the database has schema version %d, this version of b2b needs %d: start a server of this version on it first", done, known)
	}
	return true, err
}

// schemaVersion returns the newest version of PostgreSQL's schema that this program knows.
func schemaVersion() (int64, error) {
	all, err := readMigrations("postgres")
	return int64(len(all)), err
}

// migrated returns the schema version of a database; 0 without a schema.
func migrated(ctx context.Context, conn *sql.Conn, d database) (int, error) {
	if d == forPostgres {
		var there int
		if err := conn.QueryRowContext(ctx, selectIsMigrated.text[d]).Scan(&there); err != nil || there == 0 {
			return 0, err
		}
	}
	var done int
	err := conn.QueryRowContext(ctx, selectMigrated.text[d]).Scan(&done)
	return done, err
}

// script runs the text of a migration.
func script(ctx context.Context, conn *sql.Conn, text string, d database) error {
	if d == forPostgres {
		return pgpipe.Script(ctx, conn, text)
	}
	_, err := conn.ExecContext(ctx, text)
	return err
}
