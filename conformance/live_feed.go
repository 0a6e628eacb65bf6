package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// patience bounds each wait for something that must come.
const patience = 25 * time.Second

// Frame is one thing that a subscriber was told.
type Frame struct {
	Raw   string         // its JSON text
	JSON  map[string]any // nil when Raw is no object; numbers as json.Number
	Event string         // server-sent events: the field event
	ID    string         // server-sent events: the field id, empty without one
}

func newFrame(raw string) Frame {
	f := Frame{Raw: raw}
	dec := json.NewDecoder(bytes.NewReader([]byte(raw)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) == nil && !dec.More() {
		f.JSON, _ = v.(map[string]any) // else stays nil, as told
	}
	return f
}

// str is the text at a path, empty when there is none.
func (f Frame) str(path string) string {
	v, _ := walk(f.JSON, path)
	s, _ := v.(string)
	return s
}

func (f Frame) kind() string   { return f.str("type") }
func (f Frame) cursor() string { return f.str("cursor") }

// answers reports whether the frame answers a frame of the client instead of telling an event.
func (f Frame) answers() bool { return slices.Contains([]string{"ack", "error", "pong"}, f.kind()) }

// presence reports whether the frame tells of a connection: such events are in no log and may come at any time.
func (f Frame) presence() bool {
	return (f.kind() == "bot_online" || f.kind() == "bot_offline") && f.cursor() == ""
}

// Feed is what one subscriber was told so far, over a WebSocket or as server-sent events. Another goroutine adds to it; one goroutine of the
// check reads it.
type Feed struct {
	t    *T
	name string
	hang func() // cuts the connection without a word and returns when nothing more will be added

	mu     sync.Mutex
	frames []Frame
	read   int // how many of frames the check has consumed
	beats  int // comments of server-sent events
	over   *ending
	news   chan struct{} // closed and replaced at each change
}

// ending is how a connection ended: the code and reason of its close frame, or code 0 and what went wrong.
type ending struct {
	code   int
	reason string
}

func newFeed(t *T, name string) *Feed { return &Feed{t: t, name: name, news: make(chan struct{})} }

// change alters the feed and wakes who waits for it.
func (f *Feed) change(alter func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alter()
	close(f.news)
	f.news = make(chan struct{})
}

func (f *Feed) add(fr Frame) {
	f.t.target.described.event(fr)
	f.change(func() { f.frames = append(f.frames, fr) })
}

func (f *Feed) end(code int, reason string) { f.change(func() { f.over = &ending{code, reason} }) }

// await waits until ok holds; it is asked with the feed locked. It returns false when the feed ended, or time was up, before that.
func (f *Feed) await(ok func() bool) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		f.mu.Lock()
		done, over, news := ok(), f.over != nil, f.news
		f.mu.Unlock()
		if done || over {
			return done
		}
		select {
		case <-news:
		case <-limit.C:
			return false
		case <-f.t.ctx.Done():
			return false
		}
	}
}

// seek waits for a frame that matches, consumes everything up to it, and returns what came before it and the frame.
func (f *Feed) seek(what string, match func(Frame) bool) (before []Frame, hit Frame) {
	at := f.read
	found := f.await(func() bool {
		for ; at < len(f.frames); at++ {
			if match(f.frames[at]) {
				return true
			}
		}
		return false
	})
	if !found {
		f.fatalf("there came no %s", what)
	}
	before, hit = slices.Clone(f.frames[f.read:at]), f.frames[at]
	f.read = at + 1
	return before, hit
}

// next waits for the next event of a type and consumes everything up to it.
func (f *Feed) next(kind string) Frame {
	_, hit := f.seek(kind, func(fr Frame) bool { return fr.kind() == kind })
	return hit
}

// upTo waits for the mark and returns the events that came before it, without answers and presence.
func (f *Feed) upTo(mark string) []Frame {
	before, _ := f.seek("mark "+mark, isMark(mark))
	return events(before)
}

// events leaves out answers and presence.
func events(frames []Frame) []Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(fr Frame) bool { return fr.answers() || fr.presence() })
}

// told asserts the types of the events before the mark, in order, and returns the events. Others end the check.
func (f *Feed) told(mark string, types ...string) []Frame {
	got := f.upTo(mark)
	if !slices.Equal(kinds(got), types) {
		f.fatalf("was told %v, want %v", kinds(got), types)
	}
	return got
}

// withCursor leaves the events that are in the log.
func withCursor(frames []Frame) []Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(fr Frame) bool { return fr.cursor() == "" })
}

func kinds(frames []Frame) []string {
	out := []string{}
	for _, fr := range frames {
		out = append(out, fr.kind())
	}
	return out
}

// raws is the exact text of frames.
func raws(frames []Frame) []string {
	out := []string{}
	for _, fr := range frames {
		out = append(out, fr.Raw)
	}
	return out
}

// all is everything that came so far.
func (f *Feed) all() []Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.frames)
}

// last is the cursor of the newest frame that has one.
func (f *Feed) last() string {
	for _, fr := range slices.Backward(f.all()) {
		if c := fr.cursor(); c != "" {
			return c
		}
	}
	f.fatalf("was told nothing that has a cursor")
	return ""
}

// ends waits until the connection is over and returns how.
func (f *Feed) ends() ending {
	if !f.await(func() bool { return f.over != nil }) {
		f.errorf("the server did not end the connection within %s", patience)
		return ending{}
	}
	return *f.over
}

// closes asserts the close code, and the reason when one is given.
func (f *Feed) closes(code int, reason ...string) {
	e := f.ends()
	if e.code != code {
		f.errorf("ended with %d %q, want %d", e.code, e.reason, code)
	} else if len(reason) > 0 && e.reason != reason[0] {
		f.errorf("ended with %d and the reason %q, want %q", e.code, e.reason, reason[0])
	}
}

// open reports whether the connection is not over.
func (f *Feed) open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over == nil
}

// look gives a frame the assertions of an answer.
func (f *Feed) look(fr Frame) *Response {
	return &Response{t: f.t, request: f.name, Body: []byte(fr.Raw), JSON: fr.JSON, isJSON: fr.JSON != nil}
}

// is asserts the members of an event; those that want does not name are welcome.
func (f *Feed) is(fr Frame, want J) *Response {
	r := f.look(fr)
	for k, v := range want {
		r.Equal(k, v)
	}
	return r.Shape("", "type:s cursor:s")
}

func (f *Feed) errorf(format string, args ...any) {
	seen := ""
	if all := f.all(); len(all) > 0 {
		tail := all[max(0, len(all)-8):]
		seen = fmt.Sprintf("; %d frames, the last %v", len(all), raws(tail))
	}
	f.mu.Lock()
	if f.over != nil {
		seen += fmt.Sprintf("; ended with %d %q", f.over.code, f.over.reason)
	}
	f.mu.Unlock()
	f.t.Errorf("%s: %s%s", f.name, fmt.Sprintf(format, args...), clip(seen, 1500))
}

func (f *Feed) fatalf(format string, args ...any) {
	f.errorf(format, args...)
	panic(stop{})
}
