package ws_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/ws"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

var (
	times   = regexp.MustCompile(`("(?:timestamp|joined_at|offline_since)":)\d{13}\b`)
	uuids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	cursors = regexp.MustCompile(`"cursor":"[^"]*"`)
)

// Each file of testdata is a conversation: a line that begins with > is sent, one with < must be
// received, in this order. Ids are named by $ and a number in the order in which they appear; $ann,
// $bob and $thread exist before. The frame of an event is given by its type alone.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, string(text))
		})
	}
}

func play(t *testing.T, script string) {
	w := newFixture(t)
	ids := map[string]string{w.ann.id: "$ann", w.bob.id: "$bob", w.org: "$org"}
	ids[w.thread(w.ann.token, "bob")] = "$thread"
	s := w.open(w.ann.token)
	for n, line := range strings.Split(script, "\n") {
		verb, text, _ := strings.Cut(line, " ")
		switch verb {
		case ">":
			for id, name := range ids {
				text = strings.ReplaceAll(text, name, id)
			}
			s.send(text)
		case "<":
			f := s.next()
			got := f.raw
			if f.Cursor != "" {
				got = fmt.Sprintf(`{"type":%q}`, f.Type)
			}
			for _, id := range uuids.FindAllString(f.raw, -1) {
				if ids[id] == "" && f.Cursor == "" {
					ids[id] = fmt.Sprint("$", len(ids)-3)
				}
			}
			for id, name := range ids {
				got = strings.ReplaceAll(got, id, name)
			}
			got = times.ReplaceAllString(cursors.ReplaceAllString(got, ""), "${1}0")
			if got != compact(t, text) {
				t.Fatalf("line %d: got\n%s\nwant\n%s", n+1, got, text)
			}
		case "", "#":
		default:
			t.Fatalf("line %d begins with neither > nor <", n+1)
		}
	}
	s.ping()
}

// 50 frames in one write get 50 replies in order, each after the event of its frame.
func TestPipeline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		thread := w.thread(w.ann.token)
		s := w.open(w.ann.token)
		for i := range 50 {
			if i%10 == 9 {
				s.send(fmt.Sprintf(`{"type":"send_thread_message","thread_id":%q,"content":"","ref":%d}`, thread, i+1))
				continue
			}
			s.send(fmt.Sprintf(`{"type":"send_thread_message","thread_id":%q,"content":"message %d","ref":%d}`, thread, i, i+1))
		}
		for i := range 50 {
			kind := "error"
			if i%10 != 9 {
				kind = "ack"
				if f := s.wants("thread_message")[0]; !strings.Contains(f.raw, fmt.Sprintf(`"content":"message %d"`, i)) {
					t.Fatalf("event %d is %s", i, f.raw)
				}
			}
			if f := s.wants(kind)[0]; string(f.Ref) != fmt.Sprint(i+1) {
				t.Fatalf("reply %d is %s", i, f.raw)
			}
		}
	})
}

// A client that sends more than it reads is not read further, and nothing is lost.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		s := w.open(w.ann.token)
		const frames = 3000
		sent := make(chan error, 1)
		go func() {
			for range frames {
				if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		synctest.Wait() // the server sends no more, and so reads no more
		for range frames {
			s.wants("pong")
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

func TestLargeFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		s := w.open(w.ann.token)
		s.send(`{"type":"bogus","x":"` + strings.Repeat("x", ws.MaxFrame-100) + `"}`)
		s.ping()
		s.send(`{"type":"bogus","x":"` + strings.Repeat("x", ws.MaxFrame) + `"}`)
		for {
			_, err := s.read()
			if err == nil {
				continue
			}
			if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
				t.Errorf("ended with %v", err)
			}
			return
		}
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t)
		thread := w.thread(w.ann.token)
		oa := w.open(w.people)
		w.say(w.ann.token, thread, "not delivered")
		w.thread(w.ann.token)
		oa.wants("thread_created") // so the earlier events are processed
		oa.send(`{"type":"subscribe","thread_id":"`+thread+`","ref":"x"}`, `{"type":"send_dm","to":"bob","content":"x","ref":"x"}`)
		oa.ping()
		w.say(w.ann.token, thread, "heard")
		oa.wants("thread_message")
		oa.send(`{"type":"unsubscribe","thread_id":"` + thread + `"}`)
		oa.ping()
		w.say(w.ann.token, thread, "not delivered")
		oa.ping()
		for i := range 100 {
			oa.send(fmt.Sprintf(`{"type":"subscribe","channel_id":"c%d"}`, i))
		}
		oa.send(`{"type":"subscribe","channel_id":"c1","ref":"x"}`)
		if f := oa.wants("error")[0]; f.Ref != nil || f.Code != "VALIDATION_ERROR" {
			t.Errorf("the 101st: %s", f.raw)
		}
	})
}

// Every operation with a WebSocket name can be called and acknowledged; New panics otherwise.
func TestOperationsAreKnown(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(spec), "in addition to `operation` and `resource_id` |")
	table, _, _ = strings.Cut(table, "\n\n")
	var listed, have []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
	}
	w := newFixture(t, func(c *ws.Config) {
		for _, op := range c.Operations {
			if op.WebSocket != "" {
				have = append(have, op.WebSocket)
			}
		}
		c.Pipeline = call.NewPipeline(c.Access.(call.Authenticator), c.Log, false)
	})
	slices.Sort(listed)
	slices.Sort(have)
	if !slices.Equal(listed, have) {
		t.Errorf("operations:\n%v, the table of B2B-WS-021 has\n%v", have, listed)
	}
	w.open(w.ann.token).ping()
}

// A frame without room is skipped and gets an error; the connection stays open (B2B-LIM-032).
func TestNoRoomForFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, func(c *ws.Config) {
			c.Intake = intake.New(intake.Sizes{Share: 128 << 10, Patience: time.Millisecond}, nil)
		})
		s := w.open(w.ann.token)
		s.send(`{"type":"thread_create","topic":"a","ref":1,"pad":"` + strings.Repeat("x", 60<<10) + `"}`)
		if f := s.wants("thread_created", "thread_participant", "ack")[2]; string(f.Ref) != "1" {
			t.Errorf("a frame that has room: %s", f.raw)
		}
		s.send(`{"type":"thread_create","topic":"a","ref":2,"pad":"` + strings.Repeat("x", 200<<10) + `"}`)
		if f := s.wants("error")[0]; f.Code != "RATE_LIMITED" || f.Ref != nil || !strings.Contains(string(f.raw), `"retry_after":1`) {
			t.Errorf("a frame that has none: %s", f.raw)
		}
		s.ping()
	})
}

// B2B-LIM-022: a change over a WebSocket waits like others while its org has those that it may have
// beside another org.
func TestChangesWaitForTheirOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := concurrency.NewLimiter(concurrency.Config{})
		w := newFixture(t, func(c *ws.Config) { c.Intake = intake.New(intake.Sizes{}, limiter) })
		s := w.open(w.ann.token)
		begin := func(org string, reads bool) concurrency.Permit {
			t.Helper()
			access := &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}}
			p, err := limiter.Begin(t.Context(), &call.Info{
				Operation: &call.Operation{Access: access, Reads: reads, Changes: !reads}, Caller: &call.Caller{OrgID: org},
			})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		other := begin("another", true)
		defer other.End()
		first, second := begin(w.org, false), begin(w.org, false)
		defer second.End()
		begun := time.Now()
		const held = 500 * time.Millisecond
		time.AfterFunc(held, first.End)
		s.send(`{"type":"thread_create","topic":"a","ref":1}`)
		if f := s.wants("thread_created", "thread_participant", "ack")[2]; string(f.Ref) != "1" {
			t.Errorf("the change: %s", f.raw)
		}
		if took := time.Since(begun); took < held {
			t.Errorf("it took %v, want it to wait %v", took, held)
		}
	})
}
