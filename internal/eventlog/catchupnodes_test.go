package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// nodes are stores of one database, each behind a proxy, which write in turn.
type nodes struct {
	stores  []*sqlstore.Store
	proxies []*pgtest.Proxy // none on SQLite
}

// twoNodes opens a PostgreSQL database twice.
func twoNodes(t *testing.T, url string, answer time.Duration) *nodes {
	n := &nodes{}
	for range 2 {
		p := pgtest.NewProxy(t, url)
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: p.URL, Answer: answer})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			p.Speak()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		n.stores, n.proxies = append(n.stores, s), append(n.proxies, p)
	}
	return n
}

var errUndone = errors.New("undone")

// TestCatchUpOnNodes compares catch-up with a reference that reads the whole log, while between any
// two reads and pages of it either node posts and advances the index, changes are undone after they
// have done so, and the answers of the database are lost, to a COMMIT as to others.
func TestCatchUpOnNodes(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		for seed := range seeds(2) {
			fx := newFixture(t)
			playOnNodes(fx, &nodes{stores: []*sqlstore.Store{fx.store}}, uint64(seed))
		}
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := pgtest.URL(t)
		fx, n := newFixtureOn(t, url), twoNodes(t, url, 10*time.Second)
		lost := 0
		for seed := range seeds(2) {
			lost += playOnNodes(fx.another(fmt.Sprint("org", seed)), n, uint64(seed))
		}
		if lost == 0 {
			t.Error("no change failed because an answer was lost")
		}
	})
}

// seeds returns how many seeds a model test plays: few, or as B2B_TEST_SEEDS says.
func seeds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("B2B_TEST_SEEDS")); err == nil {
		return n
	}
	return few
}

// playOnNodes returns how many changes failed because of the nodes.
func playOnNodes(fx *fixture, n *nodes, seed uint64) (lost int) {
	rng := rand.New(rand.NewPCG(seed, 11))
	p := &catchUpPlay{fixture: fx, rng: rng, bots: fx.bots(3)}
	for range 4 {
		p.threads = append(p.threads, fx.thread(p.bots...))
	}
	p.channels = []string{fx.channel(p.bots[0], p.bots[1])}
	change := func() {
		k := rng.IntN(len(n.stores))
		lossy := len(n.proxies) > 0 && rng.IntN(4) == 0
		if lossy {
			n.proxies[k].Lose(1 + rng.IntN(5))
			defer n.proxies[k].Lose(0)
		}
		undone, index, posts := rng.IntN(5) == 0, rng.IntN(2) > 0, rng.IntN(5)
		if rng.IntN(25) == 0 {
			posts = 300 // the change itself indexes them, at times
		}
		err := n.stores[k].Update(context.Background(), fx.org, func(tx store.Tx) error {
			for range posts {
				by := p.bots[rng.IntN(2)]
				to, e := toThread(p.threads[rng.IntN(4)]), message("", by, "x")
				to.ActorID = &by
				if err := fx.appendEvent(tx, to, e); err != nil {
					return err
				}
			}
			if index {
				if _, err := tx.IndexLog(context.Background(), 1+rng.IntN(6)); err != nil { // some stay behind
					return err
				}
			}
			if undone {
				return errUndone
			}
			return nil
		})
		switch {
		case err == nil && !undone, undone && errors.Is(err, errUndone):
		case lossy:
			lost++
		default:
			fx.Fatalf("seed %d: %v", seed, err)
		}
	}
	for round := range 10 {
		for range 4 {
			change()
		}
		v, from, since := p.bot(p.bots[2]), int64(0), int64(0)
		if rng.IntN(3) == 0 {
			since = p.clock.Load() - rng.Int64N(50)
		}
		r := &changing{Store: fx.store, change: func() {
			if rng.IntN(2) == 0 {
				change()
			}
		}}
		cursor, got := "", []string(nil)
		for more := true; more; {
			page, err := eventlog.CatchUp(context.Background(), r, v, since, cursor, 1)
			if err != nil {
				fx.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			for _, row := range page.Rows {
				got = append(got, rowText(&row))
			}
			cursor, more = page.Cursor, page.More
			change()
		}
		end, err := eventlog.ParsePosition(cursor)
		if err != nil {
			fx.Fatal(err)
		}
		if want := p.reference(v, from, since, end.Seq); !slices.Equal(got, want) {
			fx.Fatalf("seed %d, round %d, since %d: got\n%s\nwant\n%s", seed, round, since, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		top := p.top()
		count, err := eventlog.Count(context.Background(), &changing{Store: fx.store, change: func() {
			if err := n.stores[0].IndexLog(context.Background(), fx.org, 1+rng.IntN(6)); err != nil {
				fx.Fatal(err)
			}
		}}, v, since)
		if want := countsOf(p.reference(v, from, since, top)); err != nil || count != want {
			fx.Fatalf("seed %d, round %d, since %d: counted %+v, %v, want %+v", seed, round, since, count, err, want)
		}
	}
	return lost
}

// changing calls change before each read.
type changing struct {
	*sqlstore.Store
	change func()
}

func (c *changing) LogTop(ctx context.Context, org string) (store.LogTop, error) {
	c.change()
	return c.Store.LogTop(ctx, org)
}

func (c *changing) ReadLog(ctx context.Context, org string, after int64, limit int) ([]store.Event, error) {
	c.change()
	return c.Store.ReadLog(ctx, org, after, limit)
}

func (c *changing) LogWindow(ctx context.Context, org string, at int64) ([]store.LogPart, int64, error) {
	c.change()
	return c.Store.LogWindow(ctx, org, at)
}

func (c *changing) LogHeads(ctx context.Context, q store.HeadQuery) (*store.LogHeads, error) {
	c.change()
	return c.Store.LogHeads(ctx, q)
}

func (c *changing) ReadRanges(ctx context.Context, org string, ranges []store.LogRange, limit int) ([]store.RangeEvent, error) {
	c.change()
	return c.Store.ReadRanges(ctx, org, ranges, limit)
}

func (c *changing) TallyLog(ctx context.Context, org, except string, newer int64, ranges []store.LogRange) ([]store.Tally, error) {
	c.change()
	return c.Store.TallyLog(ctx, org, except, newer, ranges)
}

// TestCatchUpBesideWrites: every message of concurrent writers is in catch-up or behind its end, and
// every acknowledged message is there, while two nodes index the log and their connections go silent
// or are cut (B2B-CATCH-005).
func TestCatchUpBesideWrites(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	fx, n := newFixtureOn(t, url), twoNodes(t, url, 300*time.Millisecond)
	bots := fx.bots(2)
	var ids []string
	for range 6 {
		ids = append(ids, fx.thread(bots...))
	}
	done, refused := make([]int64, len(ids)), atomic.Int64{}
	for round := range 3 {
		stop := make(chan struct{})
		var writers, others sync.WaitGroup
		for i, id := range ids {
			writers.Go(func() {
				for k := range 30 {
					to := toThread(id)
					to.ActorID = &bots[0]
					err := n.stores[(i+k)%2].Update(context.Background(), fx.org, func(tx store.Tx) error {
						for range 4 { // so that writers fill the index, too
							if err := fx.appendEvent(tx, to, message(id, bots[0], "x")); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						refused.Add(1)
						continue
					}
					done[i] += 4
				}
			})
		}
		for k := range 2 {
			others.Go(func() { n.trouble(k, fx.org, round > 0, rand.New(rand.NewPCG(uint64(round), uint64(k))), stop) })
		}
		counted := map[string]int64{}
		cursor := ""
		for k, more := 0, true; more; k++ {
			page, err := eventlog.CatchUp(t.Context(), n.stores[k%2], fx.bot(bots[1]), 0, cursor, 1)
			if err != nil {
				continue // the page is read again
			}
			for i := range page.Rows {
				if r := &page.Rows[i]; r.Type == "thread_message_summary" {
					counted[r.ThreadID] += r.Count
				}
			}
			cursor, more = page.Cursor, page.More
		}
		writers.Wait()
		close(stop)
		others.Wait()
		end, err := eventlog.ParsePosition(cursor)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[string]int64{}
		for _, e := range (&catchUpPlay{fixture: fx}).history() {
			if e.Type == "thread_message" {
				sent[*e.ThreadID]++
				if e.Seq > end.Seq {
					counted[*e.ThreadID]++
				}
			}
		}
		for i, id := range ids {
			if counted[id] != sent[id] || sent[id] < done[i] {
				t.Errorf("round %d, thread %d: catch-up and the log after it have %d messages of %d; %d were reported as done", round, i, counted[id], sent[id], done[i])
			}
		}
	}
	if refused.Load() == 0 {
		t.Log("no change was refused")
	}
}

// trouble disturbs the connections of a node until stop is closed. Unless writers alone are to index
// the log, it also does.
func (n *nodes) trouble(k int, org string, alone bool, rng *rand.Rand, stop chan struct{}) {
	p := n.proxies[k]
	defer p.Speak()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(20)) * time.Millisecond):
		}
		switch rng.IntN(6) {
		case 0:
			p.Silence(rng.IntN(2) == 0)
		case 1:
			p.Lose(1 + rng.IntN(20))
		case 2, 3, 4:
			p.Speak()
		case 5:
			if alone {
				continue
			}
			_ = n.stores[k].IndexLog(context.Background(), org, 1+rng.IntN(100)) // it may fail
		}
	}
}
