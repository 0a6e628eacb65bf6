package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer/a2atest"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// answers waits until the worker has written so many messages in a thread, and returns their texts, oldest
// first.
func (c *crew) answers(thread string, n int) []string {
	c.t.Helper()
	var said []string
	waittest.Until(c.t, "the worker has not answered", func() bool {
		said = c.said(thread)
		return len(said) >= n
	})
	slices.Reverse(said)
	return said
}

func (c *crew) status(thread string) b2bv1.ThreadStatus {
	c.t.Helper()
	res, err := c.ann.Threads.GetThread(c.t.Context(), &b2bv1.GetThreadRequest{ThreadId: thread})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.GetThread().GetStatus()
}

// offers are the ways in which an agent can be called.
var offers = map[string]a2atest.Options{
	"JSON-RPC": {}, "JSON-RPC without streams": {NoStreams: true}, "REST": {REST: true}, "REST without streams": {REST: true, NoStreams: true},
}

// TestA2AThread: a message becomes a task, its artifact and its answer come back, and the next message
// begins a task in the same context.
func TestA2AThread(t *testing.T) {
	t.Parallel()
	for name, o := range offers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, agent := newCrew(t), a2atest.Start(t, o)
			c.start("--a2a", agent.URL)
			thread := c.thread()
			c.post(thread, "@worker report")
			if said := c.answers(thread, 1); said[0] != "Artifacts: report.markdown" {
				t.Errorf("the answer is %q", said)
			}
			c.post(thread, "@worker report again")
			c.answers(thread, 2)
			c.settled()
			res, err := c.ann.Artifacts.ListArtifactVersions(t.Context(), &b2bv1.ListArtifactVersionsRequest{ThreadId: thread, ArtifactKey: "report.markdown"})
			if err != nil {
				t.Fatal(err)
			}
			all := res.GetArtifacts()
			if len(all) != 2 || all[0].GetContent() != "# The report" || all[0].GetType() != b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN || all[0].GetTitle() != "report.markdown" {
				t.Errorf("the versions of the artifact are %v", all)
			}
			sent := agent.Messages()
			if len(sent) != 2 || sent[0].ID == sent[1].ID || sent[1].ContextID == "" || len(sent[1].ReferenceTasks) != 1 || sent[1].TaskID != "" {
				t.Errorf("the agent was sent %+v", sent)
			}
		})
	}
}

// TestA2AQuestion: input-required becomes a question, and the answer goes on with the task.
func TestA2AQuestion(t *testing.T) {
	t.Parallel()
	for name, o := range offers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, agent := newCrew(t), a2atest.Start(t, o)
			stop := c.start("--a2a", agent.URL)
			thread := c.thread()
			c.post(thread, "@worker ask me")
			if said := c.answers(thread, 1); said[0] != "Which colour?" {
				t.Errorf("the question is %q", said)
			}
			c.settled()
			if got := c.status(thread); got != b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED {
				t.Errorf("the thread is %v", got)
			}
			stop() // what it asked is known to the next one
			c.start("--a2a", agent.URL)
			c.post(thread, "@worker blue")
			if said := c.answers(thread, 2); said[1] != "You chose blue." {
				t.Errorf("the answer is %q", said)
			}
			c.settled()
			if got := c.status(thread); got != b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE {
				t.Errorf("the thread is %v", got)
			}
			if sent := agent.Messages(); len(sent) != 2 || sent[1].TaskID == "" {
				t.Errorf("the agent was sent %+v", sent)
			}
		})
	}
}

func TestA2AFailures(t *testing.T) {
	t.Parallel()
	for text, k := range map[string]struct{ said, reason string }{
		"fail":   {"The task has failed.\n\nThere is no such city.", "the agent says that its task has failed"},
		"reject": {"The agent has rejected the task.", "the agent has rejected the task"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
			c.start("--a2a", agent.URL)
			thread := c.thread()
			c.post(thread, "@worker "+text)
			if said := c.answers(thread, 1); said[0] != k.said {
				t.Errorf("the answer is %q", said)
			}
			failed := func(all []*b2bv1.Delivery) bool {
				return slices.ContainsFunc(all, func(d *b2bv1.Delivery) bool {
					return d.GetState() == b2bv1.DeliveryState_DELIVERY_STATE_FAILED && d.GetReason() == k.reason
				})
			}
			c.inbox("the delivery has not failed", failed)
			if _, err := c.worker.Deliveries.RedeliverDead(t.Context(), &b2bv1.RedeliverDeadRequest{}); err != nil {
				t.Fatal(err)
			}
			waittest.Until(t, "what was handed out anew was not tried again", func() bool { return len(agent.Messages()) == 2 })
			c.inbox("the delivery has not failed again", failed)
			if sent := agent.Messages(); sent[0].ID == sent[1].ID {
				t.Errorf("what was handed out anew has the id of before")
			}
		})
	}
}

// TestA2ADirect: in a channel there are no artifacts; they are in the message, and files are attached.
func TestA2ADirect(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL)
	c.send("report")
	if got := c.replies(1)[0].GetMessage().GetContent(); got != "report.markdown\n\n# The report" {
		t.Errorf("the answer is %q", got)
	}
	c.send("answer")
	if got := c.replies(2)[1].GetMessage().GetContent(); got != "Without a task." {
		t.Errorf("the answer is %q", got)
	}
	c.send("parts")
	m := c.replies(3)[2].GetMessage()
	parts := m.GetParts()
	if m.GetContent() != "All kinds.\n\njavascript:alert(1)" || len(parts) != 3 {
		t.Fatalf("the answer is %v", m)
	}
	var file strings.Builder
	about := parts[1].GetFile()
	if _, err := c.ann.DownloadFile(t.Context(), about.GetUrl(), &file); err != nil || file.String() != "PNG" {
		t.Errorf("the file has %q: %v", file.String(), err)
	}
	if parts[0].GetJson().GetContent() != `{"sky":"<blue>"}` || about.GetName() != "sky.png" || about.GetMimeType() != "image/png" ||
		parts[2].GetLink().GetUrl() != "https://example.com/map" {
		t.Errorf("the parts are %v", parts)
	}
	c.settled()
}

// TestA2AKeys: an artifact of somebody else is not changed, and a file that is another one has another key.
func TestA2AKeys(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL)
	thread := c.thread()
	if _, err := c.ann.Artifacts.AddArtifact(t.Context(), &b2bv1.AddArtifactRequest{
		ThreadId: thread, ArtifactKey: proto.String("report.markdown"), Type: b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN.Enum(), Content: proto.String("of ann"),
	}); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"report", "file one", "file two", "file one"} {
		c.post(thread, "@worker "+text)
		c.answers(thread, i+1)
	}
	res, err := c.ann.Artifacts.ListArtifacts(t.Context(), &b2bv1.ListArtifactsRequest{ThreadId: thread})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range res.GetArtifacts() {
		text := a.GetContent()
		if a.GetType() == b2bv1.ArtifactType_ARTIFACT_TYPE_FILE {
			var file strings.Builder
			if _, err := c.ann.DownloadFile(t.Context(), a.GetUrl(), &file); err != nil {
				t.Fatal(err)
			}
			text = file.String()
		}
		key, _, _ := strings.Cut(a.GetArtifactKey(), "-")
		if a.GetArtifactKey() != key {
			key += "-…"
		}
		got[key] += "|" + text
	}
	if got["report.markdown"] != "|of ann" || got["report.markdown-…"] != "|# The report" || got["sky.png"] != "|file one" || !strings.Contains(got["sky.png-…"], "|file two") {
		t.Errorf("the artifacts are %q", got)
	}
}

// TestA2ABusy: an agent that is busy for a while is tried again.
func TestA2ABusy(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) <= 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	c.start("--a2a", agent.URL)
	c.send("hello")
	if got := c.replies(1)[0].GetMessage().GetContent(); got != "Done: hello" {
		t.Errorf("the answer is %q", got)
	}
	c.settled()
	if n := len(agent.Messages()); n != 1 {
		t.Errorf("the agent got the message %d times", n)
	}
}

// TestA2AModes: messages that are addressed to nobody become tasks, too.
func TestA2AModes(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL, "--mode", "all")
	thread := c.thread()
	waittest.Until(t, "the worker does not follow the thread", func() bool { // that begins some time after the inbox is there
		c.post(thread, "first")
		return waittest.Within(time.Second, func() bool { return len(c.said(thread)) > 0 })
	})
	c.post(thread, "report")
	waittest.Until(t, "the worker has not written an artifact", func() bool {
		res, err := c.ann.Artifacts.ListArtifacts(t.Context(), &b2bv1.ListArtifactsRequest{ThreadId: thread})
		return err == nil && len(res.GetArtifacts()) == 1
	})
}

// TestA2AAttachments: what a message has beside its text is sent in parts.
func TestA2AAttachments(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL)
	file, err := c.ann.UploadFile(t.Context(), &b2bv1.UploadFileRequest{Name: proto.String("notes.txt")}, strings.NewReader("the notes"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ann.Send(t.Context(), "worker", "look", func(r *b2bv1.SendDirectMessageRequest) {
		r.Parts = &b2bv1.PartList{Values: []*b2bv1.Part{
			{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: proto.String("look")}}},
			{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: proto.String(`{"n":12345678901234567890}`)}}},
			{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: proto.String(file.GetUrl()), Name: proto.String("notes.txt"), MimeType: proto.String("text/plain")}}},
			{Part: &b2bv1.Part_Link{Link: &b2bv1.LinkPart{Url: proto.String("https://example.com/"), Title: proto.String("site")}}},
		}}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.replies(1)
	parts := agent.Messages()[0].Parts
	if len(parts) != 4 || parts[0].Text() != "look" || parts[1].Data() == nil || string(parts[2].Raw()) != "the notes" ||
		parts[2].Filename != "notes.txt" || parts[3].URL() != "https://example.com/" || parts[3].Filename != "site" {
		t.Errorf("the agent was sent %+v", parts)
	}
}

// TestA2ATooLong: a task that does not end is canceled.
func TestA2ATooLong(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL, "--max-time", "2s")
	c.send("forever")
	c.inbox("the delivery was not given back", func(all []*b2bv1.Delivery) bool {
		return len(all) == 1 && all[0].GetReason() == "the agent took too long" && all[0].GetAttempt() >= 1
	})
	waittest.Until(t, "the task was not canceled", func() bool { return agent.Canceled() > 0 })
}

// TestA2AThreadEnds: a task is canceled when people end its thread.
func TestA2AThreadEnds(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL)
	thread := c.thread()
	c.post(thread, "@worker forever")
	c.inbox("the agent does not tell what it does", func(all []*b2bv1.Delivery) bool {
		return slices.ContainsFunc(all, func(d *b2bv1.Delivery) bool { return d.GetProgress() == "Thinking." })
	})
	if _, err := c.ann.Threads.UpdateThread(t.Context(), &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED.Enum()}); err != nil {
		t.Fatal(err)
	}
	c.inbox("the delivery has not failed", func(all []*b2bv1.Delivery) bool {
		return slices.ContainsFunc(all, func(d *b2bv1.Delivery) bool { return strings.Contains(d.GetReason(), "resolved or closed") })
	})
	waittest.Until(t, "the task was not canceled", func() bool { return agent.Canceled() == 1 })
}

// TestA2ADecides: the answer to a question that a decision asks is its answer.
func TestA2ADecides(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	c.start("--a2a", agent.URL)
	res, err := c.ann.Decisions.AskThreadDecision(t.Context(), &b2bv1.AskThreadDecisionRequest{
		ThreadId: c.thread(), Kind: b2bv1.DecisionKind_DECISION_KIND_INPUT.Enum(), Question: proto.String("Ship it?"), Bots: &b2bv1.StringList{Values: []string{"worker"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the decision is open", func() bool {
		d, err := c.ann.Decisions.GetDecision(t.Context(), &b2bv1.GetDecisionRequest{Id: res.GetDecision().GetId()})
		return err == nil && d.GetDecision().GetAnswer() == "Done: Ship it?"
	})
}

// cutter aborts the responses to the first calls that send a message, after so many bytes.
type cutter struct {
	calls atomic.Int32
	after int
}

func (k *cutter) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(`"messageId"`)) && k.calls.Add(1) == 1 {
			w = &cut{ResponseWriter: w, left: k.after}
		}
		next.ServeHTTP(w, r)
	})
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

func (c *cut) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

// TestA2ALostConnections: a response that breaks off is no loss, and the agent works once: the runner
// finds the task, and subscribes to it again.
func TestA2ALostConnections(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		after int
		o     a2atest.Options
	}{
		"before the first event": {0, a2atest.Options{}}, "after the first event": {700, a2atest.Options{}},
		"REST, before": {0, a2atest.Options{REST: true}}, "REST, after": {700, a2atest.Options{REST: true}},
		"without streams": {0, a2atest.Options{NoStreams: true}}, "without lists": {0, a2atest.Options{NoLists: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k.o.Wrap = (&cutter{after: k.after}).wrap
			c, agent := newCrew(t), a2atest.Start(t, k.o)
			c.start("--a2a", agent.URL)
			thread := c.thread()
			c.post(thread, "@worker slow work")
			waittest.Until(t, "the agent has nothing to do", func() bool { return len(agent.Messages()) > 0 })
			agent.Open()
			if said := c.answers(thread, 1); said[0] != "Done: slow work" {
				t.Errorf("the answer is %q", said)
			}
			c.settled()
			sent := agent.Messages()
			if len(sent) != 1 && !k.o.NoLists || sent[0].ID != sent[len(sent)-1].ID {
				t.Errorf("the agent got the message %d times", len(sent))
			}
		})
	}
}

// TestA2AToken: the token is sent to the agent, and shown nowhere.
func TestA2AToken(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-the-agent"
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{Token: token})
	res := c.m.run("", "run", "--a2a", agent.URL)
	if res.status != 2 || !strings.Contains(res.err, "B2B_A2A_TOKEN") {
		t.Errorf("without a token: exit %d, %s", res.status, res.err)
	}
	file := filepath.Join(c.folder, "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := c.start("--a2a", agent.URL, "--a2a-token-file", file)
	c.send("hello")
	if got := c.replies(1)[0].GetMessage().GetContent(); got != "Done: hello" {
		t.Errorf("the answer is %q", got)
	}
	if res := stop(); strings.Contains(res.err, token) {
		t.Errorf("the log has the token:\n%s", res.err)
	}
	c.m.env["B2B_A2A_TOKEN"] = "another-secret"
	stop = c.start("--a2a", agent.URL)
	c.send("hello again")
	c.inbox("the delivery was not given back", func(all []*b2bv1.Delivery) bool {
		return len(all) == 1 && all[0].GetReason() == "the agent does not accept the credentials of its runner"
	})
	if res := stop(); strings.Contains(res.err, "another-secret") {
		t.Errorf("the log has the token:\n%s", res.err)
	}
}

func TestA2AArguments(t *testing.T) {
	t.Parallel()
	c, agent := newCrew(t), a2atest.Start(t, a2atest.Options{})
	old := a2atest.Start(t, a2atest.Options{Card: func(card *a2a.AgentCard) {
		card.SupportedInterfaces[0].ProtocolVersion = "0.3"
		card.SupportedInterfaces = append(card.SupportedInterfaces, &a2a.AgentInterface{URL: "x", ProtocolBinding: "GRPC", ProtocolVersion: "1.0"})
	}})
	for words, k := range map[string]struct {
		status int
		want   string
	}{
		"run --a2a " + agent.URL + " -- cat":               {2, "there is no command"},
		"run --a2a " + agent.URL + " --template codex":     {2, "no --template"},
		"run --a2a " + agent.URL + " --input json":         {2, `--input "json"`},
		"run --a2a-host a.example -- cat":                  {2, "are for --a2a"},
		"run --a2a file:///etc/passwd":                     {2, "the address of the agent must be one"},
		"run --a2a https://user:secret@agent.example.com/": {2, "must have no user"},
		"run --a2a " + old.URL:                             {2, "the agent offers JSONRPC 0.3, GRPC 1.0; what is needed is JSONRPC or HTTP+JSON of A2A 1.0"},
		"run --a2a http://127.0.0.1:1/":                    {8, "the agent cannot be reached"},
		"run --a2a " + agent.URL + "/elsewhere":            {2, "there is no agent card"},
	} {
		res := c.m.run("", strings.Fields(words)...)
		if res.status != k.status || !strings.Contains(res.err, k.want) || strings.Contains(res.err, "secret") {
			t.Errorf("b2b %s: exit %d, %s", words, res.status, res.err)
		}
	}
}

// TestJoinFromCard: the profile of the bot is that of the agent.
func TestJoinFromCard(t *testing.T) {
	t.Parallel()
	agent := a2atest.Start(t, a2atest.Options{})
	url := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	m.env["B2B_ORG_SECRET"] = org.GetOrgSecret()
	for _, words := range [][]string{{}, {"--name", "rain", "--tag", "mine"}} {
		res := m.run("", append([]string{"join", url, "--org", org.GetId(), "--json", "--from-card", agent.URL + "/.well-known/agent-card.json"}, words...)...)
		if res.status != 0 {
			t.Fatalf("exit %d: %s", res.status, res.err)
		}
		want := []string{`"name":"weather-agent-eu"`, `"bio":"Tells the weather. [31m Of today."`, `"tags":["weather","eu","rain"]`}
		if len(words) > 0 {
			want = []string{`"name":"rain"`, `"tags":["mine"]`}
		}
		for _, text := range want {
			if !strings.Contains(res.out, text) {
				t.Errorf("%v: no %s in %s", words, text, res.out)
			}
		}
	}
}
