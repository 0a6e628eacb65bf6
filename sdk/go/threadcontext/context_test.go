package threadcontext

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// server is a stand-in for a server, with the threads and artifacts of a case.
type server struct {
	b2bv1connect.UnimplementedThreadServiceHandler
	b2bv1connect.UnimplementedArtifactServiceHandler
	b2bv1connect.UnimplementedBotServiceHandler
	threads   map[string]*b2bv1.Thread
	artifacts map[string][]*b2bv1.Artifact
}

func (s *server) GetMe(context.Context, *b2bv1.GetMeRequest) (*b2bv1.GetMeResponse, error) {
	return &b2bv1.GetMeResponse{Bot: &b2bv1.Bot{Id: "me"}}, nil
}

func (s *server) GetThread(_ context.Context, req *b2bv1.GetThreadRequest) (*b2bv1.GetThreadResponse, error) {
	if s.threads[req.GetThreadId()] == nil {
		return nil, connect.NewError(connect.CodeNotFound, errors.New("Thread not found"))
	}
	return &b2bv1.GetThreadResponse{Thread: s.threads[req.GetThreadId()]}, nil
}

func (s *server) ListArtifacts(_ context.Context, req *b2bv1.ListArtifactsRequest) (*b2bv1.ListArtifactsResponse, error) {
	return &b2bv1.ListArtifactsResponse{Artifacts: s.artifacts[req.GetThreadId()]}, nil
}

// Do implements connect.HTTPClient, without a network.
func (s *server) Do(r *http.Request) (*http.Response, error) {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewThreadServiceHandler(s))
	mux.Handle(b2bv1connect.NewArtifactServiceHandler(s))
	mux.Handle(b2bv1connect.NewBotServiceHandler(s))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result(), nil
}

func (s *server) client() *b2b.Client { return b2b.New("http://b2b.test", b2b.WithHTTPClient(s)) }

// parse reads the JSON of a thread or an artifact, as a part of an event.
func parse(t *testing.T, format string, data json.RawMessage) *b2bv1.Event {
	t.Helper()
	e, err := b2b.ParseEvent(fmt.Appendf(nil, format, data))
	if err != nil || e.Event == nil {
		t.Fatalf("%s: %v", data, err)
	}
	return e.Event
}

func artifacts(t *testing.T, all []json.RawMessage) (list []*b2bv1.Artifact) {
	t.Helper()
	for _, a := range all {
		list = append(list, parse(t, `{"type":"thread_artifact","artifact":%s}`, a).GetThreadArtifact().GetArtifact())
	}
	return list
}

type sharedCase struct {
	Name, Only string
	Options    struct {
		BotNames        []string
		BotID           string
		MaxBufferSize   int
		TriggerOnInvite *bool
		Lifecycle       struct {
			MaxBufferSize int
			Modes         map[string]Mode
		}
	}
	Threads   map[string]json.RawMessage
	Artifacts map[string][]json.RawMessage
	Steps     []json.RawMessage
}

type step struct {
	Event         json.RawMessage
	Fails         bool
	Flush, Prompt string
	Mode, Text    string
	Options       struct {
		Escape    *bool
		MaxTokens int
	}
	Fail       int
	Listed     []json.RawMessage
	Deliveries []map[string]any
	Active     []string
	Sizes      string
	Messages   json.RawMessage
	Events     json.RawMessage
}

var errHandler = errors.New("the handler failed")

// TestSharedExamples plays the examples that all SDKs share (B2B-SDK-033).
func TestSharedExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../testdata/threadcontext.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []sharedCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, c := range file.Cases {
		if c.Only == "hxa" {
			continue
		}
		played++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			play(t, c)
		})
	}
	if played < 16 {
		t.Errorf("only %d cases", played)
	}
}

func play(t *testing.T, c sharedCase) {
	s := &server{threads: map[string]*b2bv1.Thread{}, artifacts: map[string][]*b2bv1.Artifact{}}
	for id, thread := range c.Threads {
		s.threads[id] = parse(t, `{"type":"thread_created","thread":%s}`, thread).GetThreadCreated().GetThread()
	}
	for id, all := range c.Artifacts {
		s.artifacts[id] = artifacts(t, all)
	}
	var deliveries []map[string]any
	fail := 0
	threads := New(s.client(), Options{
		BotNames: c.Options.BotNames, BotID: c.Options.BotID, MaxMessages: c.Options.MaxBufferSize,
		BufferInvites: c.Options.TriggerOnInvite != nil && !*c.Options.TriggerOnInvite,
		MaxEvents:     c.Options.Lifecycle.MaxBufferSize, Modes: c.Options.Lifecycle.Modes,
	}, func(_ context.Context, d *Delivery) error {
		deliveries = append(deliveries, shown(d))
		if fail > 0 {
			fail--
			return errHandler
		}
		return nil
	})
	for i, raw := range c.Steps {
		var st step
		var keys map[string]json.RawMessage
		if err := errors.Join(json.Unmarshal(raw, &st), json.Unmarshal(raw, &keys)); err != nil {
			t.Fatal(err)
		}
		has := func(key string) bool { _, is := keys[key]; return is }
		where := fmt.Sprintf("step %d %.200s", i, raw)
		switch {
		case has("sizes"):
			messages, events := threads.Waiting(st.Sizes)
			if fmt.Sprint(messages, events) != string(st.Messages)+" "+string(st.Events) {
				t.Errorf("%s: %d messages and %d events wait", where, messages, events)
			}
		case has("event"), has("flush"):
			var err error
			if has("flush") {
				err = threads.Flush(t.Context(), st.Flush)
			} else {
				event, failed := b2b.ParseEvent(st.Event)
				if failed != nil {
					t.Fatal(failed)
				}
				err = threads.Handle(t.Context(), event)
			}
			if errors.Is(err, errHandler) != st.Fails || err != nil && !st.Fails {
				t.Errorf("%s: %v", where, err)
			}
		case has("fail"):
			fail = st.Fail
		case has("listed"):
			s.artifacts["t1"] = artifacts(t, st.Listed)
		case has("deliveries"):
			if len(deliveries) != len(st.Deliveries) {
				t.Fatalf("%s: the deliveries are %v", where, deliveries)
			}
			for j, want := range st.Deliveries {
				for key, value := range want {
					if got := fmt.Sprint(deliveries[j][key]); got != fmt.Sprint(value) {
						t.Errorf("%s: %s of delivery %d is %s", where, key, j, got)
					}
				}
			}
			deliveries = nil
		case has("prompt"):
			extent := map[string]Extent{"full": Full, "delta": Delta, "summary": Summary}[st.Mode]
			got := threads.prompt(st.Prompt, extent, st.Options.Escape == nil || *st.Options.Escape, st.Options.MaxTokens)
			if got != st.Text {
				t.Errorf("%s:\n%s\nwant\n%s", where, got, st.Text)
			}
			if st.Options.MaxTokens > 0 && len(got) > 4*st.Options.MaxTokens {
				t.Errorf("%s: %d bytes", where, len(got))
			}
		case has("active"):
			if got := threads.Active(); !slices.Equal(got, st.Active) {
				t.Errorf("%s: %v is active", where, got)
			}
		default:
			t.Fatalf("%s is no step that this test knows", where)
		}
	}
}

// shown returns what the examples say of a delivery.
func shown(d *Delivery) map[string]any {
	messages, events, artifacts := []string{}, []string{}, []string{}
	for _, m := range d.Messages {
		messages = append(messages, m.GetId())
	}
	for _, e := range d.Events {
		events = append(events, string(e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().Get(0)).Name()))
	}
	for _, a := range d.Artifacts {
		artifacts = append(artifacts, fmt.Sprint(a.GetArtifactKey(), " ", a.GetVersion()))
	}
	return map[string]any{
		"reason": d.Reason, "message": d.Message.GetId(), "messages": messages, "events": events, "artifacts": artifacts,
	}
}

// said returns the event of a message that mentions the bot.
func said(thread string, number int) *b2b.Event {
	return &b2b.Event{Type: "thread_message", Event: &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
		ThreadId: thread,
		Message: &b2bv1.ThreadMessage{
			Id: fmt.Sprint("m", number), SenderName: "nova", Content: "@echo", CreatedAt: &timestamppb.Timestamp{Seconds: int64(number)},
		},
	}}}}
}

// TestDeliveriesFollow: deliveries of one thread follow each other and those of others do not wait;
// each message is in one that succeeds, and Prompt in a handler has what the handler was given
// (B2B-SDK-033).
func TestDeliveriesFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		var mu sync.Mutex
		running, seen, failed := map[string]int{}, map[string]int{}, false
		var threads *Context
		start := time.Now()
		threads = New(s.client(), Options{BotNames: []string{"echo"}}, func(ctx context.Context, d *Delivery) error {
			mu.Lock()
			running[d.ThreadID]++
			if running[d.ThreadID] > 1 {
				t.Errorf("two deliveries of %s at a time", d.ThreadID)
			}
			prompt := threads.Prompt(d.ThreadID, Full)
			mu.Unlock()
			time.Sleep(time.Second)
			if again := threads.Prompt(d.ThreadID, Full); again != prompt {
				t.Errorf("the prompt became %s\nfrom %s", again, prompt)
			}
			if err := threads.Flush(ctx, d.ThreadID); !errors.Is(err, ErrNested) && err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			running[d.ThreadID]--
			if !failed {
				failed = true
				return errHandler
			}
			for _, m := range d.Messages {
				seen[d.ThreadID+m.GetId()]++
			}
			return nil
		})
		var wg sync.WaitGroup
		for i := range 10 {
			for _, thread := range []string{"t1", "t2", "t3"} {
				wg.Go(func() {
					if err := threads.Handle(t.Context(), said(thread, i)); err != nil && !errors.Is(err, errHandler) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		for _, thread := range []string{"t1", "t2", "t3"} {
			if err := threads.Flush(t.Context(), thread); err != nil {
				t.Error(err)
			}
		}
		if len(seen) != 30 {
			t.Errorf("%d of 30 messages were delivered", len(seen))
		}
		for m, times := range seen {
			if times != 1 {
				t.Errorf("%s was delivered %d times", m, times)
			}
		}
		if took := time.Since(start); took > 12*time.Second {
			t.Errorf("the threads waited for each other: %v", took)
		}
	})
}

// TestDeliveryCancelled: a delivery that waits for another ends with its context, and its message
// stays.
func TestDeliveryCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		threads := New((&server{}).client(), Options{BotNames: []string{"echo"}}, func(ctx context.Context, d *Delivery) error {
			time.Sleep(time.Minute)
			return nil
		})
		go func() { _ = threads.Handle(t.Context(), said("t1", 1)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := threads.Handle(ctx, said("t1", 2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if messages, _ := threads.Waiting("t1"); messages != 1 {
			t.Errorf("%d messages wait", messages)
		}
	})
}

// TestThreadsAreLimited: of more threads than are kept, the quietest falls out.
func TestThreadsAreLimited(t *testing.T) {
	t.Parallel()
	threads := New((&server{}).client(), Options{MaxThreads: 2}, nil)
	for _, id := range []string{"t1", "t2", "t1", "t3"} {
		if err := threads.Handle(t.Context(), said(id, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := threads.Active(); !slices.Equal(got, []string{"t1", "t3"}) {
		t.Errorf("%v are kept", got)
	}
}
