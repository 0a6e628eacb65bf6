package eventlog

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// state is a state of a subscription. It follows from the fields that mu guards.
type state string

const (
	replaying state = "replaying"
	joined    state = "joined"
	live      state = "live"
	ending    state = "ending"
	ended     state = "ended"
)

var states = []state{replaying, joined, live, ending, ended}

func (s *Subscription) state() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return ended
	case s.ending != nil:
		return ending
	case s.live:
		return live
	case s.joined:
		return joined
	}
	return replaying
}

var (
	errAccessEnds = fmt.Errorf("test: %w", ErrAccess)
	errFails      = errors.New("test: the tail failed")
)

// transition is a column of the table of states in the package documentation.
type transition struct {
	name string
	do   func(*Subscription)
	to   map[state]state // without an entry, the state stays
}

// transitions has every event that can change the state of a subscription.
func transitions() []transition {
	return []transition{
		{"joins", func(s *Subscription) {
			s.tail.mu.Lock()
			defer s.tail.mu.Unlock()
			if _, err := s.tail.tryJoin(s); err != nil {
				panic(err)
			}
		}, map[state]state{replaying: joined}},
		{"replayed", func(s *Subscription) { // up to where the queue begins
			s.at = s.target
			if s.page = nil; s.joined {
				_, _, _ = s.pop(nil, false)
			}
		}, map[state]state{joined: live, ending: ended}},
		{"overflows", func(s *Subscription) {
			for seq := s.target + 1; seq <= s.target+burst*4+1; seq++ {
				s.push(&Item{row: &store.Event{Seq: seq}, Position: Position{Seq: seq}})
			}
		}, map[state]state{joined: replaying, live: ended}},
		{"access ends", func(s *Subscription) { s.endAfter(s.tail.end.Seq, errAccessEnds) },
			map[state]state{replaying: ending, joined: ending, live: ending}},
		{"far behind", func(s *Subscription) { s.endAfter(s.reached.Seq+pageSize+1, errAccessEnds) },
			map[state]state{replaying: ended, joined: ending, live: ending}},
		{"fails", func(s *Subscription) { s.fail(errFails) },
			map[state]state{replaying: ended, joined: ended, live: ended, ending: ended}},
	}
}

// inState returns a subscription of a human in a state. Its tail has handled 100 events.
func inState(t *testing.T, want state) *Subscription {
	t.Helper()
	tl := &tail{
		hub: &Hub{Config: Config{Queue: 4, Grace: time.Hour}}, inbox: newInbox(), all: map[*Subscription]struct{}{}, index: newIndex(),
		end: Position{Seq: 100},
	}
	s := newSubscription(tl, Viewer{OrgID: "o"}, Position{}, Filter{})
	tl.all[s] = struct{}{}
	steps := map[state][]string{joined: {"joins"}, live: {"joins", "replayed"}, ending: {"joins", "access ends"}, ended: {"fails"}}[want]
	for _, step := range steps {
		for _, tr := range transitions() {
			if tr.name == step {
				tr.do(s)
			}
		}
	}
	if got := s.state(); got != want {
		t.Fatalf("the subscription is %s, want %s", got, want)
	}
	return s
}

// TestStates: each event leads from each state to the one in the table, and a subscription that has
// ended keeps its error.
func TestStates(t *testing.T) {
	t.Parallel()
	for _, from := range states {
		for _, tr := range transitions() {
			s := inState(t, from)
			before := s.err
			want, moves := tr.to[from]
			if !moves {
				want = from
			}
			tr.do(s)
			if got := s.state(); got != want {
				t.Errorf("%s: %s leads to %s, want %s", from, tr.name, got, want)
			}
			var slow *SlowError
			switch {
			case from == ended:
				if !errors.Is(s.err, before) {
					t.Errorf("%s replaces the error %v by %v", tr.name, before, s.err)
				}
			case want == ended && (from == ending || tr.name == "far behind"): // the first reason counts
				if !errors.Is(s.err, errAccessEnds) {
					t.Errorf("%s: %s ends with %v", from, tr.name, s.err)
				}
			case want == ended && tr.name == "overflows":
				if !errors.As(s.err, &slow) {
					t.Errorf("%s: %s ends with %v", from, tr.name, s.err)
				}
			case want == ended:
				if !errors.Is(s.err, errFails) {
					t.Errorf("%s: %s ends with %v", from, tr.name, s.err)
				}
			}
			if s.state() == ended {
				if it, _, err := s.pop(nil, false); it != nil || err == nil {
					t.Errorf("%s: after %s, an ended subscription returns %+v, %v", from, tr.name, it, err)
				}
			}
		}
	}
}

// statesTable returns the table of the package documentation.
func statesTable(all []transition) string {
	var b strings.Builder
	row := func(cells ...string) {
		line := ""
		for _, c := range cells {
			line += fmt.Sprintf("%-13s", c)
		}
		b.WriteString("//\t" + strings.TrimRight(line, " ") + "\n")
	}
	head := []string{""}
	for _, tr := range all {
		head = append(head, tr.name)
	}
	row(head...)
	for _, from := range states {
		cells := []string{string(from)}
		for _, tr := range all {
			to := tr.to[from]
			if to == "" {
				to = "-"
			}
			cells = append(cells, string(to))
		}
		row(cells...)
	}
	return b.String()
}

// TestStatesDocumented: the package documentation has the table of states, and a table with another
// transition is not the one there.
func TestStatesDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if table := statesTable(transitions()); strings.Count(string(doc), table) != 1 {
		t.Errorf("doc.go has not once the table\n%s", table)
	}
	for i := range transitions() {
		for _, from := range states {
			changed := slices.Clone(transitions())
			if changed[i].to[from] == "" {
				changed[i].to[from] = live
			} else {
				delete(changed[i].to, from)
			}
			if strings.Contains(string(doc), statesTable(changed)) {
				t.Errorf("another state after %s and %q makes no difference", from, changed[i].name)
			}
		}
	}
}
