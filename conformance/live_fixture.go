package conformance

import (
	"fmt"
	"slices"
)

// marker creates marker events in the event log of an org: its bot changes its name, and every
// subscriber of the org receives that event. Events committed before a marker are delivered before
// it. A check can therefore verify that an event does not arrive by waiting for a marker.
type marker struct {
	t     *T
	bot   *Bot
	count int
	name  string // unique among the markers of an org
}

// mark creates a marker event and returns its name.
func (b *marker) mark() string {
	b.count++
	name := fmt.Sprintf("%s-%d", b.name, b.count)
	b.t.Do("PATCH", "/api/me/name", b.bot, J{"name": name}).OK()
	return name
}

// isMarker returns a function that matches the marker event with a name.
func isMarker(name string) func(Frame) bool {
	return func(fr Frame) bool { return fr.kind() == "bot_renamed" && fr.str("new_name") == name }
}

// liveFixture is a fixture with a marker and named subscribers.
type liveFixture struct {
	*fixture
	*marker
	feeds map[string]*Feed
}

func newLiveFixture(t *T) *liveFixture {
	h := newFixture(t)
	return &liveFixture{fixture: h, marker: &marker{t: t, bot: h.Bot("flag"), name: "flag"}, feeds: map[string]*Feed{}}
}

// addSocket opens a WebSocket of the caller that [liveFixture.step] observes.
func (s *liveFixture) addSocket(name string, c Caller) *Socket {
	k := s.fixture.t.open(name, c)
	s.feeds[name] = k.Feed
	return k
}

// addSockets opens WebSockets for ann, bob, cyd, the admin bot and two org admins: oa, and sub,
// which it returns.
func (s *liveFixture) addSockets() (sub *Socket) {
	s.addSocket("ann", s.Ann)
	s.addSocket("bob", s.Bob)
	s.addSocket("cyd", s.Cyd)
	s.addSocket("admin", s.Admin)
	s.addSocket("oa", s.Human())
	return s.addSocket("sub", s.Human())
}

// receivedFrames are the frames of one step by the name of the subscriber.
type receivedFrames map[string][]Frame

// step calls do and asserts the types of the events that each subscriber receives, in order. want
// has the types separated by spaces. A subscriber that is not in want must receive nothing.
func (s *liveFixture) step(what string, want map[string]string, do func()) receivedFrames {
	do()
	mark := s.mark()
	out := receivedFrames{}
	for name, f := range s.feeds {
		got := f.upTo(mark)
		if !slices.Equal(kinds(got), fields(want[name])) {
			f.fatalf("%s: received %v, want [%s]", what, kinds(got), want[name])
		}
		out[name] = got
	}
	return out
}

// sameFrames asserts that several subscribers received the same bytes, and returns the frames.
func (s *liveFixture) sameFrames(what string, received receivedFrames, names ...string) []Frame {
	first := received[names[0]]
	for _, n := range names[1:] {
		if !slices.Equal(raws(received[n]), raws(first)) {
			s.fixture.t.Errorf("%s: %s received %v, but %s received %v", what, names[0], raws(first), n, raws(received[n]))
		}
	}
	return first
}

// subscribe subscribes to a thread or channel and returns when the subscription is active.
func (k *Socket) subscribe(fields J) {
	k.send(with(J{"type": "subscribe"}, fields))
	k.ping()
}

// unsubscribe ends a subscription.
func (k *Socket) unsubscribe(fields J) {
	k.send(with(J{"type": "unsubscribe"}, fields))
	k.ping()
}
