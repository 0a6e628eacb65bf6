package sqlstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// lockKey is the key of the advisory lock of an org.
func lockKey(org string) int64 {
	h := fnv.New64a()
	h.Write([]byte("b2b org " + org))
	return int64(h.Sum64())
}

// wire is a connection of a server that stops at any byte of the protocol. Its session has
// the limits of a store that is hasty.
type wire struct {
	t    *testing.T
	conn net.Conn
	buf  []byte // to be sent
	read *pgproto3.Frontend
}

func newWire(t *testing.T, url string) *wire {
	t.Helper()
	ctx := context.Background()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	idle, long := silentMax.Milliseconds(), (8 * shortAnswer).Milliseconds()
	limits := fmt.Sprintf("SET idle_in_transaction_session_timeout = %d; SET statement_timeout = %d; SET lock_timeout = 100", idle, long)
	if _, err := c.Exec(ctx, limits).ReadAll(); err != nil {
		t.Fatal(err)
	}
	h, err := c.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() }) // as a process that ends
	return &wire{t: t, conn: h.Conn, read: h.Frontend}
}

func (w *wire) message(m pgproto3.FrontendMessage) {
	w.t.Helper()
	var err error
	if w.buf, err = m.Encode(w.buf); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) statement(text string) {
	w.t.Helper()
	w.message(&pgproto3.Parse{Query: text})
	w.message(&pgproto3.Bind{})
	w.message(&pgproto3.Execute{})
}

// half is a message that says to be longer than it is.
func (w *wire) half() {
	w.buf = append(w.buf, 'P')
	w.buf = binary.BigEndian.AppendUint32(w.buf, 1000)
	w.buf = append(w.buf, "SELECT"...)
}

func (w *wire) send() {
	w.t.Helper()
	if _, err := w.conn.Write(w.buf); err != nil {
		w.t.Log(err) // the session was ended
	}
	w.buf = nil
}

// lock takes the lock of an org in a transaction, and reads the answers.
func (w *wire) lock(org string) {
	w.t.Helper()
	w.asks(org)
	if err := w.finish(); err != nil {
		w.t.Fatal(err)
	}
}

// finish ends a pipeline and reads all answers.
func (w *wire) finish() error {
	w.t.Helper()
	w.message(&pgproto3.Sync{})
	w.send()
	for {
		m, err := w.read.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return errors.New(m.Message)
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}

func (w *wire) asks(org string) {
	w.t.Helper()
	w.statement("BEGIN")
	w.statement(fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockKey(org)))
}

const big = "SELECT repeat('x', 1000000) FROM generate_series(1, 50)"

// B2B-LIFE-031, 036: a server that falls silent with the lock of an org, wherever in the
// protocol, holds up the others no longer than a caller waits.
func TestPostgresSilentHolders(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	for _, c := range []struct {
		name   string
		silent func(w *wire)
	}{
		{"between two statements", func(*wire) {}},
		{"between two messages", func(w *wire) { w.message(&pgproto3.Parse{Query: "SELECT 1"}) }},
		{"before the end of a pipeline", func(w *wire) { w.statement("SELECT 1") }},
		{"in a message", func(w *wire) { w.half() }},
		{"in a message of a pipeline", func(w *wire) { w.statement("SELECT 1"); w.half() }},
		{"after an error", func(w *wire) { w.statement("SELECT 1/0") }},
		{"with answers unread", func(w *wire) { w.statement(big); w.message(&pgproto3.Sync{}) }},
		{"with answers unread of a pipeline", func(w *wire) { w.statement(big); w.statement("SELECT 1") }},
		{"with answers unread of a script", func(w *wire) { w.message(&pgproto3.Query{String: big}) }},
		{"in the commit", func(w *wire) { w.statement("COMMIT") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			org := c.name
			other := hasty(t, url, org)
			w := newWire(t, url)
			w.lock(org)
			c.silent(w)
			if len(w.buf) > 0 {
				w.send()
			}
			free(t, other, org)
		})
	}
}

// free changes an org as soon as that is possible.
func free(t *testing.T, s *sqlstore.Store, org string) {
	t.Helper()
	begun := time.Now()
	for {
		err := write(s, org, "other")
		took := time.Since(begun)
		if err == nil {
			t.Logf("the lock was free after %v", took)
			return
		}
		away(t, "a change that waits for the lock", err)
		if took > soon || t.Failed() {
			t.Fatalf("the lock is held after %v", took)
		}
	}
}

// Those who waited for the lock when their server froze get it one after another, and keep
// the others waiting no longer together.
func TestPostgresSilentQueue(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	other := hasty(t, url, "org")
	first := newWire(t, url)
	first.lock("org")
	for range 5 {
		w := newWire(t, url)
		w.asks("org")
		w.send()
	}
	free(t, other, "org")
}

// B2B-LIFE-031: a node that is frozen in a change keeps the lock of its org no
// longer than callers of other nodes wait, however much of the change was sent. PostgreSQL
// ends its session: nothing is left half-sent. When it wakes it has nothing: its change is
// made again from the start.
func TestPostgresFrozenHolder(t *testing.T) {
	t.Parallel()
	for _, sent := range []int{0, 40} { // the second is more than a pipeline holds back
		t.Run(fmt.Sprint(sent), func(t *testing.T) {
			t.Parallel()
			testFrozenHolder(t, sent)
		})
	}
}

func testFrozenHolder(t *testing.T, sent int) {
	url := pgtest.URL(t)
	frozen := hasty(t, url, "org")
	var log logtest.Buffer
	other := opened(t, sqlstore.Config{URL: url, Answer: shortAnswer, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx := context.Background()
	entered, wake := make(chan struct{}, 10), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- frozen.Update(ctx, "org", func(tx store.Tx) error {
			if _, err := tx.LogTop(ctx, "org"); err != nil {
				return err
			}
			for range sent {
				if _, err := tx.Append(ctx, store.Event{Type: "sent"}); err != nil {
					return err
				}
			}
			entered <- struct{}{}
			<-wake
			_, err := tx.Append(ctx, store.Event{Type: "frozen"})
			return err
		})
	}()
	<-entered
	free(t, other, "org")
	if strings.Contains(log.String(), endedStuck) {
		t.Error("its session was in the middle of a request")
	}
	close(wake)
	err := <-result
	got := times(t, other, "org")
	made, o := 0, (*store.Outage)(nil)
	switch {
	case err == nil:
		made = 1
	case !errors.As(err, &o):
		t.Error(err)
	case o.Unknown:
		made = got["frozen"]
	}
	if got["frozen"] != made || got["sent"] != made*sent || got["other"] != 1 {
		t.Errorf("the frozen change: %v, kept %v", err, got)
	}
	if err := write(frozen, "org", "awake"); err != nil {
		t.Error(err)
	}
}

// endedStuck is in the line that a store logs when it has ended a session of another one.
const endedStuck = "ended a session"

// blocked changes an org until that succeeds, or some limits of silence have passed.
// It reports whether the lock was held for so long.
func blocked(t *testing.T, s *sqlstore.Store, org string) bool {
	for begun := time.Now(); time.Since(begun) < 2*silentMax; {
		err := write(s, org, "other")
		if err == nil {
			return false
		}
		away(t, "a change that waits for the lock", err)
	}
	return true
}

// silentMost is how long a session may be silent that others wait for.
const silentMax = shortAnswer * 4 / 9

// B2B-LIFE-036: a server that is slow, but goes on in its pipeline, keeps its session, however long
// others wait.
func TestPostgresSlowHolder(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	other := hasty(t, url, "org")
	for range 5 {
		w := newWire(t, url)
		w.lock("org")
		kept := make(chan bool, 1)
		go func() { kept <- blocked(t, other, "org") }()
		tick := time.NewTicker(silentMax / 10)
		defer tick.Stop()
		var paused time.Duration
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				w.statement("SELECT 1")
				w.send()
				paused, last = max(paused, time.Since(last)), time.Now()
				continue
			case held := <-kept:
				if held {
					if w.statement("COMMIT"); w.finish() == nil {
						return
					}
				}
			}
			break
		}
		if paused < silentMax/2 {
			t.Fatalf("a session that never paused for more than %v was ended", paused)
		}
		t.Logf("this process paused for %v: again", paused)
	}
	t.Skip("this machine is too busy")
}

// B2B-LIFE-036: the session of another role is its own business.
func TestPostgresHolderOfAnotherRole(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	admin := session(t, url)
	role := fmt.Sprintf("another_%d", time.Now().UnixNano())
	admin("CREATE ROLE " + role + " LOGIN")
	t.Cleanup(func() { admin("DROP ROLE " + role) })
	other := hasty(t, url, "org")
	w := newWire(t, url+"&user="+role)
	w.lock("org")
	w.statement("SELECT 1")
	w.send()
	if !blocked(t, other, "org") {
		t.Error("the lock came free")
	}
	w.statement("COMMIT")
	if err := w.finish(); err != nil {
		t.Error(err)
	}
	free(t, other, "org")
}

// A statement that fails long before the change is committed undoes the change, and says so.
func TestPostgresEarlyFailure(t *testing.T) {
	t.Parallel()
	s := opened(t, sqlstore.Config{URL: pgtest.URL(t)}, "org")
	ctx := t.Context()
	err := s.Update(ctx, "org", func(tx store.Tx) error {
		for range 2 { // the second one is a conflict
			err := tx.CreateBot(ctx, &store.Bot{ID: "bot", OrgID: "org", Name: "bot", TokenHash: "hash", AuthRole: store.AuthMember, JoinStatus: store.BotActive})
			if err != nil {
				return err
			}
		}
		for range 100 { // several pipelines
			if _, err := tx.Append(ctx, store.Event{Type: "e"}); err != nil {
				return err
			}
		}
		return nil
	})
	var c store.Conflict
	if !errors.As(err, &c) {
		t.Errorf("a change with a conflict: %v", err)
	}
	if got := times(t, s, "org"); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	if err := write(s, "org", "after"); err != nil {
		t.Error(err)
	}
}
