package decision_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/decision"
	"github.com/b2b-protocol/b2b/internal/thread"
)

// B2B-DEC-003
func TestChoices(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 256)
	for _, c := range []struct {
		kind  decision.Kind
		asked []string
		want  []string
		wrong string // a part of the error
	}{
		{kind: decision.Approve, want: []string{"approved", "rejected"}},
		{kind: decision.Approve, asked: []string{"a", "b"}, wrong: "choices"},
		{kind: decision.Input},
		{kind: decision.Input, asked: []string{"a", "b"}, wrong: "choices"},
		{kind: decision.Choose, asked: []string{"a", "A", long}, want: []string{"a", "A", long}},
		{kind: decision.Choose, wrong: "at least 2"},
		{kind: decision.Choose, asked: []string{"a"}, wrong: "at least 2"},
		{kind: decision.Choose, asked: []string{"a", "b", "a"}, wrong: "choices[2]"},
		{kind: decision.Choose, asked: []string{"a", ""}, wrong: "choices[1]"},
		{kind: decision.Choose, asked: []string{long + "x", "b"}, wrong: "choices[0]"},
		{kind: "", wrong: "kind"},
		{kind: "vote", asked: []string{"a", "b"}, wrong: "kind"},
	} {
		got, err := decision.Choices(c.kind, c.asked)
		switch {
		case c.wrong == "" && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%s %q: %q, %v, want %q", c.kind, c.asked, got, err, c.want)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s %q: %q, %v, want an error with %q", c.kind, c.asked, got, err, c.wrong)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	two := []string{"a", "b"}
	for _, c := range []struct {
		choices []string
		answer  string
		want    bool
	}{{two, "a", true}, {two, "b", true}, {two, "A", false}, {two, "", false}, {nil, "anything", true}} {
		if got := decision.Allows(c.choices, c.answer); got != c.want {
			t.Errorf("%q of %q: %v", c.answer, c.choices, got)
		}
	}
}

// B2B-DEC-010: whatever the order in which the decisions that block a thread are asked and closed, it
// is blocked while one is open, and then as it was before the first.
func TestHolding(t *testing.T) {
	t.Parallel()
	for _, was := range []thread.Status{thread.Active, thread.Reviewing, thread.Blocked} {
		for closing := range 3 {
			now, held := was, []thread.Status{}
			for range 3 {
				held = append(held, decision.GivesBack(now, held))
				now = thread.Blocked
			}
			for len(held) > 0 {
				i := closing % len(held)
				gives := held[i]
				held = slices.Delete(held, i, i+1)
				status, changed := decision.Released(now, gives, len(held))
				if want := len(held) == 0 && was != thread.Blocked; changed != want {
					t.Errorf("%s, %d left: changed is %v", was, len(held), changed)
				}
				now = status
			}
			if now != was {
				t.Errorf("%s became %s", was, now)
			}
		}
	}
	for _, ended := range []thread.Status{thread.Resolved, thread.Closed, thread.Active, thread.Reviewing} {
		if status, changed := decision.Released(ended, thread.Active, 0); changed || status != ended {
			t.Errorf("a thread that is %s became %s", ended, status)
		}
	}
}
