package conformance

import (
	"fmt"
	"slices"
)

// beacon marks points in the stream of events of an org: its bot takes a new name, which everybody in the org is told. What was committed
// before a mark was told before it, so a mark also ends the wait for what must not come.
type beacon struct {
	t    *T
	bot  *Bot
	lit  int
	name string // unlike that of other beacons of the org
}

// mark lights the beacon and returns the name to wait for.
func (b *beacon) mark() string {
	b.lit++
	name := fmt.Sprintf("%s-%d", b.name, b.lit)
	b.t.Do("PATCH", "/api/me/name", b.bot, J{"name": name}).OK()
	return name
}

// isMark matches the event of a mark.
func isMark(name string) func(Frame) bool {
	return func(fr Frame) bool { return fr.kind() == "bot_renamed" && fr.str("new_name") == name }
}

// stage is a hall with a beacon and its audience.
type stage struct {
	*hall
	*beacon
	feeds map[string]*Feed
}

func newStage(t *T) *stage {
	h := newHall(t)
	return &stage{hall: h, beacon: &beacon{t: t, bot: h.Bot("flag"), name: "flag"}, feeds: map[string]*Feed{}}
}

// sit opens a WebSocket of the caller and lets it take part in [stage.step].
func (s *stage) sit(name string, c Caller) *Socket {
	k := s.hall.t.open(name, c)
	s.feeds[name] = k.Feed
	return k
}

// fill seats ann, bob, cyd, the admin bot, and two people: oa, and sub who will subscribe.
func (s *stage) fill() (sub *Socket) {
	s.sit("ann", s.Ann)
	s.sit("bob", s.Bob)
	s.sit("cyd", s.Cyd)
	s.sit("admin", s.Admin)
	s.sit("oa", s.Human())
	return s.sit("sub", s.Human())
}

// telling is what one step told to whom.
type telling map[string][]Frame

// step does something and asserts the types that each seat was told, in order. want has the types separated by spaces; who is not in it must
// be told nothing.
func (s *stage) step(what string, want map[string]string, do func()) telling {
	do()
	mark := s.mark()
	out := telling{}
	for name, f := range s.feeds {
		got := f.upTo(mark)
		if !slices.Equal(kinds(got), fields(want[name])) {
			f.fatalf("%s: was told %v, want [%s]", what, kinds(got), want[name])
		}
		out[name] = got
	}
	return out
}

// same asserts that several seats were told the very same bytes, and returns them.
func (s *stage) same(what string, told telling, names ...string) []Frame {
	first := told[names[0]]
	for _, n := range names[1:] {
		if !slices.Equal(raws(told[n]), raws(first)) {
			s.hall.t.Errorf("%s: %s was told %v, %s %v", what, names[0], raws(first), n, raws(told[n]))
		}
	}
	return first
}

// watch subscribes a person's socket and returns when that counts.
func (k *Socket) watch(fields J) {
	k.send(with(J{"type": "subscribe"}, fields))
	k.ping()
}

// unwatch is the opposite of watch.
func (k *Socket) unwatch(fields J) {
	k.send(with(J{"type": "unsubscribe"}, fields))
	k.ping()
}
