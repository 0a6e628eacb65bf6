package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer/a2atest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// three is a thread of three agents that are unlike: research speaks MCP, engineering is a command that
// `b2b run` runs, and operations an agent of A2A elsewhere. lead is a person, by the command line.
type three struct {
	t    *testing.T
	n    *node
	data string
	bots map[string]*client

	research                *sdk.ClientSession
	process                 *exec.Cmd // of research
	lead, engineering, rest *shell
	leads                   []string // the environment of lead
	thread                  string
}

// handed is what wait returns.
type handed struct {
	TimedOut bool `json:"timed_out"`
	Item     struct {
		Delivery string `json:"delivery"`
		Kind     string `json:"kind"`
		Message  struct {
			ID   string `json:"id"`
			From string `json:"from"`
			Text string `json:"text"`
		} `json:"message"`
		Event string `json:"event"`
	} `json:"item"`
}

// TestThreeAgents plays a scenario with three unlike agents, who find a flaw, patch
// it, have the patch approved and hand it over, in one thread. The server and each agent is killed once
// in the middle of its work. Nothing is lost, and nothing is said twice.
func TestThreeAgents(t *testing.T) {
	t.Parallel()
	p := &three{t: t, data: t.TempDir(), lead: &shell{t, t.TempDir()}, engineering: &shell{t, t.TempDir()}, rest: &shell{t, t.TempDir()}}
	p.n = serve(t, p.data)
	org, bots := p.n.team("lead", "research")
	p.bots, p.leads = bots, []string{"B2B_URL=" + p.n.URL, "B2B_TOKEN=" + bots["lead"].token}
	link := strings.TrimSpace(p.lead.b2b(append(p.leads, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "--reusable", "-q"))
	outside := a2atest.Start(t, a2atest.Options{})
	p.engineering.b2b(nil, "join", link, "--name", "engineering")
	p.rest.b2b(nil, "join", link, "--name", "operations", "--from-card", outside.URL)
	p.begin()

	p.patch()
	p.approve()
	p.handOver(outside)

	p.use("update_thread", map[string]any{"thread": p.thread, "status": "resolved"}, nil)
	p.check()
	if got := len(outside.Messages()); got != 5 { // four, and one again after it was killed
		t.Errorf("the agent of A2A got %d messages, want 5", got)
	}
}

// begin starts the session of research.
func (p *three) begin() {
	p.research, p.process = startMCP(p.t, p.n.URL, p.bots["research"].token, "2026-07-28", nil)
	p.t.Cleanup(func() { _ = p.research.Close() }) // it was killed, or ends
}

func (p *three) use(tool string, arguments map[string]any, out any) {
	p.t.Helper()
	useTool(p.t, p.research, tool, arguments, out)
}

// wait returns what research is handed next.
func (p *three) wait(want string) handed {
	p.t.Helper()
	var w handed
	for range 6 { // 50 seconds each, at most
		w = handed{}
		if p.use("wait", map[string]any{"thread": p.thread}, &w); !w.TimedOut {
			break
		}
	}
	if got := w.Item.Message.Text + w.Item.Event; !strings.Contains(got, want) {
		p.t.Fatalf("research is handed %+v, want %q", w.Item, want)
	}
	return w
}

// kill ends a process at once, and waits until it is gone: the command of a runner looks for it.
func (p *three) kill(cmd *exec.Cmd) {
	p.t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// patch: research asks engineering, whose runner is killed while its command works.
func (p *three) patch() {
	p.t.Helper()
	runs, open := filepath.Join(p.engineering.home, "runs"), filepath.Join(p.engineering.home, "open")
	script := fmt.Sprintf(`echo run >>%s
while [ ! -e %s ]; do kill -0 $PPID || exit 1; sleep 0.05; done
echo '# The patch' | %s artifact put "$B2B_THREAD_ID" patch - >/dev/null && echo 'It is in the artifact patch.'`, runs, open, build(p.t))
	words := []string{"run", "--lease", "3s", "--", "sh", "-c", script}
	count := func() int {
		text, err := os.ReadFile(runs)
		if err != nil && !os.IsNotExist(err) {
			p.t.Fatal(err)
		}
		return strings.Count(string(text), "run")
	}
	first, _ := p.engineering.start(words...)
	p.use("wait", map[string]any{"timeout_s": 1}, nil) // opens its inbox
	var opened struct {
		Thread struct {
			ID string `json:"id"`
		} `json:"thread"`
	}
	p.use("open_thread", map[string]any{
		"topic": "CVE-2026-1: a flaw in libfoo", "participants": []string{"engineering", "operations", "lead"}, "text": "@engineering can you patch it?",
	}, &opened)
	p.thread = opened.Thread.ID
	waittest.Until(p.t, "the command of engineering does not run", func() bool { return count() == 1 })
	p.kill(first)
	p.engineering.start(words...)
	waittest.Until(p.t, "the message was not handed out again", func() bool { return count() == 2 })
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	w := p.wait("It is in the artifact patch.")
	var patch struct {
		Artifacts []struct {
			Content string `json:"content"`
		} `json:"artifacts"`
	}
	if p.use("artifact", map[string]any{"action": "get", "thread": p.thread, "key": "patch"}, &patch); len(patch.Artifacts) != 1 || !strings.Contains(patch.Artifacts[0].Content, "# The patch") {
		p.t.Errorf("the patch is %+v", patch)
	}
	p.use("settle", map[string]any{"delivery": w.Item.Delivery, "action": "done"}, nil)
}

// approve: research asks lead, and is killed while it waits; so is the server.
func (p *three) approve() {
	p.t.Helper()
	var asked struct {
		Decisions []struct {
			ID string `json:"id"`
		} `json:"decisions"`
	}
	p.use("ask", map[string]any{"thread": p.thread, "question": "Shall we deploy it?", "agents": []string{"lead"}, "blocks": true}, &asked)
	waiting := make(chan error, 1)
	go func() {
		_, err := p.research.CallTool(context.WithoutCancel(p.t.Context()), &sdk.CallToolParams{Name: "wait", Arguments: map[string]any{"thread": p.thread}})
		waiting <- err
	}()
	time.Sleep(300 * time.Millisecond) // Sleeps: it waits by then, or has not begun to; both must do
	p.kill(p.process)
	if err := <-waiting; err == nil {
		p.t.Error("a wait of which the program was killed returned")
	}
	port := p.n.URL[strings.LastIndex(p.n.URL, ":")+1:]
	p.n.kill()
	p.n = serve(p.t, p.data, "B2B_PORT="+port)
	p.lead.b2b(p.leads, "decide", "answer", asked.Decisions[0].ID, "approved")
	p.begin()
	w := p.wait("approved")
	p.use("settle", map[string]any{"delivery": w.Item.Delivery, "action": "done"}, nil)
}

// handOver: operations rolls it out, and its runner and then the agent is killed meanwhile. Then it needs an
// answer, and makes an artifact.
func (p *three) handOver(outside *a2atest.Agent) {
	p.t.Helper()
	words := []string{"run", "--lease", "3s", "--a2a", outside.URL}
	first, logs := p.rest.start(words...)
	p.use("reply", map[string]any{"thread": p.thread, "text": "@operations slow rollout"}, nil)
	waittest.Until(p.t, "the agent of A2A does not work", func() bool { return strings.Contains(logs.String(), "the agent works") })
	p.kill(first)
	_, logs = p.rest.start(words...)
	waittest.Until(p.t, "its task does not go on", func() bool { return strings.Contains(logs.String(), "the task goes on") })
	outside.Crash()
	waittest.Until(p.t, "the agent is not given the task again", func() bool { return len(outside.Messages()) == 2 })
	outside.Open()
	w := p.wait("Done: slow rollout")
	p.use("reply", map[string]any{"thread": p.thread, "text": "@operations ask me what you need", "delivery": w.Item.Delivery}, nil)
	w = p.wait("Which colour?")
	p.use("reply", map[string]any{"thread": p.thread, "text": "blue", "reply_to": w.Item.Message.ID, "delivery": w.Item.Delivery}, nil)
	w = p.wait("You chose blue.")
	p.use("reply", map[string]any{"thread": p.thread, "text": "@operations report", "delivery": w.Item.Delivery}, nil)
	w = p.wait("Artifacts: report.markdown")
	p.use("settle", map[string]any{"delivery": w.Item.Delivery, "action": "done"}, nil)
}

// artifacts returns the keys and versions of the artifacts of the thread.
func (p *three) artifacts() (all []string) {
	for line := range strings.Lines(p.lead.b2b(p.leads, "artifact", "list", p.thread, "--json")) {
		var a struct {
			Key     string `json:"artifact_key"`
			Version int    `json:"version"`
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			p.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %d", a.Key, a.Version))
	}
	slices.Sort(all)
	return all
}

// left returns what is left in an inbox but for the invitation to the thread, which a runner does not
// take up.
func left(s *shell) (lines []string) {
	for line := range strings.Lines(s.b2b(nil, "inbox", "--json")) {
		if !strings.Contains(line, `"kind":"invitation"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// check compares what is in the thread with what was said, each once.
func (p *three) check() {
	p.t.Helper()
	var said []string
	for line := range strings.Lines(p.lead.b2b(p.leads, "read", p.thread, "--json")) {
		var m struct {
			Sender  string `json:"sender_name"`
			Content string `json:"content"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			p.t.Fatal(err)
		}
		said = append(said, m.Sender+": "+m.Content)
	}
	want := []string{
		"research: @engineering can you patch it?", "engineering: It is in the artifact patch.",
		"research: @operations slow rollout", "operations: Done: slow rollout",
		"research: @operations ask me what you need", "operations: Which colour?", "research: blue", "operations: You chose blue.",
		"research: @operations report", "operations: Artifacts: report.markdown",
	}
	if !slices.Equal(said, want) {
		p.t.Errorf("in the thread is\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if got, want := p.artifacts(), []string{"patch 1", "report.markdown 1"}; !slices.Equal(got, want) {
		p.t.Errorf("the artifacts are %v, want %v", got, want)
	}
	if lines := append(left(p.engineering), left(p.rest)...); lines != nil {
		p.t.Errorf("deliveries are not settled: %s", lines)
	}
	if of := p.bots["research"].must("GET", "/api/inbox/deliveries", nil); len(of["items"].([]any)) != 0 {
		p.t.Errorf("deliveries of research are not settled: %v", of)
	}
}
