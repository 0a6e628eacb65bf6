package eventlog_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

// source is a store whose commits a benchmark makes up; reads are real.
type source struct {
	store.Store
	hook func(string, []store.Event)
}

func (s *source) OnCommit(fn func(string, []store.Event)) func() {
	s.hook = fn
	return func() {}
}

// BenchmarkFanOut is one event of 500 bytes to 200 participants of a thread, each of
// whom reads in a goroutine of its own. The store is left out: what is measured is
// the way from the commit to the readers. allocs/op divided by 200 is what a
// delivery costs; an event is decoded and encoded once.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { fanOut(b, n) })
	}
}

func fanOut(b *testing.B, n int) {
	w := newWorld(b)
	bots := w.bots(n)
	thread := w.thread(bots...)
	src := &source{Store: w.store}
	h := w.hub(eventlog.Config{Store: src, Queue: 4096})
	var got atomic.Int64
	var readers sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for _, id := range bots {
		s := w.subscribe(h, w.bot(id), nil)
		readers.Go(func() {
			for {
				if _, err := s.Next(ctx); err != nil {
					if ctx.Err() == nil {
						b.Error(err)
					}
					return
				}
				got.Add(1)
			}
		})
	}
	w.post(thread, bots[0], strings.Repeat("x", 400)) // as a pattern; nobody hears of it
	pattern := w.history()[w.top()-1]
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		e := pattern
		e.Seq += int64(i)
		src.hook(w.org, []store.Event{e})
		for int64(i+1)*int64(n)-got.Load() > int64(n)*64 { // the writer is not the reader's problem, but the benchmark's
			time.Sleep(10 * time.Microsecond)
		}
	}
	for got.Load() < int64(b.N)*int64(n) {
		time.Sleep(10 * time.Microsecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	readers.Wait()
}

// BenchmarkResume is one bot that missed 1,000 events of its thread.
func BenchmarkResume(b *testing.B) {
	w := newWorld(b)
	bots := w.bots(2)
	thread := w.thread(bots...)
	from := eventlog.Position{Epoch: w.start().Epoch, Seq: w.top()}
	w.update(w.org, func(tx store.Tx) error {
		for range 1000 {
			if err := w.appendEvent(tx, toThread(thread), message(thread, bots[0], strings.Repeat("x", 400))); err != nil {
				return err
			}
		}
		return nil
	})
	h := w.hub(eventlog.Config{})
	b.ReportAllocs()
	for b.Loop() {
		s := w.subscribe(h, w.bot(bots[1]), &from)
		for range 1000 {
			w.next(s)
		}
		s.Close()
	}
}

// BenchmarkStorm is 500 bots that resume at the same moment from 1,000 events back.
func BenchmarkStorm(b *testing.B) {
	w := newWorld(b)
	bots := w.bots(500)
	thread := w.thread(bots...)
	from := eventlog.Position{Epoch: w.start().Epoch, Seq: w.top()}
	w.manyNews(1000)
	w.post(thread, bots[0], "last")
	end := w.top()
	h := w.hub(eventlog.Config{})
	for b.Loop() {
		var all sync.WaitGroup
		for _, id := range bots {
			all.Go(func() {
				s, err := h.Subscribe(context.Background(), w.bot(id), &from, eventlog.Filter{})
				if err != nil {
					b.Error(err)
					return
				}
				defer s.Close()
				for {
					it, err := s.Next(context.Background())
					if err != nil {
						b.Error(err)
						return
					}
					if it.Position.Seq == end {
						return
					}
				}
			})
		}
		all.Wait()
	}
}

// BenchmarkCatchUp sums up 10,000 events.
func BenchmarkCatchUp(b *testing.B) {
	w := newWorld(b)
	bots := w.bots(2)
	thread := w.thread(bots...)
	w.update(w.org, func(tx store.Tx) error {
		for range 10_000 {
			if err := w.appendEvent(tx, toThread(thread), message(thread, bots[0], strings.Repeat("x", 400))); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eventlog.CatchUp(context.Background(), w.store, w.bot(bots[1]), 0, "", 50); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUpFar is a bot that may see 50 of 200,000 events.
func BenchmarkCatchUpFar(b *testing.B) {
	for name, open := range map[string]func() *world{
		"sqlite":   func() *world { return newWorld(b) },
		"postgres": func() *world { return worldOver(b, pgtest.URL(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			w := open()
			bots := w.bots(3)
			own, other := w.thread(bots[0], bots[1]), w.thread(bots[1], bots[2])
			for i := range 200 {
				w.update(w.org, func(tx store.Tx) error {
					for j := range 1000 {
						thread := other
						if i%4 == 0 && j == 0 {
							thread = own
						}
						if err := w.appendEvent(tx, toThread(thread), message(thread, bots[1], strings.Repeat("x", 400))); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				page, err := eventlog.CatchUp(context.Background(), w.store, w.bot(bots[0]), 0, "", 50)
				if err != nil {
					b.Fatal(err)
				}
				if len(page.Rows) != 1 || page.Rows[0].Count != 50 {
					b.Fatalf("%+v", page.Rows)
				}
			}
		})
	}
}
