package importer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Source is an old database, open for reading in one snapshot.
type Source struct {
	// Kind is "SQLite" or "PostgreSQL". Version is the version that wrote it last, if known.
	Kind, Version string
	// Files is the folder that the paths of uploaded files are relative to; empty: none
	// was named.
	Files string

	db      *sql.DB
	conn    *sql.Conn
	columns map[string]map[string]bool // by table
	temp    string                     // a copy to be removed
}

// SourceFile is the name of the old database in its data folder.
const SourceFile = "hxa-connect.db"

// Open opens what from names: the database file, the data folder it lies in, or a
// PostgreSQL URL. files is the folder of uploaded files, needed beside PostgreSQL;
// empty: the folder of the database.
func Open(ctx context.Context, from, files string) (_ *Source, err error) {
	s := &Source{Files: files}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	scheme, _, _ := strings.Cut(from, "://")
	if scheme = strings.ToLower(scheme); scheme == "postgres" || scheme == "postgresql" {
		s.Kind = "PostgreSQL"
		if s.db, err = sql.Open("pgx", from); err != nil {
			return s, errors.New("open the old database: the PostgreSQL URL cannot be read") // the cause may quote it
		}
	} else {
		s.Kind = "SQLite"
		if err := s.openSQLite(from); err != nil {
			return s, err
		}
	}
	if s.Files != "" {
		if info, err := os.Stat(s.Files); err != nil || !info.IsDir() {
			return s, fmt.Errorf("the folder of the files, %s: is no folder that can be read", s.Files)
		}
	}
	s.db.SetMaxOpenConns(1)
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return s, fmt.Errorf("open the old database: %w", err)
	}
	begin := "BEGIN"
	if s.postgres() {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := s.conn.ExecContext(ctx, begin); err != nil {
		return s, fmt.Errorf("read the old database: %w", err)
	}
	if err := s.describe(ctx); err != nil {
		return s, err
	}
	return s, s.recognise(ctx)
}

// isAddress reports whether a text that is no path may be the address of a database, and so may
// have a password.
func isAddress(text string) bool { return strings.ContainsAny(text, ":@=") }

// shownAddress returns the part of an address that has no secret.
func shownAddress(text string) string {
	if scheme, _, ok := strings.Cut(text, "://"); ok && !strings.ContainsAny(scheme, ":@=") {
		return scheme + "://…"
	}
	return "what --from names"
}

func (s *Source) postgres() bool { return s.Kind == "PostgreSQL" }

// openSQLite opens a file without changing it. The write-ahead log has its newest rows, and
// reading that needs further files in the same folder: so a database in a read-only folder is
// copied with its log.
func (s *Source) openSQLite(from string) error {
	info, err := os.Stat(from)
	if err != nil && isAddress(from) {
		return fmt.Errorf("%s cannot be imported: it must be the database file of HXA-Connect (SQLite), its data folder, or an address of PostgreSQL, postgres://user:password@host/database", shownAddress(from))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file or folder", from)
	}
	if err != nil {
		return fmt.Errorf("open the old database: %w", err)
	}
	path := from
	if info.IsDir() {
		path = filepath.Join(from, SourceFile)
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s: there is no %s in this folder; name the database file itself, or the PostgreSQL URL", from, SourceFile)
		}
	}
	if s.Files == "" {
		s.Files = filepath.Dir(path)
	}
	v := url.Values{"_pragma": {"query_only(1)", "busy_timeout(10000)"}, "mode": {"ro"}}
	wal, err := os.Stat(path + "-wal")
	switch pending := err == nil && wal.Size() > 0; {
	case !pending && !exists(path+"-shm"):
		v.Set("immutable", "1") // no process has it open: SQLite creates no files beside it
	case pending && !exists(path+"-shm"):
		// Left by a crash or copied: SQLite would have to recover it in place.
		if path, err = s.copied(path); err != nil {
			return err
		}
		v.Del("mode")
	}
	s.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+v.Encode())
	if err != nil {
		return fmt.Errorf("open the old database: %w", err)
	}
	return nil
}

// copied copies a database file and its write-ahead log to a temporary folder.
func (s *Source) copied(path string) (string, error) {
	dir, err := os.MkdirTemp("", "b2b-import-")
	if err != nil {
		return "", fmt.Errorf("make a folder for a copy: %w", err)
	}
	s.temp = dir
	to := filepath.Join(dir, SourceFile)
	for _, end := range []string{"", "-wal"} {
		if err := copyFile(path+end, to+end); err != nil {
			return "", fmt.Errorf("copy the old database: %w", err)
		}
	}
	return to, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Close ends the snapshot.
func (s *Source) Close() error {
	var errs []error
	if s.conn != nil {
		if _, err := s.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil && s.columns != nil {
			errs = append(errs, fmt.Errorf("end reading: %w", err))
		}
		errs = append(errs, s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.temp != "" {
		errs = append(errs, os.RemoveAll(s.temp))
	}
	return errors.Join(errs...)
}

// describe reads which tables and columns there are.
func (s *Source) describe(ctx context.Context) error {
	q := "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
	if s.postgres() {
		q = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()"
	}
	rows, err := s.conn.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("this is not a database that can be read: %w", err)
	}
	columns := map[string]map[string]bool{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return errors.Join(fmt.Errorf("read the tables: %w", err), rows.Close())
		}
		if columns[table] == nil {
			columns[table] = map[string]bool{}
		}
		columns[table][column] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	s.columns = columns
	return nil
}

// recognise sets the version, or returns why this database cannot be imported
// (docs/compatibility.md, "Databases").
func (s *Source) recognise(ctx context.Context) error {
	has := func(table, column string) bool { return s.columns[table][column] }
	switch {
	case has("agents", "id") || has("agent_tokens", "id"):
		return errors.New("this is a database of BotsHub 0.1, which HXA-Connect cannot open either: there is nothing that could be imported")
	case has("org_logs", "epoch"):
		return errors.New("this is a database of a B2B server, not of HXA-Connect: copy it, or point the server at it")
	case !has("bots", "token") || !has("orgs", "org_secret"):
		return errors.New("this is not a database of HXA-Connect: it has no tables orgs and bots")
	}
	for _, table := range tables {
		if s.columns[table.name] == nil && !table.newer {
			return fmt.Errorf("this database of HXA-Connect is damaged: it has no table %s", table.name)
		}
	}
	s.Version = "1.0 to 1.5"
	if s.columns["schema_versions"] != nil {
		n, err := s.count(ctx, "SELECT count(*) FROM schema_versions WHERE name = 'thread_permissions_v1'")
		if err != nil {
			return err
		}
		if n > 0 {
			s.Version = "1.6 or 1.7"
		}
	}
	return nil
}

func (s *Source) count(ctx context.Context, q string, args ...any) (n int64, err error) {
	if err := s.conn.QueryRowContext(ctx, s.bind(q), args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("read the old database: %w", err)
	}
	return n, nil
}

// bind replaces each ? in a query with the placeholder of the database.
func (s *Source) bind(q string) string {
	if !s.postgres() {
		return q
	}
	var b strings.Builder
	n := 0
	for i := range len(q) {
		if q[i] != '?' {
			b.WriteByte(q[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// highest writes the highest values of the stamps of a table into a query.
func (s *Source) highest(t table) string {
	var b strings.Builder
	for _, name := range strings.Fields(t.stamps) {
		if s.columns[t.name][name] {
			b.WriteString(`, max(t."` + name + `") AS "` + name + `"`)
		}
	}
	return b.String()
}
