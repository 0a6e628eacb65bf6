package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

var errRefused = errors.New("refused by the test")

// inRange indexes the log and reads the events of one range.
func inRange(s *suite, org string, in store.LogRange, limit int) ([]store.Event, error) {
	s.update(org, func(tx store.Tx) error { _, err := tx.IndexLog(s.ctx, 1<<20); return err })
	rows, err := s.ReadRanges(s.ctx, org, []store.LogRange{in}, limit)
	out := make([]store.Event, len(rows))
	for i, row := range rows {
		out[i] = row.Event
	}
	return out, err
}

var logTests = []test{
	{"append and read", func(s *suite) {
		org, other := s.org(), s.org()
		e := store.Event{
			At: 5, Type: "thread_message", Audience: store.AudienceThread, ThreadID: ptr("t"), ChannelID: ptr("c"),
			BotID: ptr("b"), ActorID: ptr("a"), Payload: []byte{0, 1, 255},
		}
		s.update(org, func(tx store.Tx) error {
			for want := int64(1); want <= 3; want++ {
				seq, err := tx.Append(s.ctx, e)
				if err != nil {
					return err
				}
				equal(s, "seq", seq, want)
				equal(s, "top in the change", must(tx.LogTop(s.ctx, org))(s).Seq, want)
			}
			equal(s, "read in the change", len(must(tx.ReadLog(s.ctx, org, 1, 10))(s)), 2)
			return nil
		})
		equal(s, "first of another", s.append(other, "x"), 1)
		rows := must(s.ReadLog(s.ctx, org, 1, 10))(s)
		equal(s, "read", len(rows), 2)
		e.OrgID, e.Seq = org, 2
		same(s, "event", rows[0], e)
		equal(s, "limited", len(must(s.ReadLog(s.ctx, org, 0, 1))(s)), 1)
		equal(s, "above the top", len(must(s.ReadLog(s.ctx, org, 3, 10))(s)), 0)
		for _, c := range []struct {
			audience store.Audience
			scope    string
		}{{store.AudienceThread, "scoped-t"}, {store.AudienceChannel, "scoped-c"}, {store.AudienceBot, "scoped-b"}} {
			e := e
			e.Audience, e.ThreadID, e.ChannelID, e.BotID = c.audience, ptr("scoped-t"), ptr("scoped-c"), ptr("scoped-b")
			var seqs []int64
			s.update(other, func(tx store.Tx) error {
				for range 3 {
					seq, err := tx.Append(s.ctx, e)
					if err != nil {
						return err
					}
					seqs = append(seqs, seq)
				}
				return nil
			})
			in := store.LogRange{ScopeID: c.scope, Type: e.Type, Party: "a", After: seqs[0], UpTo: seqs[2]}
			rows := must(inRange(s, other, in, 10))(s)
			equal(s, "of a scope", len(rows), 2)
			e.OrgID, e.Seq = other, seqs[1]
			same(s, "event of a scope", rows[0], e)
			equal(s, "of a scope, limited", len(must(inRange(s, other, store.LogRange{ScopeID: c.scope, Type: e.Type, Party: "a", UpTo: seqs[2]}, 1))(s)), 1)
			equal(s, "of a scope, up to", len(must(inRange(s, other, store.LogRange{ScopeID: c.scope, Type: e.Type, Party: "a", UpTo: seqs[1]}, 10))(s)), 2)
			in.Party = "b"
			equal(s, "of another party", len(must(inRange(s, other, in, 10))(s)), 0)
			in.Type, in.Party = "message", "a"
			equal(s, "of another type", len(must(inRange(s, other, in, 10))(s)), 0)
		}
		equal(s, "of no scope", len(must(inRange(s, other, store.LogRange{ScopeID: "nowhere", Type: e.Type, Party: "a", UpTo: 100}, 10))(s)), 0)
		equal(s, "top", must(s.LogTop(s.ctx, org))(s).Seq, 3)
		s.refused("", store.ErrNoOrg, func(tx store.Tx) error { _, err := tx.Append(s.ctx, e); return err })
		s.refused("nowhere", store.ErrNoOrg, func(tx store.Tx) error { _, err := tx.Append(s.ctx, e); return err })
	}},
	{"many views at once", func(s *suite) {
		org := s.org()
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 32 {
			all.Go(func() {
				<-start
				err := s.View(s.ctx, func(r store.Reader) error {
					if _, err := r.LogTop(s.ctx, org); err != nil {
						return err
					}
					if _, err := r.Sessions(s.ctx, org, 1, 7, 0); err != nil {
						return err
					}
					_, err := r.LogTops(s.ctx, []string{org})
					return err
				})
				if err != nil {
					s.Errorf("view: %v", err)
				}
			})
		}
		close(start)
		all.Wait()
	}},
	{"where access changed last", func(s *suite) {
		org, other := s.org(), s.org()
		s.append(org, "x")
		equal(s, "before", must(s.LogTop(s.ctx, org))(s).Access, 0)
		s.append(org, eventtype.AccessChanged)
		s.append(org, "x")
		s.append(other, "x")
		s.update(org, func(tx store.Tx) error {
			equal(s, "in a change", must(tx.LogTop(s.ctx, org))(s).Access, 2)
			_, err := tx.Append(s.ctx, store.Event{Type: eventtype.AccessChanged})
			equal(s, "after it in the change", must(tx.LogTop(s.ctx, org))(s).Access, 4)
			return err
		})
		err := s.Update(s.ctx, org, func(tx store.Tx) error {
			if _, err := tx.Append(s.ctx, store.Event{Type: eventtype.AccessChanged}); err != nil {
				return err
			}
			return errRefused
		})
		equal(s, "undone", err, errRefused)
		tops := must(s.LogTops(s.ctx, []string{org, "nowhere", other}))(s)
		equal(s, "known ones", len(tops), 2)
		for _, id := range []string{org, other} {
			equal(s, "top of "+id, tops[id], must(s.LogTop(s.ctx, id))(s))
		}
		top := tops[org]
		equal(s, "top", top, store.LogTop{Epoch: top.Epoch, Seq: 4, Access: 4})
		equal(s, "of none", len(must(s.LogTops(s.ctx, nil))(s)), 0)
		var many []string
		for i := range 5000 {
			many = append(many, fmt.Sprint("unknown ", i))
		}
		equal(s, "of many", len(must(s.LogTops(s.ctx, append(many, org)))(s)), 1)
	}},
	{"pruning", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t := s.thread(org, "t", 1, a)
		add := func(org string, times ...int64) {
			s.update(org, func(tx store.Tx) error {
				for _, at := range times {
					if _, err := tx.Append(s.ctx, store.Event{At: at, Type: "e"}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		join := func(tx store.Tx) error { return tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: b}) }
		leave := func(tx store.Tx) error { return tx.RemoveParticipant(s.ctx, t.ID, b) }
		s.update(org, join)
		add(org, 10, 11)
		s.update(org, leave) // 1 to 2
		s.update(org, join)
		add(org, 12, 13, 9, 20)
		s.update(org, leave) // 3 to 6
		add(other, 1, 1)
		prune := func(before int64, limit int, want int64) {
			s.Helper()
			s.update(org, func(tx store.Tx) error {
				n, err := tx.PruneLog(s.ctx, before, limit)
				equal(s, fmt.Sprintf("pruned before %d", before), n, want)
				return err
			})
		}
		first := func() int64 { return must(s.ReadLog(s.ctx, org, 0, 1))(s)[0].Seq }
		prune(10, 100, 0)
		prune(12, 0, 0)
		prune(12, 1, 1)
		equal(s, "first", first(), 2)
		equal(s, "intervals that reach above", len(must(s.Memberships(s.ctx, b))(s)), 2)
		prune(13, 100, 2) // 9 comes after 13 and stays
		equal(s, "first", first(), 4)
		same(s, "intervals left", must(s.Memberships(s.ctx, b))(s), []store.Membership{
			{Kind: store.MemberOfThread, ScopeID: t.ID, BotID: b, JoinedSeq: 3, LeftSeq: ptr(int64(6))},
		})
		prune(100, 100, 3)
		prune(100, 100, 0)
		equal(s, "nothing left", len(must(s.ReadLog(s.ctx, org, 0, 9))(s)), 0)
		equal(s, "top", must(s.LogTop(s.ctx, org))(s).Seq, 6)
		equal(s, "next", s.append(org, "x"), 7)
		equal(s, "of the other", len(must(s.ReadLog(s.ctx, other, 0, 9))(s)), 2)
		s.refused("", store.ErrNoOrg, func(tx store.Tx) error { _, err := tx.PruneLog(s.ctx, 1, 1); return err })
	}},
	{"no gaps under 64 callers, some of which fail", func(s *suite) {
		org := s.org()
		bot := s.bot(org, "taken")
		var mu sync.Mutex
		seen := map[int64]string{} // event by the seq that Append returned
		parallel(64, func(i int) {
			for k := range 10 {
				name := fmt.Sprintf("%d-%d", i, k)
				var seq int64
				err := s.Update(s.ctx, org, func(tx store.Tx) (err error) {
					if seq, err = tx.Append(s.ctx, store.Event{Type: name}); err != nil {
						return err
					}
					if _, err := tx.Bot(s.ctx, org, bot); err != nil { // sends what waits
						return err
					}
					switch (i + k) % 5 {
					case 0:
						return errRefused
					case 1:
						return tx.CreateBot(s.ctx, s.newBot(org, "taken"))
					case 2:
						panic("in the test")
					case 4: // may fail later than it is called
						return tx.InsertChannelMessage(s.ctx, &store.ChannelMessage{ID: name, ChannelID: "nowhere"})
					}
					return nil
				})
				if (err == nil) != ((i+k)%5 == 3) {
					s.Errorf("%s: %v", name, err)
				}
				if err == nil {
					mu.Lock()
					seen[seq] = name
					mu.Unlock()
				}
			}
		})
		rows := must(s.ReadLog(s.ctx, org, 0, 1000))(s)
		equal(s, "events", len(rows), 128)
		for i, e := range rows {
			equal(s, "seq", e.Seq, int64(i+1))
			equal(s, "event", e.Type, seen[e.Seq])
		}
		equal(s, "top", must(s.LogTop(s.ctx, org))(s).Seq, 128)
	}},
	{"hooks receive the committed events in order", func(s *suite) {
		one, two := s.org(), s.org()
		var mu sync.Mutex
		heard := map[string][]int64{}
		remove := s.OnCommit(func(org string, events []store.Event) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				heard[org] = append(heard[org], e.Seq)
				if e.OrgID != org || e.Type != "e" {
					s.Errorf("wrong event %s", show(e))
				}
			}
		})
		var calls atomic.Int64
		s.OnCommit(func(string, []store.Event) { calls.Add(1) })
		add := func(org string, fail error) {
			err := s.Update(s.ctx, org, func(tx store.Tx) error {
				if _, err := tx.Append(s.ctx, store.Event{Type: "e"}); err != nil {
					return err
				}
				return fail
			})
			if !errors.Is(err, fail) {
				s.Errorf("append: %v", err)
			}
		}
		parallel(32, func(i int) {
			add(one, nil)
			add(one, errRefused)
		})
		add(two, nil)
		s.update(one, func(tx store.Tx) error { return tx.SetOrgSecret(s.ctx, one, "x") }) // no event
		equal(s, "heard of one", len(heard[one]), 32)
		for i, seq := range heard[one] {
			equal(s, "order", seq, int64(i+1))
		}
		same(s, "heard of two", heard[two], []int64{1})
		remove()
		before := calls.Load()
		add(one, nil)
		equal(s, "heard after removal", len(heard[one]), 32)
		equal(s, "other hook", calls.Load(), before+1)
	}},
}

var limitTests = []test{
	{"window", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		use := func(bot, bucket string, limit, now int64) (ok bool, retry int64) {
			s.update(org, func(tx store.Tx) (err error) {
				ok, retry, err = tx.TakeRate(s.ctx, bot, bucket, time.Minute, limit, now)
				return err
			})
			return ok, retry
		}
		const t0 = 1_000_000_500
		for i := range int64(3) {
			if ok, _ := use(a, "message", 3, t0+i*10_000); !ok {
				s.Fatal("refused below the limit")
			}
		}
		ok, retry := use(a, "message", 3, t0+20_001)
		same(s, "over", []any{ok, retry}, []any{false, 40})
		ok, _ = use(b, "message", 3, t0+20_001)
		equal(s, "another bot", ok, true)
		ok, _ = use(a, "thread", 3, t0+20_001)
		equal(s, "another bucket", ok, true)
		ok, retry = use(a, "message", 3, t0+59_999)
		same(s, "just before the first leaves", []any{ok, retry}, []any{false, 1})
		ok, _ = use(a, "message", 3, t0+60_000)
		equal(s, "when the first leaves", ok, true)
		ok, retry = use(a, "message", 3, t0+60_000)
		same(s, "full again", []any{ok, retry}, []any{false, 10})
		ok, _ = use(a, "message", 4, t0+60_000)
		equal(s, "raised limit", ok, true)
	}},
	{"uses of one slot count together", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		for i := range int64(5) {
			s.update(org, func(tx store.Tx) error {
				ok, retry, err := tx.TakeRate(s.ctx, a, "thread", time.Hour, 4, 7_200_000+i)
				if i < 4 {
					equal(s, "ok", ok, true)
				} else {
					same(s, "fifth", []any{ok, retry}, []any{false, 3600})
				}
				return err
			})
		}
	}},
	{"a refused change is not counted", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		s.refused(org, errRefused, func(tx store.Tx) error {
			if _, _, err := tx.TakeRate(s.ctx, a, "m", time.Minute, 1, 100_000); err != nil {
				return err
			}
			return errRefused
		})
		s.update(org, func(tx store.Tx) error {
			ok, _, err := tx.TakeRate(s.ctx, a, "m", time.Minute, 1, 100_000)
			equal(s, "ok", ok, true)
			return err
		})
	}},
	{"exact under 64 callers", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		var won atomic.Int64
		parallel(64, func(i int) {
			var ok bool
			err := s.Update(s.ctx, org, func(tx store.Tx) (err error) {
				ok, _, err = tx.TakeRate(s.ctx, a, "m", time.Minute, 20, 100_000+int64(i)*100)
				return err
			})
			if err != nil {
				s.Errorf("take: %v", err)
			}
			if ok {
				won.Add(1)
			}
		})
		equal(s, "allowed", won.Load(), 20)
	}},
	{"idempotency", func(s *suite) {
		org := s.org()
		r := &store.IdempotencyRecord{OrgID: org, Caller: "bot", RequestID: awkward, Hash: "h", Response: []byte{0, 255}, CreatedAt: 10}
		missing(s.Idempotency(s.ctx, org, "bot", awkward))(s)
		s.update(org, func(tx store.Tx) error { return tx.PutIdempotency(s.ctx, r) })
		same(s, "record", must(s.Idempotency(s.ctx, org, "bot", awkward))(s), r)
		missing(s.Idempotency(s.ctx, org, "other", awkward))(s)
		missing(s.Idempotency(s.ctx, "", "bot", awkward))(s)
		s.refused(org, store.ConflictRequestID, func(tx store.Tx) error { return tx.PutIdempotency(s.ctx, r) })
		s.update("", func(tx store.Tx) error {
			return tx.PutIdempotency(s.ctx, &store.IdempotencyRecord{Caller: "root", RequestID: "1", CreatedAt: 11})
		})
		s.update("", func(tx store.Tx) error {
			n, err := tx.PurgeIdempotency(s.ctx, 11, 100)
			equal(s, "purged", n, 1)
			return err
		})
		missing(s.Idempotency(s.ctx, org, "bot", awkward))(s)
		must(s.Idempotency(s.ctx, "", "root", "1"))(s)
	}},
}

var updateTests = []test{
	{"an error undoes its change only", func(s *suite) {
		org := s.org()
		hold, held := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		var once sync.Once
		change := func(name string, fail error, wait bool) {
			wg.Go(func() {
				err := s.Update(s.ctx, org, func(tx store.Tx) error {
					if wait {
						once.Do(func() { close(held) })
						<-hold
					}
					if err := tx.CreateBot(s.ctx, s.newBot(org, name)); err != nil {
						return err
					}
					if _, err := tx.Append(s.ctx, store.Event{Type: name}); err != nil {
						return err
					}
					return fail
				})
				if !errors.Is(err, fail) {
					s.Errorf("%s: %v", name, err)
				}
			})
		}
		change("first", nil, true) // the others gather behind it
		<-held
		change("second", nil, false)
		change("third", errRefused, false)
		change("fourth", nil, false)
		time.Sleep(20 * time.Millisecond)
		close(hold)
		wg.Wait()
		same(s, "bots", keys(must(s.Bots(s.ctx, store.BotQuery{OrgID: org, Limit: 10}))(s), botName), []string{"first", "fourth", "second"})
		equal(s, "events", must(s.LogTop(s.ctx, org))(s).Seq, 3)
	}},
	{"later changes do not see what an undone change wrote", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		t := s.thread(org, "t", 1, a)
		for round := range 3 {
			parallel(32, func(i int) {
				err := s.Update(s.ctx, org, func(tx store.Tx) error {
					th, err := tx.Thread(s.ctx, org, t.ID)
					if err != nil {
						return err
					}
					bot, err := tx.Bot(s.ctx, org, a)
					if err != nil {
						return err
					}
					if th.LastActivityAt != 1 || bot.AuthRole != store.AuthMember {
						s.Errorf("round %d: saw %s, %s", round, show(th), show(bot))
					}
					if _, err := tx.Participant(s.ctx, t.ID, b); !errors.Is(err, store.ErrNotFound) {
						s.Errorf("round %d: saw a participant: %v", round, err)
					}
					if i%2 == 0 {
						return nil
					}
					if err := errorsOf(tx.CountTurn(s.ctx, t.ID, 99), take(s, tx, a)); err != nil {
						return err
					}
					if i%4 == 1 { // and something that is sent at once
						err := errorsOf(tx.SetBotRole(s.ctx, a, store.AuthAdmin), tx.AddParticipant(s.ctx, &store.Participant{ThreadID: t.ID, BotID: b}))
						if err != nil {
							return err
						}
					}
					return errRefused
				})
				if err != nil && !errors.Is(err, errRefused) {
					s.Errorf("update: %v", err)
				}
			})
		}
		s.update(org, func(tx store.Tx) error {
			ok, _, err := tx.TakeRate(s.ctx, a, "message", time.Minute, 1, 1_000_000)
			equal(s, "nothing was counted", ok, true)
			return err
		})
	}},
	{"sees its own writes, others do not", func(s *suite) {
		org := s.org()
		s.update(org, func(tx store.Tx) error {
			b := s.newBot(org, "a")
			if err := tx.CreateBot(s.ctx, b); err != nil {
				return err
			}
			must(tx.Bot(s.ctx, org, b.ID))(s)
			missing(s.Bot(s.ctx, org, b.ID))(s)
			missing(tx.BotByName(s.ctx, org, "x"))(s) // not found spends nothing
			return nil
		})
		must(s.BotByName(s.ctx, org, "a"))(s)
	}},
	{"the error of fn is the error of Update", func(s *suite) {
		err := s.Update(s.ctx, s.org(), func(store.Tx) error { return errRefused })
		if err != errRefused { //nolint:errorlint // identity is the promise
			s.Fatalf("got %v", err)
		}
	}},
	{"a panic is an error", func(s *suite) {
		org := s.org()
		err := s.Update(s.ctx, org, func(tx store.Tx) error {
			if err := tx.CreateBot(s.ctx, s.newBot(org, "a")); err != nil {
				return err
			}
			panic("oh no")
		})
		if err == nil || !strings.Contains(err.Error(), "oh no") {
			s.Fatalf("got %v", err)
		}
		missing(s.BotByName(s.ctx, org, "a"))(s)
		s.bot(org, "a")
	}},
	{"a function that calls runtime.Goexit affects no other change", func(s *suite) {
		org := s.org()
		err := s.Update(s.ctx, org, func(tx store.Tx) error {
			if _, err := tx.Append(s.ctx, store.Event{Type: "e"}); err != nil {
				return err
			}
			runtime.Goexit() // as t.Fatal does
			return nil
		})
		if err == nil {
			s.Fatal("no error")
		}
		equal(s, "next seq", s.append(org, "after"), 1)
	}},
	{"unusable after its function", func(s *suite) {
		org := s.org()
		var kept store.Tx
		s.update(org, func(tx store.Tx) error { kept = tx; return nil })
		if _, err := kept.Org(s.ctx, org); err == nil {
			s.Fatal("a dead Tx reads")
		}
		if err := kept.SetOrgSecret(s.ctx, org, "x"); err == nil {
			s.Fatal("a dead Tx writes")
		}
	}},
	{"a context that ends while waiting", func(s *suite) {
		org := s.org()
		hold, held := make(chan struct{}), make(chan struct{})
		done := make(chan error)
		go func() {
			done <- s.Update(s.ctx, org, func(store.Tx) error { close(held); <-hold; return nil })
		}()
		<-held
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Millisecond)
		defer cancel()
		ran := false
		err := s.Update(ctx, org, func(store.Tx) error { ran = true; return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Fatalf("got %v", err)
		}
		close(hold)
		if err := <-done; err != nil {
			s.Fatal(err)
		}
		s.append(org, "after")
		equal(s, "ran", ran, false)
		gone, stop := context.WithCancel(s.ctx)
		stop()
		if err := s.Update(gone, org, func(store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			s.Fatalf("got %v", err)
		}
	}},
	{"a context that ends while running changes nothing", func(s *suite) {
		org := s.org()
		ctx, cancel := context.WithCancel(s.ctx)
		err := s.Update(ctx, org, func(tx store.Tx) error {
			cancel()
			_, err := tx.Append(ctx, store.Event{Type: "e"})
			return err
		})
		if err != nil {
			s.Fatal(err)
		}
		equal(s, "events", must(s.LogTop(s.ctx, org))(s).Seq, 1)
	}},
	{"many organisations at once", func(s *suite) {
		var orgs []string
		for range 8 {
			orgs = append(orgs, s.org())
		}
		parallel(64, func(i int) {
			for range 5 {
				s.append(orgs[i%8], "e")
			}
		})
		for _, org := range orgs {
			equal(s, "events", len(must(s.ReadLog(s.ctx, org, 0, 100))(s)), 40)
		}
	}},
	{"closed", func(s *suite) {
		org := s.org()
		if err := s.Ping(s.ctx); err != nil {
			s.Fatal(err)
		}
		if err := s.Close(); err != nil {
			s.Fatal(err)
		}
		if err := s.Update(s.ctx, org, func(store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
			s.Fatalf("got %v", err)
		}
		if err := s.Ping(s.ctx); err == nil {
			s.Fatal("a closed store answers")
		}
	}},
}

var viewTests = []test{
	{"one snapshot", func(s *suite) {
		org := s.org()
		s.bot(org, "a")
		err := s.View(s.ctx, func(r store.Reader) error {
			equal(s, "before", must(r.CountBots(s.ctx, org))(s), 1)
			s.bot(org, "b")
			equal(s, "after", must(r.CountBots(s.ctx, org))(s), 1)
			missing(r.BotByName(s.ctx, org, "b"))(s)
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
		equal(s, "outside", must(s.CountBots(s.ctx, org))(s), 2)
	}},
	{"returns the error of fn, then the reader is unusable", func(s *suite) {
		var kept store.Reader
		err := s.View(s.ctx, func(r store.Reader) error { kept = r; return errRefused })
		if err != errRefused { //nolint:errorlint // identity is the promise
			s.Fatalf("got %v", err)
		}
		if _, err := kept.Org(s.ctx, "x"); err == nil || errors.Is(err, store.ErrNotFound) {
			s.Fatalf("a dead reader reads: %v", err)
		}
	}},
	{"a context that has ended", func(s *suite) {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		if _, err := s.Org(ctx, "x"); !errors.Is(err, context.Canceled) {
			s.Fatalf("got %v", err)
		}
	}},
}
