package fair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asked is a request that runs in its own goroutine; done is set when it was served or refused.
type asked struct {
	place Slot
	err   error
	done  atomic.Bool
}

func ask(ctx context.Context, p *Pool, key string, n int) *asked {
	a := &asked{}
	go func() {
		a.place, a.err = p.EnterN(ctx, key, n)
		a.done.Store(true)
	}()
	synctest.Wait()
	return a
}

// fill takes slots for a key until it gets no more.
func fill(p *Pool, key string) (slots []Slot) {
	for {
		l, ok := p.Try(key)
		if !ok {
			return slots
		}
		slots = append(slots, l)
	}
}

// B2B-LIM-020: keys that each take as many slots as they can, one key after the other.
func TestShares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes Sizes
		want  []int
	}{
		{Sizes{Slots: 64}, []int{32, 16, 8, 4, 2, 1, 1, 0}},
		{Sizes{Slots: 8}, []int{4, 2, 1, 1, 0}},
		{Sizes{Slots: 2}, []int{1, 1, 0}},
		{Sizes{Slots: 1}, []int{1, 0}},
		{Sizes{Slots: 64, Share: 16}, []int{16, 16, 16, 8, 4, 2, 1, 1, 0}},
		{Sizes{Share: 3}, []int{3, 3, 3}},
	} {
		p := New(c.sizes)
		for i, want := range c.want {
			if got := len(fill(p, fmt.Sprint(i))); got != want {
				t.Errorf("%+v: key %d got %d slots, want %d", c.sizes, i, got, want)
			}
		}
	}
}

// Keys that always wait for slots end up with equal shares.
func TestEqualShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Sizes{Slots: 12})
		ctx, stop := context.WithCancel(t.Context())
		var working sync.WaitGroup
		for _, key := range []string{"a", "b", "c"} {
			for range 20 {
				working.Go(func() {
					for ctx.Err() == nil {
						l, err := p.Enter(ctx, key)
						if err != nil {
							return
						}
						time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
						l.Leave()
					}
				})
			}
		}
		held := map[string]int{}
		for range 100 {
			time.Sleep(777 * time.Millisecond)
			for _, key := range []string{"a", "b", "c"} {
				held[key] += p.InUse(key)
			}
			late := ask(ctx, p, "late", 1)
			if !late.done.Load() {
				t.Fatal("a fourth key waits although three busy keys leave it a slot")
			}
			late.place.Leave()
		}
		for key, n := range held {
			if n < 280 || n > 320 {
				t.Errorf("%s had %d slots in 100 samples, want about 300", key, n)
			}
		}
		stop()
		working.Wait()
	})
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Sizes{Slots: 4, Queue: 2, Wait: time.Minute})
		ctx := t.Context()
		a := fill(p, "a")
		first, second := ask(ctx, p, "a", 1), ask(ctx, p, "a", 1)
		if third := ask(ctx, p, "a", 1); !errors.Is(third.err, ErrBusy) {
			t.Errorf("beyond the queue: %v", third.err)
		}
		b := ask(ctx, p, "b", 1)
		if !b.done.Load() || b.err != nil {
			t.Error("another key waits behind the first")
		}
		if first.done.Load() {
			t.Error("a key has more than its share")
		}
		a[0].Leave()
		a[0].Leave() // has no effect
		synctest.Wait()
		if !first.done.Load() || first.err != nil || second.done.Load() {
			t.Error("the first waiting request was not served first")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(second.err, ErrBusy) {
			t.Errorf("waited too long: %v", second.err)
		}
		gone, cancel := context.WithCancel(ctx)
		left := ask(gone, p, "a", 1)
		cancel()
		synctest.Wait()
		if !errors.Is(left.err, context.Canceled) {
			t.Errorf("canceled: %v", left.err)
		}
		if _, err := p.Enter(gone, "c"); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled before: %v", err)
		}
		if _, err := p.EnterN(ctx, "c", 5); !errors.Is(err, ErrBusy) {
			t.Errorf("more slots than the pool has: %v", err)
		}
		for _, l := range []*Slot{&a[1], &first.place, &b.place} {
			l.Leave()
		}
		if len(p.keys) != 0 || p.free != 4 || len(p.queue) != 0 {
			t.Errorf("left behind: %+v", p)
		}
	})
}

// The key with fewer slots is served first; among equals, the key that was served longer ago.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Sizes{Slots: 2})
		held := append(fill(p, "x"), fill(p, "y")...)
		var order []string
		var mu sync.Mutex
		for _, key := range []string{"a", "a", "a", "b", "b", "c"} {
			go func() {
				l, err := p.Enter(t.Context(), key)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, key)
				mu.Unlock()
				time.Sleep(time.Second)
				l.Leave()
			}()
			synctest.Wait()
		}
		held[0].Leave() // one slot: they are served one after the other
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"a", "b", "c", "a", "b", "a"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
		held[1].Leave()
	})
}

// Requests behind one that gives up are served.
func TestGivingUpServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Sizes{Slots: 4})
		held := fill(p, "x") // 2
		ctx, cancel := context.WithCancel(t.Context())
		large := ask(ctx, p, "a", 3)
		small := ask(t.Context(), p, "b", 1)
		if large.done.Load() || small.done.Load() {
			t.Error("a request was served before an earlier one that needs more slots")
		}
		cancel()
		synctest.Wait()
		if !small.done.Load() || small.err != nil {
			t.Error("no request was served after the first was canceled")
		}
		for i := range held {
			held[i].Leave()
		}
	})
}

// FuzzPool compares a pool with a plain model of the rule, over any order of requests,
// cancellations and returns.
func FuzzPool(f *testing.F) {
	f.Add(uint64(1), uint8(8), uint8(0), uint8(3))
	f.Add(uint64(2), uint8(1), uint8(0), uint8(0))
	f.Add(uint64(3), uint8(5), uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, slots, share, queue uint8) {
		synctest.Test(t, func(t *testing.T) {
			play(t, rand.New(rand.NewPCG(seed, 0)), Sizes{Slots: int(slots%16) + 1, Share: int(share % 8), Queue: int(queue % 8)})
		})
	})
}

func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			play(t, r, Sizes{Slots: r.IntN(12) + 1, Share: r.IntN(8), Queue: r.IntN(8)})
		})
	}
}

// play asks, cancels and returns slots at random, and checks the pool after each step.
func play(t *testing.T, r *rand.Rand, sizes Sizes) {
	p := New(sizes)
	type one struct {
		*asked
		key    string
		cancel context.CancelFunc
	}
	var all []one
	for range 200 {
		switch i := r.IntN(max(len(all), 1)); {
		case len(all) == 0 || r.IntN(2) == 0:
			ctx, cancel := context.WithCancel(t.Context())
			key := fmt.Sprint(r.IntN(5))
			waits := 0
			for _, o := range all {
				if o.key == key && !o.done.Load() {
					waits++
				}
			}
			a := ask(ctx, p, key, 1)
			full := sizes.Queue > 0 && waits >= sizes.Queue
			if a.done.Load() && a.err != nil {
				if !full || !errors.Is(a.err, ErrBusy) {
					t.Fatalf("%v, with %d waiting requests", a.err, waits)
				}
				cancel()
				continue
			}
			if full && !a.done.Load() {
				t.Fatalf("%d requests wait for %s, and one more was queued", waits, key)
			}
			all = append(all, one{a, key, cancel})
		case all[i].done.Load():
			all[i].place.Leave()
			all[i].cancel()
			all = slices.Delete(all, i, i+1)
		default:
			all[i].cancel()
			synctest.Wait()
			if !errors.Is(all[i].err, context.Canceled) {
				t.Fatalf("giving up: %v", all[i].err)
			}
			all = slices.Delete(all, i, i+1)
		}
		synctest.Wait()
		held, total, waits := map[string]int{}, 0, map[string]bool{}
		for _, o := range all {
			if !o.done.Load() {
				waits[o.key] = true
				continue
			}
			held[o.key]++
			total++
		}
		free := p.sizes.Slots - total
		if free < 0 || p.free != free {
			t.Fatalf("%d slots of %d are used, the pool counts %d free", total, p.sizes.Slots, p.free)
		}
		for key := range waits {
			if n := held[key]; n+1 <= p.sizes.Share && n+1 <= free {
				t.Fatalf("%s waits with %d slots while %d are free", key, n, free)
			}
		}
		for key, n := range held {
			if n > p.sizes.Share || p.InUse(key) != n {
				t.Fatalf("%s has %d slots, said to be %d", key, n, p.InUse(key))
			}
		}
		for i, m := range p.queue {
			if m.at != i || i > 0 && m.before(p.queue[(i-1)/2]) {
				t.Fatal("the heap is out of order")
			}
		}
	}
	for _, o := range all {
		o.cancel()
		synctest.Wait()
		o.place.Leave()
	}
	synctest.Wait()
	if p.free != p.sizes.Slots || len(p.keys) != 0 {
		t.Fatalf("left behind: %d free, %d keys", p.free, len(p.keys))
	}
}

// Many goroutines take slots at once, and some cancel: no slot is lost.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	p := New(Sizes{Slots: 6, Queue: 50})
	var inside atomic.Int64
	var working sync.WaitGroup
	for i := range 60 {
		working.Go(func() {
			key := fmt.Sprint(i % 7)
			for n := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if n%3 == 0 {
					go cancel()
				}
				l, err := p.Enter(ctx, key)
				if err == nil {
					if inside.Add(1) > 6 {
						t.Error("more slots are in use than the pool has")
					}
					inside.Add(-1)
					l.Leave()
				}
				cancel()
			}
		})
	}
	working.Wait()
	if p.free != 6 || len(p.keys) != 0 || len(p.queue) != 0 {
		t.Errorf("left behind: %+v", p)
	}
}

func TestUncontendedAllocatesNothing(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	p := New(Sizes{Slots: 8})
	keys := []string{"a", "b", "c"}
	n := testing.AllocsPerRun(1000, func() {
		var slots [3]Slot
		for i, key := range keys {
			var err error
			if slots[i], err = p.Enter(context.Background(), key); err != nil {
				t.Fatal(err)
			}
		}
		for i := range slots {
			slots[i].Leave()
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnter(b *testing.B) {
	p := New(Sizes{Slots: 8})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Enter(ctx, "org")
		if err != nil {
			b.Fatal(err)
		}
		l.Leave()
	}
}

func BenchmarkEnterParallel(b *testing.B) {
	p := New(Sizes{Slots: 64})
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l, err := p.Enter(ctx, "org"); err == nil {
				l.Leave()
			}
		}
	})
}
