package scenario_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

var small = scenario.Size{Seed: 7, Bots: 500, Threads: 2000, Messages: 20_000}

// TestSeed: the same seed gives the same org and load, and another seed another one.
func TestSeed(t *testing.T) {
	t.Parallel()
	print := func(seed uint64, run string) string {
		s := small
		s.Seed, s.Messages = seed, 100
		o := scenario.New(s)
		out := fmt.Sprint(o.Participants(0), o.Participants(1999), o.ByActivity()[:5], o.ID("thread", 3), o.Token(4))
		if err := o.History(func(n int, m scenario.Message) error {
			out += fmt.Sprint(n, m)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		l := o.Load(run, 100, scenario.Mix)
		for range 100 {
			out += fmt.Sprint(l.Next())
		}
		return out
	}
	first := print(7, "a")
	if print(7, "a") != first {
		t.Error("two runs of one seed differ")
	}
	if print(8, "a") == first || print(7, "b") == first {
		t.Error("control: another seed or run is the same")
	}
}

// TestPowerLaw: few threads have much of the activity, but none most of it.
func TestPowerLaw(t *testing.T) {
	t.Parallel()
	o := scenario.New(small)
	byThread := make([]int, small.Threads)
	bytes, last := 0, -1.0
	err := o.History(func(_ int, m scenario.Message) error {
		if !slices.Contains(o.Participants(m.Thread), m.Sender) {
			return fmt.Errorf("bot %d is not in thread %d", m.Sender, m.Thread)
		}
		if m.At < last || m.At >= 1 {
			return fmt.Errorf("a message of %v follows one of %v", m.At, last)
		}
		byThread[m.Thread]++
		bytes += len(m.Content)
		last = m.At
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(byThread)
	slices.Reverse(byThread)
	top := 0
	for _, n := range byThread[:small.Threads/100] {
		top += n
	}
	if share := float64(top) / float64(small.Messages); share < 0.15 || share > 0.6 {
		t.Errorf("the busiest hundredth of the threads has %.2f of the messages", share)
	}
	if share := float64(byThread[0]) / float64(small.Messages); share > 0.1 {
		t.Errorf("the busiest thread has %.2f of the messages", share)
	}
	if mean := bytes / small.Messages; mean < 250 || mean > 500 {
		t.Errorf("the mean of a message is %d bytes", mean)
	}
	counts := map[int]int{}
	for i := range small.Threads {
		members := slices.Clone(o.Participants(i))
		slices.Sort(members)
		if len(slices.Compact(members)) != len(o.Participants(i)) {
			t.Fatalf("thread %d has a bot twice: %v", i, members)
		}
		counts[min(len(members), 20)]++
	}
	if counts[2] < small.Threads*3/10 || counts[2] > small.Threads*7/10 || counts[20] == 0 || counts[20] > small.Threads/10 {
		t.Errorf("threads by participants, 20 for more: %v", counts)
	}
}

// TestLoad: the operations come at the rate, in the shares of the mix, from bots that may do them.
func TestLoad(t *testing.T) {
	t.Parallel()
	o := scenario.New(small)
	const count, rate = 50_000, 200
	l := o.Load("test", rate, scenario.Mix)
	kinds := map[scenario.Kind]int{}
	var last scenario.Op
	for n := range count {
		op := l.Next()
		if op.N != n || op.At < last.At {
			t.Fatalf("%+v follows %+v", op, last)
		}
		switch op.Kind {
		case scenario.Direct:
			if op.Peer == op.Bot || op.Content == "" {
				t.Fatalf("%+v", op)
			}
		case scenario.Post, scenario.SocketPost, scenario.Artifact:
			if !slices.Contains(o.Participants(op.Thread), op.Bot) || op.Content == "" {
				t.Fatalf("%+v of a thread of %v", op, o.Participants(op.Thread))
			}
		}
		kinds[op.Kind]++
		last = op
	}
	if seconds := last.At.Seconds(); seconds < count/rate*0.95 || seconds > count/rate*1.05 {
		t.Errorf("%d operations at %d a second took %.0f s", count, rate, seconds)
	}
	total := 0
	for _, s := range scenario.Mix {
		total += s.Of
	}
	if total != 1000 {
		t.Errorf("the mix has %d of 1000 operations", total)
	}
	for _, s := range scenario.Mix {
		got, want := kinds[s.Kind], count*s.Of/1000
		if got < want*3/4 || got > want*5/4 {
			t.Errorf("%s: %d, want about %d", s.Kind, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	o := scenario.New(small)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for n := range 1000 {
		for _, kind := range []string{"bot", "thread"} {
			id := o.ID(kind, n)
			if !uuid.MatchString(id) || seen[id] {
				t.Fatalf("%s %d has the id %s", kind, n, id)
			}
			seen[id] = true
		}
	}
	if token := o.Token(1); len(token) != 52 || token == o.Token(2) {
		t.Errorf("token %q", token)
	}
	if name := scenario.BotName(12); name != "agent-00012" {
		t.Errorf("name %q", name)
	}
}
