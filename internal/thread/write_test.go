package thread

import (
	"slices"
	"testing"
)

// All 6 x 32 writes: the revision increases by one for each group.
func TestRevisionsExhaustively(t *testing.T) {
	t.Parallel()
	for _, s := range append(Statuses(), "") {
		for bits := range 32 {
			w := Write{Status: s, Context: bits&1 != 0, Topic: bits&2 != 0, Policy: bits&4 != 0, Settings: bits&8 != 0, TurnLimit: bits&16 != 0}
			want := int64(bits&1 + bits>>1&1 + bits>>2&1 + bits>>3&1 + bits>>4&1)
			if s != "" {
				want++
			}
			if got := w.Revisions(); got != want {
				t.Errorf("%+v.Revisions() = %d, want %d", w, got, want)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	open, hidden := Settings{Public, Open}, Settings{Private, InviteOnly}
	for _, c := range []struct {
		name          string
		write         Write
		before, after Settings
		want          []string
	}{
		{"nothing", Write{}, open, open, []string{}},
		{"settings written, none changed", Write{Settings: true}, open, open, []string{}},
		{"settings changed", Write{Settings: true}, open, hidden, []string{"visibility", "join_policy"}},
		{"policy of joining only", Write{Settings: true}, open, Settings{Public, Approval}, []string{"join_policy"}},
		{"closed", Write{Status: Closed}, open, open, []string{"status", "close_reason"}},
		{"resolved", Write{Status: Resolved}, open, open, []string{"status", "resolved_at"}},
		{"reopened", Write{Status: Active}, open, open, []string{"status"}},
		{"all", Write{Status: Closed, Context: true, Topic: true, Policy: true, Settings: true, TurnLimit: true}, open, hidden,
			[]string{"status", "close_reason", "context", "topic", "permission_policy", "visibility", "join_policy", "turn_limit"}},
	} {
		got := c.write.Changes(c.before, c.after)
		if got == nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
