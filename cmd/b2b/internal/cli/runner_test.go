package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/waittest"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// crew is an org in which worker runs commands, and others write to it.
type crew struct {
	t      *testing.T
	m      *machine
	ann    *b2b.Client
	annID  string
	worker *b2b.Client
	id     string // of worker
	folder string // of the files that commands write
}

func newCrew(t *testing.T) *crew {
	url := startServer(t)
	org := newOrg(t)
	c := &crew{t: t, m: newMachine(t), folder: t.TempDir()}
	join := func(name string) (*b2b.Client, string, string) {
		res, err := b2b.New(url).Auth.RegisterBot(t.Context(), &b2bv1.RegisterBotRequest{
			OrgId: proto.String(org.GetId()), OrgSecret: proto.String(org.GetOrgSecret()), Name: proto.String(name),
		})
		if err != nil {
			t.Fatal(err)
		}
		return b2b.New(url, b2b.WithToken(res.GetToken())), res.GetBotId(), res.GetToken()
	}
	c.ann, c.annID, _ = join("ann")
	var token string
	c.worker, c.id, token = join("worker")
	c.m.env["B2B_URL"], c.m.env["B2B_TOKEN"], c.m.env["PATH"] = url, token, os.Getenv("PATH")
	return c
}

// start runs b2b run until the test ends, or stop is called, which returns its result. It returns when
// the runner has an inbox.
func (c *crew) start(words ...string) (stop func() result) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan result, 1)
	go func() { done <- c.m.runWith(ctx, nil, "", append([]string{"run", "--json"}, words...)...) }()
	stop = func() result {
		cancel()
		res := <-done
		done <- res
		return res
	}
	c.t.Cleanup(func() {
		if res := stop(); c.t.Failed() {
			c.t.Log(res.err)
		}
	})
	waittest.Until(c.t, "the worker has no inbox", func() bool {
		_, err := c.worker.Deliveries.ListDeliveries(c.t.Context(), &b2bv1.ListDeliveriesRequest{})
		return err == nil
	})
	return stop
}

// sh returns a shell command; $OUT is the folder of the test.
func (c *crew) sh(script string) []string {
	return []string{"--", "sh", "-c", "OUT=" + c.folder + "\n" + script}
}

func (c *crew) send(text string) {
	c.t.Helper()
	if _, err := c.ann.Send(c.t.Context(), "worker", text); err != nil {
		c.t.Fatal(err)
	}
}

// thread opens a thread of ann and the worker.
func (c *crew) thread() string {
	c.t.Helper()
	res, err := c.ann.Threads.CreateThread(c.t.Context(), &b2bv1.CreateThreadRequest{
		Topic: proto.String("release"), Participants: &b2bv1.StringList{Values: []string{"worker"}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return res.GetThread().GetId()
}

func (c *crew) post(thread, text string) *b2bv1.ThreadMessage {
	c.t.Helper()
	m, err := c.ann.SendToThread(c.t.Context(), thread, text)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// replies returns what the worker has written to ann, newest last.
func (c *crew) replies(most int) []*b2bv1.InboxMessage {
	c.t.Helper()
	var all []*b2bv1.InboxMessage
	waittest.Until(c.t, "the worker has not replied", func() bool {
		all = nil
		for m, err := range c.ann.EachInboxMessage(c.t.Context(), &b2bv1.GetInboxRequest{Since: timestamppb.New(time.Unix(0, 0))}) {
			if err != nil {
				c.t.Fatal(err)
			}
			if m.GetMessage().GetSenderId() == c.id {
				all = append(all, m)
			}
		}
		return len(all) >= most
	})
	return all
}

// said returns what the worker has written in a thread.
func (c *crew) said(thread string) (texts []string) {
	c.t.Helper()
	for m, err := range c.ann.EachThreadMessage(c.t.Context(), &b2bv1.ListThreadMessagesRequest{ThreadId: thread}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if m.GetSenderId() == c.id {
			texts = append(texts, m.GetContent())
		}
	}
	return texts
}

// inbox waits until the deliveries of the worker are as ok wants them.
func (c *crew) inbox(what string, ok func([]*b2bv1.Delivery) bool) {
	c.t.Helper()
	waittest.Until(c.t, what, func() bool {
		res, err := c.worker.Deliveries.ListDeliveries(c.t.Context(), &b2bv1.ListDeliveriesRequest{})
		if err != nil {
			c.t.Fatal(err)
		}
		return ok(res.GetItems())
	})
}

func (c *crew) settled() {
	c.t.Helper()
	c.inbox("not everything is settled", func(all []*b2bv1.Delivery) bool {
		return !slices.ContainsFunc(all, func(d *b2bv1.Delivery) bool {
			return d.GetKind() != b2bv1.DeliveryKind_DELIVERY_KIND_INVITATION // which it does not take up
		})
	})
}

func TestRunReplies(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	stop := c.start("--input", "text", "--", "tr", "a-z", "A-Z")
	c.send("hello <there>")
	if got := c.replies(1)[0].GetMessage().GetContent(); got != "HELLO <THERE>" {
		t.Errorf("the reply is %q", got)
	}
	c.settled()
	res := stop()
	if res.status != 0 {
		t.Errorf("stopped: exit %d\n%s", res.status, res.err)
	}
	if strings.Contains(res.err, "hello") || strings.Contains(res.err, c.m.env["B2B_TOKEN"]) {
		t.Errorf("the log has a text or a token:\n%s", res.err)
	}
}

func TestRunTellsTheItem(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	file, err := c.ann.UploadFile(t.Context(), &b2bv1.UploadFileRequest{Name: proto.String("../../notes.txt")}, strings.NewReader("the notes"))
	if err != nil {
		t.Fatal(err)
	}
	c.start(c.sh(`cat >$OUT/item.json; cat "$B2B_FILES" >$OUT/file; printf '%s|%s|%s' "$B2B_KIND" "$B2B_SENDER" "$B2B_TEXT"`)...)
	thread := c.thread()
	m, err := c.ann.SendToThread(t.Context(), thread, "@worker look", func(r *b2bv1.SendThreadMessageRequest) {
		r.Parts = &b2bv1.PartList{Values: []*b2bv1.Part{{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: proto.String(file.GetUrl()), Name: proto.String("../../notes.txt"), MimeType: proto.String("text/plain")}}}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the worker has not replied", func() bool { return len(c.said(thread)) > 0 })
	if got := c.said(thread)[0]; got != "mention|ann|@worker look" {
		t.Errorf("the environment: %q", got)
	}
	text, err := os.ReadFile(filepath.Join(c.folder, "item.json"))
	if err != nil {
		t.Fatal(err)
	}
	var item struct {
		Kind, Lease string
		ThreadID    string `json:"thread_id"`
		MessageID   string `json:"message_id"`
		SenderID    string `json:"sender_id"`
		Event       struct{ Type string }
		Files       []struct{ Path, Name, Type string }
		Context     struct{ Thread struct{ Topic string } }
		Session     struct {
			ID      string
			Resumed bool
		}
	}
	if err := json.Unmarshal(text, &item); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if item.Kind != "mention" || item.ThreadID != thread || item.MessageID != m.GetId() || item.SenderID != c.annID || item.Event.Type != "thread_message" ||
		item.Context.Thread.Topic != "release" || item.Session.ID == "" || item.Session.Resumed || item.Lease != "" {
		t.Errorf("the item is %s", text)
	}
	got, err := os.ReadFile(filepath.Join(c.folder, "file"))
	if err != nil || string(got) != "the notes" {
		t.Errorf("the attachment has %q (%v)", got, err)
	}
	if len(item.Files) != 1 || filepath.Clean(item.Files[0].Path) != item.Files[0].Path || !strings.HasPrefix(filepath.Base(filepath.Dir(item.Files[0].Path)), "b2b-run-") {
		t.Errorf("the files are %+v", item.Files)
	}
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		script, reason string
		state          b2bv1.DeliveryState
	}{
		"failed for good": {"exit 65", "the command of the agent ended with exit status 65", b2bv1.DeliveryState_DELIVERY_STATE_FAILED},
		"again later":     {"echo not a reply; echo secret >&2; exit 3", "the command of the agent ended with exit status 3", b2bv1.DeliveryState_DELIVERY_STATE_QUEUED},
		"too long":        {"sleep 60 & sleep 60", "the command took too long", b2bv1.DeliveryState_DELIVERY_STATE_QUEUED},
		"killed":          {"kill -9 $$", "the command of the agent was killed", b2bv1.DeliveryState_DELIVERY_STATE_QUEUED},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrew(t)
			c.start(append([]string{"--max-time", "2s"}, c.sh(k.script)...)...)
			c.send("hello")
			c.inbox("the delivery was not given back", func(all []*b2bv1.Delivery) bool {
				return len(all) == 1 && all[0].GetReason() == k.reason && all[0].GetState() == k.state && all[0].GetAttempt() >= 1
			})
		})
	}
}

func TestRunAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start(c.sh(`[ "$B2B_ATTEMPT" = 2 ] || exit 1; echo second`)...)
	c.send("hello")
	if got := c.replies(1); len(got) != 1 || got[0].GetMessage().GetContent() != "second" {
		t.Errorf("the replies are %v", got)
	}
	c.settled()
}

func TestRunAccess(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start("--from", "worker", "--", "cat")
	c.send("hello")
	c.inbox("the delivery was accepted", func(all []*b2bv1.Delivery) bool {
		return len(all) == 1 && all[0].GetReason() == "this agent does not work for the sender" && all[0].GetState() == b2bv1.DeliveryState_DELIVERY_STATE_FAILED
	})
}

func TestRunLimitsSenders(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start("--burst", "1", "--every", "2s", "--input", "text", "--", "cat")
	thread := c.thread()
	for _, text := range []string{"@worker one", "@worker two"} {
		c.post(thread, text)
	}
	waittest.Until(t, "a message was dropped", func() bool { return len(c.said(thread)) == 2 })
	c.settled()
}

func TestRunSessions(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	stop := c.start(c.sh(`echo "$B2B_SESSION_ID $B2B_SESSION_RESUMED"`)...)
	c.send("one")
	first := strings.Fields(c.replies(1)[0].GetMessage().GetContent())
	stop()
	c.start(c.sh(`echo "$B2B_SESSION_ID $B2B_SESSION_RESUMED"`)...)
	c.send("two")
	second := strings.Fields(c.replies(2)[1].GetMessage().GetContent())
	if first[0] != second[0] || first[1] != "false" || second[1] != "true" {
		t.Errorf("the sessions are %v and %v", first, second)
	}
}

func TestRunModes(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start(append([]string{"--mode", "smart"}, c.sh(`case "$B2B_TEXT" in *quiet*) echo '[skip]';; *) echo "$B2B_KIND: $B2B_TEXT";; esac`)...)...)
	thread := c.thread()
	// Following begins some time after the inbox is there.
	waittest.Until(t, "the worker does not follow the thread", func() bool {
		c.post(thread, "first")
		return waittest.Within(time.Second, func() bool { return len(c.said(thread)) > 0 })
	})
	c.post(thread, "be quiet")
	c.post(thread, "@worker be loud")
	c.post(thread, "the end")
	waittest.Until(t, "the worker has not replied", func() bool {
		said := strings.Join(c.said(thread), "\n")
		return strings.Contains(said, "mention: @worker be loud") && strings.Contains(said, "message: the end")
	})
	said := c.said(thread)
	for _, text := range said {
		if strings.Contains(strings.ToLower(text), "skip") || strings.Contains(text, "quiet") {
			t.Errorf("the worker said %q", text)
		}
	}
	if n := strings.Count(strings.Join(said, "\n"), "be loud"); n != 1 {
		t.Errorf("a message that is addressed to the worker was answered %d times: %q", n, said)
	}
}

func TestRunDecides(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start(c.sh(`echo approved`)...)
	thread := c.thread()
	res, err := c.ann.Decisions.AskThreadDecision(t.Context(), &b2bv1.AskThreadDecisionRequest{
		ThreadId: thread, Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(), Question: proto.String("Ship it?"), Bots: &b2bv1.StringList{Values: []string{"worker"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the decision is open", func() bool {
		d, err := c.ann.Decisions.GetDecision(t.Context(), &b2bv1.GetDecisionRequest{Id: res.GetDecision().GetId()})
		return err == nil && d.GetDecision().GetAnswer() == "approved"
	})
	c.settled()
}

func TestRunLongReply(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	c.start(c.sh(`head -c 200000 /dev/zero | tr '\0' x`)...)
	c.send("hello")
	m := c.replies(1)[0].GetMessage()
	if len(m.GetParts()) == 0 || len(m.GetContent()) > 3000 {
		t.Fatalf("a reply of %d bytes and %d parts", len(m.GetContent()), len(m.GetParts()))
	}
	var whole strings.Builder
	if _, err := c.ann.DownloadFile(t.Context(), m.GetParts()[0].GetFile().GetUrl(), &whole); err != nil || whole.Len() != 200_000 {
		t.Errorf("the file has %d bytes: %v", whole.Len(), err)
	}
	c.settled()
}

// TestRunDrains: a command that runs when the runner is to stop goes on, and its reply is sent.
func TestRunDrains(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	stop := c.start(c.sh(`touch $OUT/begun; while [ ! -e $OUT/go ]; do sleep 0.05; done; echo finished`)...)
	c.send("hello")
	waittest.Until(t, "the command does not run", func() bool {
		_, err := os.Stat(filepath.Join(c.folder, "begun"))
		return err == nil
	})
	stopped := make(chan result)
	go func() { stopped <- stop() }()
	if err := os.WriteFile(filepath.Join(c.folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	res := <-stopped
	if got := c.replies(1)[0].GetMessage().GetContent(); got != "finished" || res.status != 0 {
		t.Errorf("the reply is %q, exit %d\n%s", got, res.status, res.err)
	}
	c.settled()
}

func TestRunArguments(t *testing.T) {
	t.Parallel()
	c := newCrew(t)
	for words, want := range map[string]string{
		"run":                            "the command is missing",
		"run -- no-such-program":         `the command "no-such-program" cannot be run`,
		"run --template nothing":         `--template "nothing" is none of: claude, codex, gemini`,
		"run --mode loud -- cat":         `the mode "loud" is not mention, smart or all`,
		"run --input xml -- cat":         `--input "xml" is not`,
		"run --kind letters -- cat":      `--kind "letters" is none of`,
		"run --concurrency 0 -- cat":     "--concurrency 0",
		"run --lease 1s -- cat":          "--lease 1s is too short",
		"run --max-time=-1s -- cat":      "cannot be negative",
		"run --from nobody-here -- true": `--from "nobody-here"`,
	} {
		res := c.m.run("", strings.Fields(words)...)
		if res.status == 0 || !strings.Contains(res.err, want) {
			t.Errorf("b2b %s: exit %d, %s", words, res.status, res.err)
		}
	}
}
