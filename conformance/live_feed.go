package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// soon is how long a wait for a frame lasts while nothing is received.
const soon = 25 * time.Second

// Frame is one frame or server-sent event that a subscriber received.
type Frame struct {
	Raw   string         // its JSON text
	JSON  map[string]any // nil if Raw is not an object; numbers are json.Number
	Event string         // the field event of a server-sent event
	ID    string         // the field id of a server-sent event, or ""
}

func newFrame(raw string) Frame {
	f := Frame{Raw: raw}
	dec := json.NewDecoder(bytes.NewReader([]byte(raw)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) == nil && !dec.More() {
		f.JSON, _ = v.(map[string]any) // nil if it is not an object
	}
	return f
}

// str returns the string at a path, or "".
func (f Frame) str(path string) string {
	v, _ := walk(f.JSON, path)
	s, _ := v.(string)
	return s
}

func (f Frame) kind() string   { return f.str("type") }
func (f Frame) cursor() string { return f.str("cursor") }

// isReply reports whether the frame is a reply to a frame of the client.
func (f Frame) isReply() bool { return slices.Contains([]string{"ack", "error", "pong"}, f.kind()) }

// isPresence reports whether the frame is a presence event. These are not in the event log and can
// arrive at any time.
func (f Frame) isPresence() bool {
	return (f.kind() == "bot_online" || f.kind() == "bot_offline") && f.cursor() == ""
}

// Feed collects the frames that one subscriber receives over a WebSocket or as server-sent events.
// One goroutine adds frames; one goroutine of the check reads them.
type Feed struct {
	t          *T
	name       string
	disconnect func() // drops the connection without a close frame, and returns when no more frames are added

	mu         sync.Mutex
	frames     []Frame
	read       int           // number of frames that the check has consumed
	heartbeats int           // number of comments of server-sent events
	ended      *ending       // nil while the connection is open
	changed    chan struct{} // closed and replaced at each change
}

// ending has the code and reason of the close frame, or code 0 and an error.
type ending struct {
	code   int
	reason string
}

func newFeed(t *T, name string) *Feed { return &Feed{t: t, name: name, changed: make(chan struct{})} }

// change changes the feed and wakes the goroutine that waits for it.
func (f *Feed) change(alter func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alter()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Feed) add(fr Frame) {
	f.t.target.recorder.event(fr)
	f.change(func() { f.frames = append(f.frames, fr) })
}

func (f *Feed) end(code int, reason string) { f.change(func() { f.ended = &ending{code, reason} }) }

// await waits until ok returns true. ok is called with the feed locked. await returns false if the
// connection ends, or if nothing is received for the time limit.
func (f *Feed) await(ok func() bool) bool {
	quiet := f.t.patient(soon)
	limit := time.NewTimer(quiet)
	defer limit.Stop()
	for {
		f.mu.Lock()
		done, ended, changed := ok(), f.ended != nil, f.changed
		f.mu.Unlock()
		if done || ended {
			return done
		}
		select {
		case <-changed: // a slow server goes on
			limit.Reset(quiet)
		case <-limit.C:
			return false
		case <-f.t.ctx.Done():
			return false
		}
	}
}

// seek waits for a frame that matches and consumes all frames up to it. It returns the frames
// before it and the frame.
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
		f.fatalf("received no %s", what)
	}
	before, hit = slices.Clone(f.frames[f.read:at]), f.frames[at]
	f.read = at + 1
	return before, hit
}

// next waits for the next frame of a type and consumes all frames up to it.
func (f *Feed) next(kind string) Frame {
	_, hit := f.seek(kind, func(fr Frame) bool { return fr.kind() == kind })
	return hit
}

// upTo waits for a marker and returns the events before it, without replies and presence events.
func (f *Feed) upTo(mark string) []Frame {
	before, _ := f.seek("mark "+mark, isMarker(mark))
	return events(before)
}

// events returns the frames without replies and presence events.
func events(frames []Frame) []Frame {
	return slices.DeleteFunc(slices.Clone(frames), func(fr Frame) bool { return fr.isReply() || fr.isPresence() })
}

// expect asserts the types of the events before a marker, in order, and returns the events. It ends
// the check on failure.
func (f *Feed) expect(mark string, types ...string) []Frame {
	got := f.upTo(mark)
	if !slices.Equal(kinds(got), types) {
		f.fatalf("received %v, want %v", kinds(got), types)
	}
	return got
}

// withCursor returns the events that are in the event log.
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

// raws returns the text of the frames.
func raws(frames []Frame) []string {
	out := []string{}
	for _, fr := range frames {
		out = append(out, fr.Raw)
	}
	return out
}

// all returns all frames received so far.
func (f *Feed) all() []Frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.frames)
}

// last returns the cursor of the newest frame that has one.
func (f *Feed) last() string {
	for _, fr := range slices.Backward(f.all()) {
		if c := fr.cursor(); c != "" {
			return c
		}
	}
	f.fatalf("received no frame with a cursor")
	return ""
}

// ends waits until the connection ends and returns how it ended.
func (f *Feed) ends() ending {
	if !f.await(func() bool { return f.ended != nil }) {
		f.errorf("the server did not end the connection within %s", f.t.patient(soon))
		return ending{}
	}
	return *f.ended
}

// closes waits until the connection ends and asserts the close code, and the reason if one is
// given.
func (f *Feed) closes(code int, reason ...string) {
	e := f.ends()
	if e.code != code {
		f.errorf("ended with %d %q, want %d", e.code, e.reason, code)
	} else if len(reason) > 0 && e.reason != reason[0] {
		f.errorf("ended with %d and the reason %q, want %q", e.code, e.reason, reason[0])
	}
}

// open reports whether the connection is open.
func (f *Feed) open() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended == nil
}

// asResponse returns a Response with the frame, for its assertions.
func (f *Feed) asResponse(fr Frame) *Response {
	return &Response{t: f.t, request: f.name, Body: []byte(fr.Raw), JSON: fr.JSON, isJSON: fr.JSON != nil}
}

// is asserts members of an event. It ignores members that want does not have.
func (f *Feed) is(fr Frame, want J) *Response {
	r := f.asResponse(fr)
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
	if f.ended != nil {
		seen += fmt.Sprintf("; ended with %d %q", f.ended.code, f.ended.reason)
	}
	f.mu.Unlock()
	f.t.Errorf("%s: %s%s", f.name, fmt.Sprintf(format, args...), clip(seen, 1500))
}

func (f *Feed) fatalf(format string, args ...any) {
	f.errorf(format, args...)
	panic(stop{})
}
