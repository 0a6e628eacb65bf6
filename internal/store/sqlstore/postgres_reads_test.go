package sqlstore_test

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// everybody names another payer for every read, so that each has a share of its own.
func everybody() func(context.Context) string {
	var n atomic.Int64
	return func(context.Context) string { return strconv.FormatInt(n.Add(1), 10) }
}

// Connections that were cut while nobody used them are no news to readers, however many
// there are; a database that lets nobody in is, and at once.
func TestPostgresReadsOutliveConnections(t *testing.T) {
	t.Parallel()
	const conns = 8
	ctx := t.Context()
	address := pgtest.URL(t)
	s, err := sqlstore.Open(ctx, sqlstore.Config{URL: address, MaxConns: conns, Payer: everybody()})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	add(t, s, "org")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	admin, err := pgconn.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := admin.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	run := func(text string) {
		t.Helper()
		if _, err := admin.Exec(ctx, text).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	cut := func() {
		t.Helper()
		run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '" + name + "'")
	}
	read := func() error {
		_, err := s.LogTop(ctx, "org")
		return err
	}
	view := func() error {
		return s.View(ctx, func(r store.Reader) error {
			for range 2 {
				if _, err := r.LogTop(ctx, "org"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	fill := func() { // all connections of the pool that read
		t.Helper()
		all := make(chan struct{})
		var held, done sync.WaitGroup
		held.Add(conns * 3 / 4)
		for range conns * 3 / 4 {
			done.Go(func() {
				var once sync.Once
				defer once.Do(held.Done)
				err := s.View(ctx, func(r store.Reader) error {
					_, err := r.LogTop(ctx, "org")
					once.Do(held.Done)
					<-all
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		held.Wait()
		close(all)
		done.Wait()
	}
	for name, do := range map[string]func() error{"read": read, "view": view, "ping": func() error { return s.Ping(ctx) }} {
		fill()
		cut()
		if err := do(); err != nil {
			t.Errorf("%s behind a cut: %v", name, err)
		}
	}

	fill()
	run("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false")
	cut()
	for name, do := range map[string]func() error{"read": read, "view": view} {
		begin := time.Now()
		var outage *store.Outage
		if err := do(); !errors.As(err, &outage) || outage.Unknown {
			t.Errorf("%s without a database: %v", name, err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s without a database is answered after %v", name, took)
		}
	}
	run("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true")
	for name, do := range map[string]func() error{"read": read, "view": view} {
		if err := do(); err != nil {
			t.Errorf("%s with the database back: %v", name, err)
		}
	}

	// What was read is not read again: a snapshot that is lost is an error.
	err = s.View(ctx, func(r store.Reader) error {
		if _, err := r.LogTop(ctx, "org"); err != nil {
			return err
		}
		cut()
		_, err := r.LogTop(ctx, "org")
		return err
	})
	var outage *store.Outage
	if !errors.As(err, &outage) {
		t.Errorf("a snapshot that was lost half way: %v", err)
	}
}
