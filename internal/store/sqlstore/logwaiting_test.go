package sqlstore

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// waiting returns the events behind the index alone, and only if it has all of them.
func TestWaiting(t *testing.T) {
	t.Parallel()
	type step struct {
		indexed, from, to int64 // the batch appends from … to
		want              [2]int64
	}
	none := [2]int64{}
	for name, steps := range map[string][]step{
		"in order":               {{0, 1, 3, [2]int64{1, 3}}, {0, 4, 4, [2]int64{1, 4}}, {0, 5, 9, [2]int64{1, 9}}},
		"some were indexed":      {{0, 1, 3, [2]int64{1, 3}}, {2, 4, 6, [2]int64{3, 6}}, {6, 7, 7, [2]int64{7, 7}}},
		"the beginning missing":  {{0, 4, 5, none}, {0, 6, 6, none}, {6, 7, 8, [2]int64{7, 8}}},
		"another process wrote":  {{0, 1, 3, [2]int64{1, 3}}, {0, 6, 7, none}, {7, 8, 8, [2]int64{8, 8}}},
		"another wrote, indexed": {{0, 1, 3, [2]int64{1, 3}}, {5, 6, 7, [2]int64{6, 7}}},
		"indexed in the batch":   {{2, 1, 3, none}, {3, 4, 4, [2]int64{4, 4}}},
		"too many":               {{0, 1, waitingMax, [2]int64{1, waitingMax}}, {0, waitingMax + 1, waitingMax + 1, none}},
		"too many at once":       {{0, 1, waitingMax + 1, none}},
	} {
		w := waiting{logs: map[string][]indexed{}}
		for i, s := range steps {
			l := &orgLog{indexed: s.indexed, seq: s.to}
			for seq := s.from; seq <= s.to; seq++ {
				l.events = append(l.events, store.Event{Seq: seq})
			}
			got := none
			if list := w.add("org", l); len(list) > 0 {
				got = [2]int64{list[0].seq, list[len(list)-1].seq}
				for k, e := range list {
					if e.seq != got[0]+int64(k) {
						t.Errorf("%s, step %d: event %d at place %d", name, i, e.seq, k)
					}
				}
			}
			if got != s.want {
				t.Errorf("%s, step %d: got %v, want %v", name, i, got, s.want)
			}
			if n := len(w.logs["org"]); n != w.n {
				t.Errorf("%s, step %d: %d events are counted as %d", name, i, n, w.n)
			}
		}
	}
}

// The ends of streams are known of the index that they are of, until the index may have lost some.
func TestKnownEnds(t *testing.T) {
	t.Parallel()
	w := waiting{}
	key := streamKey{scope: "t"}
	w.keep("org", &orgLog{indexed: 5}, map[streamKey]streamEnd{key: {1, 2}})
	for indexed, want := range map[int64]streamEnd{5: {1, 2}, 4: {}, 6: {}} {
		if got := w.endsOf("org", &orgLog{indexed: indexed})[key]; got != want {
			t.Errorf("of an index up to %d: %v, want %v", indexed, got, want)
		}
	}
	w.forget("org")
	if len(w.endsOf("org", &orgLog{indexed: 5})) > 0 {
		t.Error("ends are known after they were to be forgotten")
	}
}
