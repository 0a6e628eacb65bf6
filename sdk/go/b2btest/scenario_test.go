package b2btest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// TestFakeIsTrue: the fake server gives agents the same responses, errors and events as the real one
// (B2B-SDK-037).
func TestFakeIsTrue(t *testing.T) {
	// Not parallel: it may set B2B_BINARY.
	if os.Getenv("B2B_BINARY") == "" {
		buildServer(t)
	}
	clients := b2btest.Start(t).Clients("ann", "bob")
	want := scenario(t, clients[0], clients[1])
	fake := b2btest.NewFakeServer()
	defer fake.Close()
	got := scenario(t, fake.Client("ann"), fake.Client("bob"))
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) {
			t.Fatalf("the fake server has %d results, the real one %d", len(got), len(want))
		}
		if got[i] != want[i] {
			t.Fatalf("result %d\nfake %s\nreal %s", i, got[i], want[i]) // the next ones follow from it
		}
	}
}

// buildServer builds the server of this repository, and lets [b2btest.Start] find it.
func buildServer(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "b2b")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../..", "-ldflags=-s -w", "-o", binary, "./cmd/b2b")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the server, which B2B_BINARY does not name: %v\n%s", err, out)
	}
	t.Setenv("B2B_BINARY", binary)
}

// results are what a scenario has seen. Ids are replaced by the order in which they appeared, and
// times left out.
type results struct {
	t     *testing.T
	seen  []string
	names map[string]string
}

// call adds the result of a call, and returns the response.
func call[Req, Res proto.Message](r *results, f func(context.Context, Req) (Res, error), req Req) Res {
	res, err := f(r.t.Context(), req)
	if err != nil {
		r.add(req, b2b.CodeOf(err).String())
		return res
	}
	r.add(req, r.normal(res))
	return res
}

func (r *results) add(what any, result string) {
	r.seen = append(r.seen, fmt.Sprintf("%T: %s", what, result))
}

// each adds all entries of a list.
func each[T proto.Message](r *results, list func(yield func(T, error) bool)) {
	for entry, err := range list {
		if err != nil {
			r.t.Fatal(err)
		}
		r.add(entry, r.normal(entry))
	}
}

func (r *results) normal(m proto.Message) string {
	text, err := protojson.Marshal(m)
	if err != nil {
		r.t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		r.t.Fatal(err)
	}
	text, err = json.Marshal(r.replace(v, ""))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r *results) replace(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k == "online" || k == "lastSeenAt" || k == "authRole" || k == "paged" || k == "recipients" {
				delete(v, k) // presence, the first bot of an org, a mark of REST, and how bots can be reached
				continue
			}
			value := v[k]
			v[k] = 0
			if !strings.HasSuffix(k, "At") && k != "ts" {
				v[k] = r.replace(value, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = r.replace(v[i], key)
		}
	case string:
		switch {
		case key == "by", key == "members", key == "id", key == "nextCursor", strings.HasSuffix(key, "Id"):
			if r.names[v] == "" {
				r.names[v] = fmt.Sprintf("#%d", len(r.names))
			}
			return r.names[v]
		}
	}
	return v
}

// scenario does what agents do, and returns all results, and the events of bob.
func scenario(t *testing.T, ann, bob *b2b.Client) []string {
	r := &results{t: t, names: map[string]string{}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start, err := bob.Present(ctx)
	if err != nil {
		t.Fatal(err)
	}
	call(r, ann.Bots.GetMe, &b2bv1.GetMeRequest{})
	call(r, ann.Bots.ListPeers, &b2bv1.ListPeersRequest{})
	direct := func(c *b2b.Client, to, content, id string, parts ...*b2bv1.Part) *b2bv1.SendDirectMessageResponse {
		req := &b2bv1.SendDirectMessageRequest{To: &to}
		if content != "none" {
			req.Content = &content
		}
		if id != "" {
			req.RequestId = &id
		}
		if parts != nil {
			req.Parts = &b2bv1.PartList{Values: parts}
		}
		return call(r, c.Channels.SendDirectMessage, req)
	}
	channel := direct(ann, "bob", "hello", "r1").GetChannelId()
	direct(ann, "bob", "hello", "r1")
	direct(ann, "bob", "other", "r1")
	call(r, bob.Channels.SendChannelMessage, &b2bv1.SendChannelMessageRequest{ChannelId: &channel, Content: proto.String("hi")})
	part := &b2bv1.Part{Part: &b2bv1.Part_Markdown{Markdown: &b2bv1.MarkdownPart{Content: proto.String("*x*")}}}
	direct(ann, "bob", "none", "", part)
	direct(ann, "bob", "", "", part)
	direct(ann, "bob", "none", "")
	call(r, bob.Channels.GetInbox, &b2bv1.GetInboxRequest{Since: timestamppb.New(time.Unix(0, 0))})
	call(r, ann.Channels.GetChannel, &b2bv1.GetChannelRequest{ChannelId: channel})
	call(r, ann.Channels.ListChannelMessages, &b2bv1.ListChannelMessagesRequest{ChannelId: channel, Limit: proto.Int32(2)})
	each(r, ann.EachChannelMessage(ctx, &b2bv1.ListChannelMessagesRequest{ChannelId: channel, Limit: proto.Int32(2)}))

	thread := call(r, ann.Threads.CreateThread, &b2bv1.CreateThreadRequest{
		Topic: proto.String("Plan"), Tags: &b2bv1.StringList{Values: []string{"a"}},
		Participants: &b2bv1.StringList{Values: []string{"bob"}}, Context: proto.String(`{"a":1}`),
	}).GetThread().GetId()
	call(r, bob.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: thread})
	said := call(r, bob.Threads.SendThreadMessage, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: proto.String("@ann @all see"), Metadata: proto.String(`{"n":1}`)})
	call(r, ann.Threads.SendThreadMessage, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: proto.String("seen"), ReplyTo: &said.Message.Id})
	call(r, ann.Threads.ListThreadMessages, &b2bv1.ListThreadMessagesRequest{ThreadId: thread})
	call(r, ann.Threads.ListThreadMessages, &b2bv1.ListThreadMessagesRequest{ThreadId: thread, Cursor: proto.String(""), Limit: proto.Int32(1)})
	each(r, bob.EachThreadMessage(ctx, &b2bv1.ListThreadMessagesRequest{ThreadId: thread, Limit: proto.Int32(1)}))
	artifact := func(c *b2b.Client, key, content string) {
		call(r, c.Artifacts.AddArtifact, &b2bv1.AddArtifactRequest{ThreadId: thread, ArtifactKey: &key, Content: &content, Title: proto.String("K"), Type: b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN.Enum()})
	}
	artifact(bob, "k", "1")
	artifact(ann, "k", "2")
	artifact(ann, "", "2")
	call(r, ann.Artifacts.UpdateArtifact, &b2bv1.UpdateArtifactRequest{ThreadId: thread, ArtifactKey: "k", Content: proto.String("2")})
	call(r, ann.Artifacts.UpdateArtifact, &b2bv1.UpdateArtifactRequest{ThreadId: thread, ArtifactKey: "other", Content: proto.String("2")})
	call(r, bob.Artifacts.ListArtifacts, &b2bv1.ListArtifactsRequest{ThreadId: thread})
	call(r, bob.Artifacts.ListArtifactVersions, &b2bv1.ListArtifactVersionsRequest{ThreadId: thread, ArtifactKey: "k"})
	update := func(c *b2b.Client, req *b2bv1.UpdateThreadRequest) {
		req.ThreadId = thread
		call(r, c.Threads.UpdateThread, req)
	}
	update(ann, &b2bv1.UpdateThreadRequest{Status: b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING.Enum(), Topic: proto.String("Plan 2")})
	update(ann, &b2bv1.UpdateThreadRequest{Topic: proto.String("x"), ExpectedRevision: proto.Int64(1)})
	update(ann, &b2bv1.UpdateThreadRequest{Status: b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED.Enum()})
	call(r, bob.Threads.JoinThread, &b2bv1.JoinThreadRequest{ThreadId: thread})
	call(r, ann.Threads.AddParticipant, &b2bv1.AddParticipantRequest{ThreadId: thread, BotId: proto.String("bob"), Label: proto.String("x")})
	call(r, ann.Threads.AddParticipant, &b2bv1.AddParticipantRequest{ThreadId: thread, BotId: proto.String("bob")})
	update(bob, &b2bv1.UpdateThreadRequest{Status: b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED.Enum()})
	call(r, bob.Threads.SendThreadMessage, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: proto.String("late")})
	update(bob, &b2bv1.UpdateThreadRequest{Topic: proto.String("late")})
	call(r, ann.Threads.RemoveParticipant, &b2bv1.RemoveParticipantRequest{ThreadId: thread, Bot: "bob"})
	for _, status := range []b2bv1.ThreadStatus{b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE} {
		call(r, bob.Threads.ListThreads, &b2bv1.ListThreadsRequest{Status: &status})
	}
	call(r, bob.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: "no-such-thread"})
	call(r, bob.Threads.SendThreadMessage, &b2bv1.SendThreadMessageRequest{ThreadId: thread, Content: proto.String("x"), ReplyTo: proto.String("none")})
	direct(ann, "nobody", "x", "")
	direct(ann, "ann", "x", "")
	direct(ann, "bob", "", "")
	call(r, ann.Threads.CreateThread, &b2bv1.CreateThreadRequest{})
	update(ann, &b2bv1.UpdateThreadRequest{Status: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE.Enum()})
	call(r, ann.Threads.RemoveParticipant, &b2bv1.RemoveParticipantRequest{ThreadId: thread, Bot: "bob"})
	call(r, ann.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: thread})
	call(r, ann.Threads.AddParticipant, &b2bv1.AddParticipantRequest{ThreadId: thread, BotId: proto.String("bob"), Label: proto.String("x")})
	call(r, ann.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: thread})
	call(r, bob.Threads.LeaveThread, &b2bv1.LeaveThreadRequest{ThreadId: thread})
	call(r, ann.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: thread})
	call(r, bob.Channels.GetChannel, &b2bv1.GetChannelRequest{ChannelId: "no-such-channel"})
	second := call(r, bob.Threads.CreateThread, &b2bv1.CreateThreadRequest{Topic: proto.String("Second")}).GetThread().GetId()
	call(r, ann.Threads.JoinThread, &b2bv1.JoinThreadRequest{ThreadId: second})
	call(r, ann.Threads.GetThread, &b2bv1.GetThreadRequest{ThreadId: second})
	each(r, ann.EachThread(ctx, &b2bv1.ListThreadsRequest{Limit: proto.Int32(1)}))

	for _, transport := range []b2b.Transport{b2b.WebSocket, b2b.ServerSentEvents} {
		for event, err := range bob.Listen(ctx, b2b.FromPosition(start), b2b.WithTransport(transport)) {
			if err != nil {
				t.Fatal(err)
			}
			if event.GetBotOnline() != nil || event.GetBotOffline() != nil {
				continue // presence is not part of the fake server
			}
			r.add(event.Type, r.normal(event.Event))
			if p := event.GetThreadParticipant(); p.GetThreadId() == second && p.GetBotName() == "ann" {
				break
			}
		}
	}
	return r.seen
}
