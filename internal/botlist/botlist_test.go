package botlist_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/botlist"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func out(b *store.Bot) *b2bv1.Bot {
	return &b2bv1.Bot{Id: b.ID, OrgId: b.OrgID, Name: b.Name, StatusText: b.StatusText, Online: b.Online}
}

func cacheOf(st *sqlstore.Store, single bool, most int64) *botlist.Cache {
	return botlist.New(botlist.Config{
		View: func(ctx context.Context, fn func(botlist.Reader) error) error {
			return st.View(ctx, func(r store.Reader) error { return fn(r) })
		},
		Version: st.OrgVersion, OnChange: st.OnChange, Single: single, Out: out, Now: time.Now, Most: most,
	})
}

// fill creates orgs with bots.
func fill(t *testing.T, st *sqlstore.Store, orgs, bots int) {
	t.Helper()
	for o := range orgs {
		org := fmt.Sprint("org", o)
		change(t, st, "", func(ctx context.Context, tx store.Tx) error {
			return tx.CreateOrg(ctx, &store.Org{ID: org, Name: org, SecretHash: org, Status: store.OrgActive})
		})
		for b := range bots {
			change(t, st, org, func(ctx context.Context, tx store.Tx) error { return tx.CreateBot(ctx, bot(org, b)) })
		}
	}
}

func bot(org string, n int) *store.Bot {
	id := fmt.Sprintf("%s-%03d", org, n)
	return &store.Bot{ID: id, OrgID: org, Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive}
}

func change(t *testing.T, st *sqlstore.Store, org string, fn func(context.Context, store.Tx) error) {
	t.Helper()
	if err := st.Update(t.Context(), org, func(tx store.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

// While bots change, a list has every change that was acknowledged before it was asked for
// (B2B-HTTP-051), also while orgs leave the cache.
func TestListIsNotOlder(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int64{"kept": 0, "evicted": 24 << 10} {
		t.Run("one node, "+name, func(t *testing.T) {
			t.Parallel()
			st := sqltest.SQLite(t)
			notOlder(t, st, st, cacheOf(st, true, most))
		})
		t.Run("two nodes, "+name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			writes, reads := sqltest.Open(t, url), sqltest.Open(t, url)
			notOlder(t, writes, reads, cacheOf(reads, false, most))
		})
	}
}

func notOlder(t *testing.T, writes, reads *sqlstore.Store, c *botlist.Cache) {
	const orgs, bots, changes = 3, 6, 60
	fill(t, writes, orgs, bots)
	var acknowledged [orgs][bots]atomic.Int64
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for o := range orgs {
		org := fmt.Sprint("org", o)
		writers.Go(func() {
			for n := int64(1); n <= changes; n++ {
				b := rand.IntN(bots)
				row := bot(org, b)
				text := fmt.Sprint(n)
				row.StatusText = &text
				err := writes.Update(t.Context(), org, func(tx store.Tx) error {
					return tx.UpdateBotProfile(t.Context(), row, store.BotStatusText)
				})
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged[o][b].Store(n)
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				o := rand.IntN(orgs)
				var want [bots]int64
				for b := range bots {
					want[b] = acknowledged[o][b].Load()
				}
				list, err := c.List(t.Context(), fmt.Sprint("org", o))
				if err != nil || len(list) != bots {
					t.Errorf("%d bots, %v", len(list), err)
					return
				}
				for b, e := range list {
					var got int64
					_, _ = fmt.Sscan(e.Bot.GetStatusText(), &got) // empty: 0
					if got < want[b] {
						t.Errorf("bot %d of org %d is at %d, and %d was acknowledged", b, o, got, want[b])
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	_ = reads
}

// A list changes with each kind of change, and an unchanged one is not read again.
func TestListFollows(t *testing.T) {
	t.Parallel()
	st := sqltest.SQLite(t)
	fill(t, st, 2, 3)
	c := cacheOf(st, true, 0)
	names := func() string {
		t.Helper()
		list, err := c.List(t.Context(), "org0")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for _, e := range list {
			fmt.Fprint(&b, e.Bot.GetName(), " ")
			if e.Bot.GetOnline() {
				b.WriteString("online ")
			}
			if !bytes.Equal(e.JSON, wire.AppendBot(nil, e.Bot)) {
				t.Errorf("%s is encoded as %s", e.Bot.GetName(), e.JSON)
			}
		}
		return b.String()
	}
	if got := names(); got != "org0-000 org0-001 org0-002 " {
		t.Fatal(got)
	}
	for _, step := range []struct {
		org  string
		do   func(context.Context, store.Tx) error
		want string
	}{
		{"org1", func(ctx context.Context, tx store.Tx) error { return tx.RenameBot(ctx, "org1-000", "x") }, "org0-000 org0-001 org0-002 "},
		{"org0", func(ctx context.Context, tx store.Tx) error { return tx.RenameBot(ctx, "org0-000", "z") }, "org0-001 org0-002 z "},
		{"org0", func(ctx context.Context, tx store.Tx) error { return tx.SetBotOnline(ctx, "org0-002", true) }, "org0-001 org0-002 online z "},
		{"org0", func(ctx context.Context, tx store.Tx) error { return tx.CreateBot(ctx, bot("org0", 9)) }, "org0-001 org0-002 online org0-009 z "},
		{"org0", func(ctx context.Context, tx store.Tx) error {
			_, err := tx.DeleteBot(ctx, "org0", "org0-001", "session", 1)
			return err
		}, "org0-002 online org0-009 z "},
		{"", func(ctx context.Context, tx store.Tx) error { return tx.ResetOnline(ctx) }, "org0-002 org0-009 z "},
		{"", func(ctx context.Context, tx store.Tx) error { return tx.DeleteOrg(ctx, "org0") }, ""},
	} {
		change(t, st, step.org, step.do)
		if got := names(); got != step.want {
			t.Errorf("the list is %q, want %q", got, step.want)
		}
	}
}

// The last call of a bot is in lists once it is written, and counts for the ETag in minutes
// (B2B-HTTP-052).
func TestLastSeen(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) *botlist.Entry {
		return botlist.NewEntry(&b2bv1.Bot{Id: "a"}).Seen(&timestamppb.Timestamp{Seconds: seconds})
	}
	tag := func(e *botlist.Entry) string { return botlist.Tag(botlist.List{e}, "") }
	if tag(at(60)) != tag(at(119)) || tag(at(60)) == tag(at(120)) || tag(at(60)) == botlist.Tag(botlist.List{at(60)}, "next") {
		t.Error("the tag is not that of the minute")
	}
	odd := &b2bv1.Bot{Id: `"last_seen_at":5,`, LastSeenAt: &timestamppb.Timestamp{Seconds: 60}}
	if tag(botlist.NewEntry(odd)) == tag(botlist.NewEntry(odd).Seen(&timestamppb.Timestamp{Seconds: 120})) {
		t.Error("the key was found in a text")
	}
	if bytes.Equal(at(60).JSON, at(119).JSON) {
		t.Error("the list has no exact time")
	}
	if other := botlist.NewEntry(&b2bv1.Bot{Id: "b"}).Seen(&timestamppb.Timestamp{Seconds: 60}); tag(other) == tag(at(60)) {
		t.Error("another bot has the same tag")
	}
}

// An org that is too large is not kept, and its lists do not read it each time.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	st := sqltest.SQLite(t)
	fill(t, st, 1, 20)
	var views atomic.Int64
	c := cacheOf(st, true, 16<<10)
	view := c.View
	c.View = func(ctx context.Context, fn func(botlist.Reader) error) error {
		views.Add(1)
		return view(ctx, fn)
	}
	for range 3 {
		if list, err := c.List(t.Context(), "org0"); list != nil || err != nil {
			t.Fatalf("%d bots, %v", len(list), err)
		}
	}
	if n := views.Load(); n != 1 {
		t.Errorf("it was read %d times", n)
	}
}

// BenchmarkList measures a list of 1,000 bots: unchanged, and with one that changed since the last.
func BenchmarkList(b *testing.B) {
	var list botlist.List
	text := "reviews pull requests, and answers questions about the build"
	for n := range 1000 {
		row := bot("org", n)
		row.StatusText = &text
		list = append(list, botlist.NewEntry(out(row)))
	}
	b.Run("tag", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			botlist.Tag(list, "")
		}
	})
	b.Run("body", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, botlist.Size(list))
		b.SetBytes(int64(cap(buf)))
		for b.Loop() {
			botlist.AppendJSON(buf, list)
		}
	})
	b.Run("entry", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			botlist.NewEntry(list[0].Bot)
		}
	})
}
