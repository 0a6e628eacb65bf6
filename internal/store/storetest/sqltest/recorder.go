package sqltest

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// Statement is what a database counted for a statement that a store ran.
type Statement struct {
	Text string
	Runs int64
	// Work is what the runs cost together: of SQLite the steps of its virtual machine, about ten for
	// a row; of PostgreSQL the rows that the scans of its plan visited (EXPLAIN ANALYZE).
	Work int64
	// Scans are the rows that scans without an index visited, by table, on PostgreSQL.
	Scans map[string]int64
}

// Recorder lists the statements that a store runs, while the store stays open.
type Recorder struct {
	testing.TB
	url   string
	proxy *recordingProxy // of PostgreSQL
}

// NewRecorder returns a recorder of a database, and the address at which the store must open it
// afterwards.
func NewRecorder(t testing.TB, url string) (_ *Recorder, through string) {
	t.Helper()
	r := &Recorder{TB: t, url: url}
	if !sqlstore.IsPostgres(url) {
		watch()
		return r, url
	}
	r.proxy = newRecordingProxy(t, url)
	return r, r.proxy.url
}

// Record returns the statements that do runs. Nothing else may use the store at the same time.
func (r *Recorder) Record(do func()) []Statement {
	r.Helper()
	if r.proxy != nil {
		r.proxy.take() // what background work left
		do()
		return r.explain(r.proxy.take())
	}
	before := r.counters()
	do()
	var out []Statement
	for at, s := range r.counters() {
		if was := before[at]; was.Text == s.Text && was.Runs <= s.Runs {
			s.Runs, s.Work = s.Runs-was.Runs, s.Work-was.Work
		}
		if s.Runs > 0 && !idle(s.Text) {
			out = append(out, s)
		}
	}
	return out
}

// idle reports whether a statement reads and changes nothing.
func idle(text string) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch strings.ToUpper(strings.TrimRight(verb, ";")) {
	case "SELECT", "WITH", "INSERT", "UPDATE", "DELETE":
		return text == "SELECT 1"
	}
	return true
}

// counters returns the statements of the open connections to the file by their address, since they
// were prepared.
func (r *Recorder) counters() map[uintptr]Statement {
	tls := libc.NewTLS()
	defer tls.Close()
	out := map[uintptr]Statement{}
	eachStatement(tls, r.url, func(stmt uintptr) {
		status := func(op int32) int64 { return int64(sqlite3.Xsqlite3_stmt_status(tls, stmt, op, 0)) }
		out[stmt] = Statement{
			Text: libc.GoString(sqlite3.Xsqlite3_sql(tls, stmt)),
			Runs: status(sqlite3.SQLITE_STMTSTATUS_RUN), Work: status(sqlite3.SQLITE_STMTSTATUS_VM_STEP),
		}
	})
	return out
}

// eachStatement calls do with the prepared statements of the connections that have a file open.
func eachStatement(tls *libc.TLS, path string, do func(stmt uintptr)) {
	connections.Lock()
	defer connections.Unlock()
	for address, conns := range connections.all {
		if strings.HasPrefix(address, "file:"+path+"?") {
			for _, c := range conns {
				eachOf(tls, c, do)
			}
		}
	}
}

// eachOf calls do with the prepared statements of a connection, which may be closing: the driver
// closes one whose query was interrupted.
func eachOf(tls *libc.TLS, c reflect.Value, do func(stmt uintptr)) {
	closing := (*sync.Mutex)(c.FieldByName("Mutex").Addr().UnsafePointer()) // the driver closes under it
	closing.Lock()
	defer closing.Unlock()
	db := uintptr(c.FieldByName("db").Uint())
	if db == 0 {
		return // it is closed
	}
	for stmt := sqlite3.Xsqlite3_next_stmt(tls, db, 0); stmt != 0; stmt = sqlite3.Xsqlite3_next_stmt(tls, db, stmt) {
		do(stmt)
	}
}
