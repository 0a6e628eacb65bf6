package eventlog_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// source is a store with commits that a benchmark makes up. Its reads are real.
type source struct {
	*sqlstore.Store
	hook func(string, []store.Event)
}

func (s *source) OnCommit(fn func(string, []store.Event)) func() {
	s.hook = fn
	return func() {}
}

// BenchmarkFanOut delivers one event of 500 bytes to 200 participants of a thread, each with a
// goroutine of its own. It measures the path from the commit to the readers without the store.
// allocs/op divided by 200 is the cost of a delivery; an event is decoded and encoded once.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { fanOut(b, n) })
	}
}

func fanOut(b *testing.B, n int) {
	fx := newFixture(b)
	bots := fx.bots(n)
	thread := fx.thread(bots...)
	src := &source{Store: fx.store}
	h := fx.hub(eventlog.Config{Store: src, Queue: 4096})
	var got atomic.Int64
	var readers sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for _, id := range bots {
		s := fx.subscribe(h, fx.bot(id), nil)
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
	fx.post(thread, bots[0], strings.Repeat("x", 400)) // a pattern; source does not deliver it
	pattern := fx.history()[fx.top()-1]
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		e := pattern
		e.Seq += int64(i)
		src.hook(fx.org, []store.Event{e})
		for int64(i+1)*int64(n)-got.Load() > int64(n)*64 { // readers must not fall too far behind
			runtime.Gosched()
		}
	}
	for got.Load() < int64(b.N)*int64(n) {
		runtime.Gosched()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	readers.Wait()
}

// BenchmarkResume: one bot replays 1,000 events of its thread.
func BenchmarkResume(b *testing.B) {
	fx := newFixture(b)
	bots := fx.bots(2)
	thread := fx.thread(bots...)
	from := eventlog.Position{Epoch: fx.start().Epoch, Seq: fx.top()}
	fx.update(fx.org, func(tx store.Tx) error {
		for range 1000 {
			if err := fx.appendEvent(tx, toThread(thread), message(thread, bots[0], strings.Repeat("x", 400))); err != nil {
				return err
			}
		}
		return nil
	})
	h := fx.hub(eventlog.Config{})
	b.ReportAllocs()
	for b.Loop() {
		s := fx.subscribe(h, fx.bot(bots[1]), &from)
		for range 1000 {
			fx.next(s)
		}
		s.Close()
	}
}

// BenchmarkStorm: 500 bots at once replay 1,000 events.
func BenchmarkStorm(b *testing.B) {
	fx := newFixture(b)
	bots := fx.bots(500)
	thread := fx.thread(bots...)
	from := eventlog.Position{Epoch: fx.start().Epoch, Seq: fx.top()}
	fx.manyNews(1000)
	fx.post(thread, bots[0], "last")
	end := fx.top()
	h := fx.hub(eventlog.Config{})
	for b.Loop() {
		var all sync.WaitGroup
		for _, id := range bots {
			all.Go(func() {
				s, err := h.Subscribe(context.Background(), fx.bot(id), &from, eventlog.Filter{})
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

// BenchmarkCatchUp: a catch-up of 10,000 events.
func BenchmarkCatchUp(b *testing.B) {
	fx := newFixture(b)
	bots := fx.bots(2)
	thread := fx.thread(bots...)
	fx.update(fx.org, func(tx store.Tx) error {
		for range 10_000 {
			if err := fx.appendEvent(tx, toThread(thread), message(thread, bots[0], strings.Repeat("x", 400))); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eventlog.CatchUp(context.Background(), fx.store, fx.bot(bots[1]), 0, "", 50); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUpFar: a bot that may see 50 of 200,000 events catches up.
func BenchmarkCatchUpFar(b *testing.B) {
	for name, open := range map[string]func() *fixture{
		"sqlite":   func() *fixture { return newFixture(b) },
		"postgres": func() *fixture { return newFixtureOn(b, pgtest.URL(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			fx := open()
			bots := fx.bots(3)
			own, other := fx.thread(bots[0], bots[1]), fx.thread(bots[1], bots[2])
			for i := range 200 {
				fx.update(fx.org, func(tx store.Tx) error {
					for j := range 1000 {
						thread := other
						if i%4 == 0 && j == 0 {
							thread = own
						}
						if err := fx.appendEvent(tx, toThread(thread), message(thread, bots[1], strings.Repeat("x", 400))); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				page, err := eventlog.CatchUp(context.Background(), fx.store, fx.bot(bots[0]), 0, "", 50)
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

// BenchmarkCount: a bot in 10 threads and 10 channels counts what it missed, in logs of two
// sizes: since the beginning, since the middle, and since a moment after which nothing came.
func BenchmarkCount(b *testing.B) {
	for name, open := range map[string]func() *fixture{
		"sqlite":   func() *fixture { return newFixture(b) },
		"postgres": func() *fixture { return newFixtureOn(b, pgtest.URL(b)) },
	} {
		for _, events := range []int{25_000, 25_200, 250_000} { // 200: behind the index
			b.Run(fmt.Sprintf("%s/%d", name, events), func(b *testing.B) {
				fx := open()
				c := fx.crowd()
				fx.fill(c, events)
				me := fx.bot(c.me)
				for what, since := range map[string]int64{
					"all": 0, "half": fx.clock.Load() - int64(events/2), "none": fx.clock.Load(),
				} {
					b.Run(what, func(b *testing.B) {
						b.ReportAllocs()
						for b.Loop() {
							if _, err := eventlog.Count(context.Background(), fx.store, me, since); err != nil {
								b.Fatal(err)
							}
						}
						b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "counts/s")
					})
				}
			})
		}
	}
}

// crowd are 10 threads of 13 bots and 10 channels that the bot me is in, and as many threads and
// channels of others.
type crowd struct {
	me                      string
	bots, threads, channels []string
}

func (fx *fixture) crowd() crowd {
	c := crowd{bots: fx.bots(24)}
	for i := range 20 {
		from := i / 10 * 11
		c.threads = append(c.threads, fx.thread(c.bots[from:from+13]...))
		c.channels = append(c.channels, fx.channel(c.bots[from], c.bots[from+1+i%10]))
	}
	c.me = c.bots[1]
	return c
}

// fill appends messages in all threads and channels, some of them by the bot itself.
func (fx *fixture) fill(c crowd, events int) {
	text := strings.Repeat("x", 220)
	for at := 0; at < events; at += 1000 {
		fx.update(fx.org, func(tx store.Tx) error {
			for i := at; i < min(at+1000, events); i++ {
				thread, channel := c.threads[i%20], c.channels[i%20]
				by := c.bots[i%20/10*11+i/20%13]
				to, e := toThread(thread), message(thread, by, text)
				if i/20%2 == 1 {
					by = c.bots[i%20/10*11]
					to, e = toChannel(channel), &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: channel, Message: &b2bv1.ChannelMessage{Id: text, SenderId: by}}}}
				}
				to.ActorID = &by
				if err := fx.appendEvent(tx, to, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
