package auth

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/redistest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/internal/tally"
)

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	c := redis.NewClient(options)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func ticketsOn(t *testing.T, url string, c *redis.Client) *Tickets {
	t.Helper()
	return &Tickets{
		Store: store.Narrow(newStore(t, url), func(tx store.Tx) TicketTx { return tx }),
		Redis: c, Failed: tally.New(slog.New(slog.DiscardHandler), ""),
	}
}

// newStore returns a store with an org.
func newStore(t *testing.T, url string) *sqlstore.Store {
	t.Helper()
	st := sqltest.Open(t, url)
	err := st.Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: "org", Name: "o", SecretHash: "h", Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (k *Tickets) issue(t *testing.T) string {
	t.Helper()
	hash := Hash(primary)
	text, err := k.Issue(t.Context(), &store.WsTicket{OrgID: "org", TokenHash: &hash, ExpiresAt: time.Now().Add(time.Minute).UnixMilli()}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestOneOf64: of 64 concurrent uses of a ticket exactly one succeeds; the same holds for a
// registration ticket for one bot.
func TestOneOf64(t *testing.T) {
	t.Parallel()
	race := func(t *testing.T, take func() bool) {
		t.Helper()
		var got atomic.Int32
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 64 {
			all.Go(func() {
				<-start
				if take() {
					got.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if got.Load() != 1 {
			t.Errorf("%d of 64 succeeded, want 1", got.Load())
		}
	}
	for name, open := range map[string]func(*testing.T) *Tickets{
		"sqlite":   func(t *testing.T) *Tickets { return ticketsOn(t, filepath.Join(t.TempDir(), "b2b.db"), nil) },
		"postgres": func(t *testing.T) *Tickets { return ticketsOn(t, pgtest.URL(t), nil) },
		"redis": func(t *testing.T) *Tickets {
			return ticketsOn(t, filepath.Join(t.TempDir(), "b2b.db"), client(t, redistest.Start(t).URL))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			for range 5 {
				text := k.issue(t)
				race(t, func() bool {
					ticket, err := k.Take(t.Context(), text)
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
					return err == nil && ticket.OrgID == "org" && *ticket.TokenHash == Hash(primary)
				})
			}
			whole := k.Store.(store.Narrowed[TicketTx]).Store
			err := whole.Update(t.Context(), "org", func(tx store.Tx) error {
				return tx.CreateTicket(context.Background(), &store.OrgTicket{ID: "t", OrgID: "org"})
			})
			if err != nil {
				t.Fatal(err)
			}
			race(t, func() (won bool) {
				err := whole.Update(t.Context(), "org", func(tx store.Tx) (err error) {
					won, err = tx.ConsumeTicket(context.Background(), "t")
					return err
				})
				if err != nil {
					t.Error(err)
				}
				return won
			})
		})
	}
}

// TestTicketsAndRedis: a failure of Redis loses the tickets that it holds, and none can be used
// twice, whatever Redis restores from its snapshot.
func TestTicketsAndRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := client(t, server.URL)
	k := ticketsOn(t, filepath.Join(t.TempDir(), "b2b.db"), c)
	take := func(text string, want error) {
		t.Helper()
		if _, err := k.Take(t.Context(), text); !errors.Is(err, want) {
			t.Errorf("Take returned %v, want %v", err, want)
		}
	}
	spent, unspent := k.issue(t), k.issue(t)
	if _, err := k.Store.WsTicket(t.Context(), Hash(spent)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the database has a ticket of Redis: %v", err)
	}
	if err := c.Save(t.Context()).Err(); err != nil { // the snapshot that it restarts from
		t.Fatal(err)
	}
	take(spent, nil)
	server.Stop()
	take(unspent, ErrUnsure)
	meanwhile := k.issue(t)
	take(meanwhile, nil)
	take(meanwhile, ErrUnsure)
	later := k.issue(t)
	server.Start()
	if n := c.Exists(t.Context(), ticketKey+Hash(spent)).Val(); n != 1 {
		t.Fatal("the snapshot does not have the ticket: this test shows nothing")
	}
	take(spent, store.ErrNotFound)
	take(unspent, store.ErrNotFound)
	take(later, nil)
	take(later, store.ErrNotFound)
	again := k.issue(t)
	take(again, nil)
	take(again, store.ErrNotFound)
}
