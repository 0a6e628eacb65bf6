package sqltest

import (
	"context"
	"database/sql"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// Meter reads the counters with which a database counts its own work: of SQLite the steps of its
// virtual machine (sqlite3_stmt_status), of PostgreSQL the rows and index entries read
// (pg_stat_user_tables, pg_stat_user_indexes). Neither depends on how busy the machine is.
type Meter struct {
	testing.TB
	url  string
	idle int64 // what a store costs that does nothing
}

// NewMeter returns a meter of a database. No other store may have it open while it measures.
func NewMeter(t testing.TB, url string) Meter {
	if !sqlstore.IsPostgres(url) {
		watch()
	}
	m := Meter{TB: t, url: url}
	m.idle = m.session(func(*sqlstore.Store) {})
	return m
}

// Work returns what one call of do costs, the average of some, in a store that is open for them
// alone.
func (m Meter) Work(do func(*sqlstore.Store)) int64 {
	m.Helper()
	const calls = 10
	return (m.session(func(s *sqlstore.Store) {
		for range calls {
			do(s)
		}
	}) - m.idle) / calls
}

// session returns what the database did while a store was open.
func (m Meter) session(do func(*sqlstore.Store)) int64 {
	m.Helper()
	before := int64(0)
	postgres := sqlstore.IsPostgres(m.url)
	if postgres {
		before = m.rowsRead()
	}
	s, err := sqlstore.Open(m.Context(), sqlstore.Config{URL: m.url, Answer: answer})
	if err != nil {
		m.Fatal(err)
	}
	do(s)
	after := int64(0)
	if !postgres {
		after = m.steps()
	}
	if err := s.Close(); err != nil {
		m.Fatal(err)
	}
	if postgres {
		after = m.rowsRead()
	}
	return after - before
}

// connections are the SQLite connections of the process by their address, since the first Meter.
var connections = struct {
	sync.Mutex
	hook sync.Once
	all  map[string][]reflect.Value
}{all: map[string][]reflect.Value{}}

// watch keeps every SQLite connection that is opened from here on.
func watch() {
	connections.hook.Do(func() {
		sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, address string) error {
			connections.Lock()
			defer connections.Unlock()
			connections.all[address] = append(connections.all[address], reflect.ValueOf(c).Elem())
			return nil
		})
	})
}

// steps returns how many steps the statements of the connections that read the file have run,
// since these were opened.
func (m Meter) steps() int64 {
	tls := libc.NewTLS()
	defer tls.Close()
	connections.Lock()
	defer connections.Unlock()
	sum := int64(0)
	for address, conns := range connections.all {
		if !strings.HasPrefix(address, "file:"+m.url+"?") {
			continue
		}
		for _, c := range conns {
			eachOf(tls, c, func(stmt uintptr) {
				sum += int64(sqlite3.Xsqlite3_stmt_status(tls, stmt, sqlite3.SQLITE_STMTSTATUS_VM_STEP, 0))
			})
		}
		delete(connections.all, address)
	}
	return sum
}

// rowsRead returns the counters of PostgreSQL, when all other sessions have ended: a session
// reports its numbers when it ends.
func (m Meter) rowsRead() int64 {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", m.url)
	if err != nil {
		m.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			m.Error(err)
		}
	}()
	for others := 1; others > 0; {
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'").Scan(&others)
		if err != nil {
			m.Fatal(err)
		}
	}
	sum := int64(0)
	err = db.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_user_tables)
		+ (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes)`).Scan(&sum)
	if err != nil {
		m.Fatal(err)
	}
	return sum
}
