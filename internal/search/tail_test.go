package search

import (
	"math/rand/v2"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// TestTail: events that follow each other are kept, each once and in order, within the memory.
func TestTail(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := tail{orgs: map[string][]store.Event{}}
		top, done := map[string]int64{}, map[string]int64{}
		for range 2000 {
			org := [...]string{"a", "b", "c"}[r.IntN(3)]
			switch r.IntN(3) {
			case 0, 1:
				if r.IntN(20) == 0 {
					top[org]++ // of another node
				}
				var events []store.Event
				for range 1 + r.IntN(3) {
					top[org]++
					events = append(events, store.Event{Seq: top[org], Payload: make([]byte, r.IntN(20_000)), Decoded: t})
				}
				x.add(org, events)
			default:
				limit := 1 + r.IntN(5)
				got := x.after(org, done[org], limit)
				if len(got) > limit {
					t.Fatalf("seed %d: %d events, limit %d", seed, len(got), limit)
				}
				for i, e := range got {
					if e.Seq != done[org]+1+int64(i) || e.Decoded != nil {
						t.Fatalf("seed %d: event %d after %d", seed, e.Seq, done[org]+int64(i))
					}
				}
				if len(got) > 0 {
					done[org] = got[len(got)-1].Seq
				} else if r.IntN(2) == 0 { // read from the log
					done[org] = min(top[org], done[org]+50)
				}
			}
			sum := 0
			for _, events := range x.orgs {
				for i := range events {
					sum += events[i].Size() + eventBytes
				}
			}
			if sum != x.bytes || sum > tailBytes {
				t.Fatalf("seed %d: it has %d bytes, counted %d", seed, sum, x.bytes)
			}
		}
		if done["a"] == 0 {
			t.Errorf("seed %d: nothing was taken", seed)
		}
	}
}
