package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// liveFake configures a fake server with a WebSocket and an event stream.
type liveFake struct {
	script func(frame string) []string // returns the replies to a frame; "close" closes with 4008
	stream string                      // the body of GET /api/events
}

// tryLive runs a check against a fake server and returns its failures.
func tryLive(t *testing.T, l liveFake, run func(t *T)) []string {
	t.Helper()
	f := newFake(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/ws-ticket", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ticket":"t","expires_in":30}`) })
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }() // it may be closed already
		if r.FormValue("ticket") != "t" {
			_ = c.Close(4001, "no ticket") // the client sees it or not
			return
		}
		for {
			_, text, err := c.Read(r.Context())
			if err != nil {
				return
			}
			answers := l.script(string(text))
			for _, a := range answers {
				if a == "close" {
					_ = c.Close(4008, "slow") // the client sees it or not
					return
				}
				if c.Write(r.Context(), websocket.MessageText, []byte(a)) != nil {
					return
				}
			}
		}
	})
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, l.stream)
	})
	mux.Handle("/", f.Config.Handler)
	f.Config.Handler = mux
	tg, err := newTarget(f.URL, "correct", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer tg.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return (&T{ctx: ctx, target: tg}).run(Check{Run: run})
}

// scriptedReplies replies to pings, acknowledges frames of the type good, and sends an error for
// others.
func scriptedReplies(frame string) []string {
	fr := newFrame(frame)
	switch {
	case fr.kind() == "ping":
		return []string{`{"type":"pong"}`}
	case fr.kind() == "leave":
		return []string{"close"}
	case fr.kind() == "good":
		return []string{`{"type":"thread_message","cursor":"c1"}`, fmt.Sprintf(`{"type":"ack","ref":%q,"result":{"operation":"good","resource_id":"x"}}`, fr.str("ref"))}
	}
	return []string{fmt.Sprintf(`{"type":"error","ref":%q,"message":"no","code":"FORBIDDEN"}`, fr.str("ref"))}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	failures := tryLive(t, liveFake{script: scriptedReplies}, func(t *T) {
		s := t.open("a bot", Token("x"))
		s.wire.delayWrites()
		s.send(J{"type": "bad", "ref": "before"})
		if err := s.wire.sendDelayed(); err != nil {
			t.Errorf("%v", err)
		}
		s.reply("before").failed("FORBIDDEN")
		s.do(J{"type": "good"}).Equal("result.resource_id", "x")
		s.refuses("FORBIDDEN", J{"type": "bad"})
		if s.last() != "c1" || s.next("thread_message").cursor() != "c1" {
			t.Errorf("the event is missing")
		}
		if !s.open() {
			t.Errorf("an open socket is reported as closed")
		}
		s.send(J{"type": "leave"})
		s.closes(4008, "slow")
		t.dial("nobody").closes(4001, "no ticket")
	})
	if len(failures) > 0 {
		t.Error(failures)
	}
}

func TestSocketReportsFailures(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(t *T){
		"code":   func(t *T) { t.open("a bot", nil).refuses("NOT_FOUND", J{"type": "bad"}) },
		"ack":    func(t *T) { t.open("a bot", nil).do(J{"type": "bad"}) },
		"closed": func(t *T) { s := t.open("a bot", nil); s.send(J{"type": "leave"}); s.next("thread_message") },
		"close":  func(t *T) { s := t.open("a bot", nil); s.send(J{"type": "leave"}); s.closes(4001) },
		"reason": func(t *T) { s := t.open("a bot", nil); s.send(J{"type": "leave"}); s.closes(4008, "other") },
	} {
		if failures := tryLive(t, liveFake{script: scriptedReplies}, run); len(failures) != 1 {
			t.Errorf("%s: %v", name, failures)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	body := ": hello\n\nid: 1\nevent: message\ndata: {\"type\":\"message\",\ndata: \"cursor\":\"1\"}\n\ndata:{\"type\":\"bot_online\"}\r\n\r\n: beat\n\nevent: bot_renamed\ndata: {\"type\":\"bot_renamed\",\"new_name\":\"flag-1\",\"cursor\":\"2\"}\n\nid: 9\n\n"
	failures := tryLive(t, liveFake{stream: body}, func(t *T) {
		s := t.stream("a bot", Token("x"), []string{"types", "message"})
		got := s.expect("flag-1", "message")
		if got[0].ID != "1" || got[0].Event != "message" || got[0].cursor() != "1" {
			t.Errorf("read %+v", got[0])
		}
		s.ends()
		if all := s.all(); len(all) != 3 || !all[1].isPresence() || all[2].ID != "" || s.heartbeats != 2 {
			t.Errorf("read %+v and %d comments", all, s.heartbeats)
		}
	})
	if len(failures) > 0 {
		t.Error(failures)
	}
	failures = tryLive(t, liveFake{stream: "data: {}\n\n"}, func(t *T) { t.stream("a bot", nil, nil) })
	if len(failures) != 1 || !strings.Contains(failures[0], "does not begin with a comment") {
		t.Error(failures)
	}
}

// TestStreamEndsWith: the check of how a stream ends accepts the right code alone.
func TestStreamEndsWith(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		": hello\n\nevent: error\ndata: {\"code\":\"FORBIDDEN\"}\n\n":   0,
		": hello\n\nevent: resume\ndata: {\"code\":\"FORBIDDEN\"}\n\n":  0,
		": hello\n\nevent: error\ndata: {\"code\":\"NOT_FOUND\"}\n\n":   1,
		": hello\n\nevent: message\ndata: {\"code\":\"FORBIDDEN\"}\n\n": 1,
		": hello\n\n": 1,
	} {
		failures := tryLive(t, liveFake{stream: body}, func(t *T) { t.stream("a bot", nil, nil).endsWith("FORBIDDEN") })
		if len(failures) != want {
			t.Errorf("%q: %v", body, failures)
		}
	}
}

func TestEventsExcludeRepliesAndPresence(t *testing.T) {
	t.Parallel()
	var frames []Frame
	for _, raw := range []string{`{"type":"ack"}`, `{"type":"message","cursor":"1"}`, `{"type":"bot_online"}`, `{"type":"bot_offline","cursor":"2"}`, `{"type":"pong"}`, `[1]`, `no`} {
		frames = append(frames, newFrame(raw))
	}
	if got := kinds(events(frames)); !slices.Equal(got, []string{"message", "bot_offline", "", ""}) {
		t.Errorf("%v", got)
	}
}
