package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

var turnTests = []test{
	{"count and reset", func(s *suite) {
		org := s.org()
		t, other := s.thread(org, "t", 5, s.bot(org, "a")), s.thread(org, "o", 5)
		turns := func(what string, want, at int64) {
			th := must(s.Thread(s.ctx, org, t.ID))(s)
			same(s, what, []int64{th.Turns, th.LastActivityAt}, []int64{want, at})
			for _, row := range must(s.Threads(s.ctx, store.ThreadQuery{OrgID: org, Scope: store.ThreadsAll, Limit: 9}))(s) {
				if row.ID == t.ID {
					equal(s, what+", in a list", row.Turns, want)
				}
			}
		}
		turns("new", 0, 5)
		s.update(org, func(tx store.Tx) error { return errorsOf(tx.CountTurn(s.ctx, t.ID, 90), tx.CountTurn(s.ctx, t.ID, 80)) })
		turns("two", 2, 90)
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.TouchThread(s.ctx, t.ID, 89), tx.TouchThread(s.ctx, other.ID, 99), tx.TouchThread(s.ctx, "x", 80))
		})
		turns("touched", 2, 90)
		s.update(org, func(tx store.Tx) error {
			err := errorsOf(tx.CountTurn(s.ctx, t.ID, 90), tx.ResetTurns(s.ctx, t.ID, 91), tx.CountTurn(s.ctx, t.ID, 92), tx.CountTurn(s.ctx, other.ID, 7))
			th := must(tx.Thread(s.ctx, org, t.ID))(s)
			same(s, "inside", []int64{th.Turns, th.LastActivityAt}, []int64{1, 92})
			return err
		})
		turns("after a reset", 1, 92)
		s.update(org, func(tx store.Tx) error { return tx.ResetTurns(s.ctx, t.ID, 0) })
		turns("reset alone", 0, 92)
		equal(s, "another thread", must(s.Thread(s.ctx, org, other.ID))(s).Turns, 1)
		s.update(org, func(tx store.Tx) error { return tx.CountTurn(s.ctx, t.ID, 93) })
		s.update(org, func(tx store.Tx) error {
			th := must(tx.Thread(s.ctx, org, t.ID))(s)
			th.Turns, th.TurnLimit, th.Revision = 7, ptr(int64(3)), th.Revision+1
			return tx.UpdateThread(s.ctx, th, th.Revision-1)
		})
		turns("an update leaves them", 1, 93)
		same(s, "its limit", must(s.Thread(s.ctx, org, t.ID))(s).TurnLimit, ptr(int64(3)))
	}},
	{"turns are exact under 64 callers", func(s *suite) {
		org := s.org()
		t := s.thread(org, "t", 1)
		var won atomic.Int64
		parallel(64, func(int) {
			err := s.Update(s.ctx, org, func(tx store.Tx) error {
				th, err := tx.Thread(s.ctx, org, t.ID)
				if err != nil {
					return err
				}
				if th.Turns >= 20 {
					return errRefused
				}
				return tx.CountTurn(s.ctx, t.ID, 9)
			})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, errRefused):
				s.Errorf("update: %v", err)
			}
		})
		equal(s, "allowed", won.Load(), 20)
		equal(s, "counted", must(s.Thread(s.ctx, org, t.ID))(s).Turns, 20)
	}},
	{"turns of changes that are undone do not count", func(s *suite) {
		org := s.org()
		counted, both := s.thread(org, "c", 1).ID, s.thread(org, "b", 1).ID
		read := func(r store.Reader) (turns [2]int64, _ error) {
			c, err := r.Thread(s.ctx, org, counted)
			b, err2 := r.Thread(s.ctx, org, both)
			if err = errors.Join(err, err2); err == nil {
				turns = [2]int64{c.Turns, b.Turns}
			}
			return turns, err
		}
		var all atomic.Int64
		for round := range uint64(6) {
			var inside atomic.Pointer[[2]int64]
			parallel(24, func(i int) {
				var mine int64
				err := s.Update(s.ctx, org, func(tx store.Tx) error {
					random := rand.New(rand.NewPCG(round, uint64(i)))
					want, err := read(tx)
					for mine = 0; mine < int64(i%3) && err == nil; mine++ {
						want[0]++
						err = tx.CountTurn(s.ctx, counted, 99)
						if reset := random.IntN(3) == 0; err == nil && reset {
							want[1] = 0
							err = tx.ResetTurns(s.ctx, both, int64(random.IntN(2)*99))
						} else if err == nil {
							want[1]++
							err = tx.CountTurn(s.ctx, both, 99)
						}
						got, failed := read(tx)
						if err = errors.Join(err, failed); err == nil && got != want {
							err = fmt.Errorf("counted %v, want %v", got, want)
						}
					}
					if err == nil && i%4 == 1 {
						err = errRefused
					}
					return err
				})
				switch {
				case err == nil:
					all.Add(mine)
				case !errors.Is(err, errRefused):
					s.Errorf("update: %v", err)
				}
			})
			s.update(org, func(tx store.Tx) error {
				got, err := read(tx)
				inside.Store(&got)
				return err
			})
			outside := must(read(s.Store))(s)
			same(s, "what the writer and others see", *inside.Load(), outside)
			equal(s, "all that was counted", outside[0], all.Load())
		}
	}},
	{"a check of a rate counts nothing", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		for i := range int64(4) {
			s.update(org, func(tx store.Tx) error {
				for range 3 {
					ok, retry, err := tx.CheckRate(s.ctx, a, "m", time.Hour, 2, 7_200_000+i)
					if err != nil {
						return err
					}
					same(s, "check", []any{ok, retry}, map[bool][]any{true: {true, int64(0)}, false: {false, int64(3600)}}[i < 2])
				}
				ok, _, err := tx.TakeRate(s.ctx, a, "m", time.Hour, 2, 7_200_000+i)
				equal(s, "taken", ok, i < 2)
				return err
			})
		}
	}},
}
