package sqlstore

import (
	"fmt"
	"strings"
	"testing"
)

func TestFairQueue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ come, want string }{
		{"", ""},
		{"a1 a2 a3", "a1 a2 a3"},
		{"a1 a2 a3 b1", "a1 b1 a2 a3"},
		{"a1 a2 b1 c1 b2 a3", "a1 b1 c1 a2 b2 a3"},
		{"b1 a1 b2 a2 b3", "b1 a1 b2 a2 b3"},
	} {
		var turns fairQueue
		names := map[*job]string{}
		for name := range strings.FieldsSeq(c.come) {
			j := newJob(name[:1], nil)
			names[j] = name
			turns.add(j)
		}
		var got []string
		for turns.n > 0 {
			for _, j := range turns.take(nil, 2) {
				got = append(got, names[j])
			}
		}
		if strings.Join(got, " ") != c.want || len(turns.jobs) > 0 || len(turns.order) > 0 {
			t.Errorf("%s is returned as %v, want %s", c.come, got, c.want)
		}
	}
}

// Changes that arrive after a thousand changes of another org are in the next batch.
func TestFairQueueOfNewcomers(t *testing.T) {
	t.Parallel()
	var turns fairQueue
	for range 1000 {
		turns.add(newJob("busy", nil))
	}
	if got := turns.take(nil, batchMax); len(got) != batchMax {
		t.Fatalf("a batch has %d changes, want %d", len(got), batchMax)
	}
	for i := range 5 {
		turns.add(newJob(fmt.Sprint("quiet", i), nil))
	}
	quiet := 0
	for _, j := range turns.take(nil, batchMax) {
		if j.org != "busy" {
			quiet++
		}
	}
	if quiet != 5 {
		t.Errorf("%d of 5 newcomers are in the next batch", quiet)
	}
}
