package pgpipe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// B2B-ENV-050: a statement has its name from its text alone, on every connection, and no
// other statement has it.
func TestStatementNames(t *testing.T) {
	t.Parallel()
	a, b := &conn{stmts: map[string]*prepared{}}, &conn{stmts: map[string]*prepared{}}
	names := map[string]string{}
	for i := range 2000 {
		text := fmt.Sprintf("SELECT %d", i)
		o, err := a.op(text, nil, immediate)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := names[o.stmt.wire()]; taken {
			t.Errorf("%q and %q have one name", other, text)
		}
		names[o.stmt.wire()] = text
	}
	for name, text := range names { // in another order
		o, err := b.op(text, nil, immediate)
		if err != nil || o.stmt.wire() != name {
			t.Errorf("%q is %q here and %q there: %v", text, o.stmt.wire(), name, err)
		}
		o.stmt.tries++
		if again := o.stmt.wire(); names[again] != "" {
			t.Errorf("%q has another statement's name %q at its second try", text, again)
		}
	}
}

// What an error does to its connection, and to those that were opened before.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err         error
		broken, all bool
	}{
		{err: &pgconn.PgError{Code: "23505"}},
		{err: &pgconn.PgError{Code: "57014"}},
		{err: &pgconn.PgError{Code: "57P01"}, broken: true},
		{err: fmt.Errorf("x: %w", &pgconn.PgError{Code: "25006"}), broken: true, all: true},
		{err: &DeferredError{Err: &pgconn.PgError{Code: "26000"}}, broken: true, all: true},
		{err: fmt.Errorf("x: %w", os.ErrDeadlineExceeded), broken: true, all: true},
		{err: io.ErrUnexpectedEOF},
		{err: nil},
	} {
		from := &Connector{}
		own := &conn{from: from}
		err := own.lost(t.Context(), c.err)
		if !errors.Is(err, c.err) || own.broken != c.broken || (from.generation.Load() != 0) != c.all {
			t.Errorf("%v: %v, broken %v, generation %d", c.err, err, own.broken, from.generation.Load())
		}
		if silent := errors.Is(err, ErrSilent); silent != errors.Is(c.err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: %v", c.err, err)
		}
		if own.lost(t.Context(), c.err); from.generation.Load() > 1 {
			t.Errorf("%v: one failure ended two generations", c.err)
		}
	}
}

func TestPulse(t *testing.T) {
	t.Parallel()
	p := pulse{start: time.Now()}
	later := func(d time.Duration) bool { return p.silent(time.Now().Add(d), time.Second) }
	if later(time.Hour) {
		t.Error("silent while nothing is asked")
	}
	p.asked()
	if later(0) || !later(2*time.Second) {
		t.Error("a question without an answer counts at once, or never")
	}
	p.asked()
	p.answered(true)
	if later(0) || !later(2*time.Second) {
		t.Error("an answer to one of two does not count, or for ever")
	}
	p.answered(false)
	p.asked()
	if !later(2 * time.Second) {
		t.Error("a new question after one without an answer begins anew")
	}
	p.answered(true)
	if later(time.Hour) {
		t.Error("silent after the answer")
	}
}

// The URL wins over what a connection is set up with, and a server may forbid nothing that
// a pooler would refuse at the connection.
func TestSettings(t *testing.T) {
	t.Parallel()
	c, err := NewConnector("postgres://localhost/x?statement_timeout=5&synchronous_commit=off", Limits{Statement: time.Second, Lock: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if want := "SET synchronous_commit = 'on'; SET jit = 'off'; SET lock_timeout = '1500'; "; c.settings != want {
		t.Errorf("sets %q, want %q", c.settings, want)
	}
	if _, sent := c.cfg.RuntimeParams["synchronous_commit"]; sent || c.cfg.RuntimeParams["statement_timeout"] != "5" {
		t.Errorf("sends %v", c.cfg.RuntimeParams)
	}
}
