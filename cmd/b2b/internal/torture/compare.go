package torture

import (
	"fmt"
	"maps"
	"slices"
)

// Entry is one thing that a subscriber received: an event, or a catch-up for all events after From
// and up to Seq.
type Entry struct {
	Seq  int64
	Text string // of an event: the frame, without its cursor
	From int64
	Rows map[string]int64 // of a catch-up: see [Viewer.Missed]; else nil
	Via  string           // over which connection it came
}

// compare returns the first difference between the events that a viewer must receive and the
// entries that it received; nil if there is none.
func compare(v Viewer, want []*Row, got []Entry) error {
	next := 0
	for i, g := range got {
		at := fmt.Sprintf("at its entry %d (%s)", i+1, g.Via)
		if g.Rows != nil {
			until := next
			for until < len(want) && want[until].Seq <= g.Seq {
				until++
			}
			if next < until && want[next].Seq <= g.From {
				return fmt.Errorf("%s: expected %s, got a catch-up from seq %d", at, show(want[next]), g.From)
			}
			if missed := v.Missed(want[next:until]); !maps.Equal(missed, g.Rows) {
				return fmt.Errorf("%s: expected a catch-up from seq %d to %d of %s, got %s", at, g.From, g.Seq, difference(missed, g.Rows), difference(g.Rows, missed))
			}
			next = until
			continue
		}
		switch {
		case next == len(want):
			return fmt.Errorf("%s: expected nothing more, got %s", at, g)
		case g.Seq != want[next].Seq, g.Text != want[next].Text:
			return fmt.Errorf("%s: expected %s, got %s", at, show(want[next]), g)
		}
		next++
	}
	if next < len(want) {
		return fmt.Errorf("behind its %d entries: expected %s and %d more, got nothing", len(got), show(want[next]), len(want)-next-1)
	}
	return nil
}

func (e Entry) String() string { return fmt.Sprintf("seq %d %s", e.Seq, clip(e.Text)) }

func show(r *Row) string { return fmt.Sprintf("seq %d %s", r.Seq, clip(r.Text)) }

func clip(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// difference returns the entries of a that differ in b.
func difference(a, b map[string]int64) string {
	text := ""
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if a[k] != b[k] {
			text += fmt.Sprintf("[%s: %d]", k, a[k])
		}
	}
	if text == "" {
		return "less"
	}
	return text
}
