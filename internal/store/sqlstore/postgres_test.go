package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) *sqlstore.Store { return open(t, pgtest.URL(t)) })
}

// Two nodes change one thread as fast as they can. Each change depends on what it
// reads, so one that saw a kept but outdated row would be refused as stale.
func TestPostgresNodesSeeEachOther(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := pgtest.URL(t)
	nodes := []*sqlstore.Store{open(t, url), open(t, url)}
	defer func() {
		for _, s := range nodes {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	bots := []string{"a", "b"}
	err := nodes[0].Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "org", Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = nodes[0].Update(ctx, "org", func(tx store.Tx) error {
		for _, b := range bots {
			err := tx.CreateBot(ctx, &store.Bot{ID: b, OrgID: "org", Name: b, TokenHash: b, AuthRole: store.AuthMember, JoinStatus: store.BotActive})
			if err != nil {
				return err
			}
		}
		th := &store.Thread{ID: "t", OrgID: "org", Topic: "0", Status: "active", Visibility: "public", JoinPolicy: "open", Revision: 1}
		return tx.CreateThread(ctx, th, []store.Participant{{BotID: "a"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	const callers, rounds = 8, 40
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for n, s := range nodes {
		for c := range callers {
			wg.Go(func() {
				for r := range rounds {
					var ok bool
					err := s.Update(ctx, "org", func(tx store.Tx) (err error) {
						ok, err = change(ctx, tx, (n+c+r)%3)
						return err
					})
					if err != nil {
						t.Errorf("node %d: %v", n, err)
						return
					}
					if ok {
						allowed.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	const all = 2 * callers * rounds
	for _, s := range nodes {
		th, err := s.Thread(ctx, "org", "t")
		if err != nil {
			t.Fatal(err)
		}
		if th.Topic != fmt.Sprint(th.Revision-1) || th.LastActivityAt != all-(th.Revision-1) {
			t.Errorf("topic %s, revision %d, touched %d times", th.Topic, th.Revision, th.LastActivityAt)
		}
		top, err := s.LogTop(ctx, "org")
		if err != nil || top.Seq != all {
			t.Errorf("log ends at %d, %v", top.Seq, err)
		}
	}
	if allowed.Load() != 100 {
		t.Errorf("%d uses of a limit of 100", allowed.Load())
	}
}

// change moves the thread on by what it reads of it: its topic or its activity.
func change(ctx context.Context, tx store.Tx, kind int) (ok bool, err error) {
	th, err := tx.Thread(ctx, "org", "t")
	if err != nil {
		return false, err
	}
	if kind == 0 {
		th.Revision++
		th.Topic = fmt.Sprint(th.Revision - 1)
		err = tx.UpdateThread(ctx, th, th.Revision-1)
	} else {
		err = tx.CountTurn(ctx, "t", th.LastActivityAt+1)
	}
	if err != nil {
		return false, err
	}
	if _, err := tx.Append(ctx, store.Event{Type: "e"}); err != nil {
		return false, err
	}
	ok, _, err = tx.TakeRate(ctx, "a", "message", time.Hour, 100, 1_000_000_000)
	return ok, err
}
