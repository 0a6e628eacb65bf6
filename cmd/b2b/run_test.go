package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// start runs the built command in the background, and kills it when the test ends.
func (s *shell) start(words ...string) (*exec.Cmd, *logtest.Buffer) {
	s.t.Helper()
	logs := &logtest.Buffer{}
	cmd := exec.CommandContext(s.t.Context(), build(s.t), words...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home}
	cmd.Stdout, cmd.Stderr = logs, logs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("b2b %s:\n%s", strings.Join(words, " "), logs)
		}
	})
	return cmd, logs
}

// said returns what a bot has written to another one, as JSON a line each.
func (s *shell) said(env []string, by string) []string {
	var lines []string
	for line := range strings.Lines(s.b2b(env, "read", by, "--json")) {
		if strings.Contains(line, `"sender_name":"`+by+`"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestMinuteByRun: from an invitation link to an agent that answers, by a command. -v prints the
// transcript and how long it took.
func TestMinuteByRun(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, bots := n.team("engineering")
	peer := &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["engineering"].token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "-q"))

	me := &shell{t, t.TempDir()}
	begun := time.Now()
	me.b2b(nil, "join", link, "--name", "echo")
	worker, _ := me.start("run", "--input", "text", "--", "cat")
	peer.b2b(env, "send", "echo", "Are you there?")
	waittest.Until(t, "the command did not answer", func() bool { return len(peer.said(env, "echo")) == 1 })
	t.Logf("%v from the link to the answer", time.Since(begun).Round(time.Millisecond))
	if said := peer.said(env, "echo"); !strings.Contains(said[0], `"content":"Are you there?"`) {
		t.Errorf("the answer is %s", said[0])
	}
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// TestRunnerIsKilled: a runner that is killed while its command works, and a server that is killed, lose
// no message, and no message is answered twice.
func TestRunnerIsKilled(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := serve(t, data)
	org, bots := n.team("engineering")
	peer := &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["engineering"].token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "-q"))
	me := &shell{t, t.TempDir()}
	me.b2b(nil, "join", link, "--name", "worker")
	runs, open := filepath.Join(me.home, "runs"), filepath.Join(me.home, "open")
	words := []string{"run", "--lease", "3s", "--", "sh", "-c",
		"echo run >>" + runs + "; while [ ! -e " + open + " ]; do sleep 0.05; done; echo \"re: $B2B_TEXT\""}
	count := func() int {
		text, err := os.ReadFile(runs)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "run")
	}

	first, _ := me.start(words...)
	peer.b2b(env, "send", "worker", "one")
	waittest.Until(t, "the command does not run", func() bool { return count() == 1 })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	me.start(words...)
	waittest.Until(t, "the message was not handed out again", func() bool { return count() == 2 })

	port := n.URL[strings.LastIndex(n.URL, ":")+1:]
	n.kill()
	serve(t, data, "B2B_PORT="+port)
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	peer.b2b(env, "send", "worker", "two")
	waittest.Until(t, "the messages were not answered", func() bool { return len(peer.said(env, "worker")) >= 2 })
	if said := peer.said(env, "worker"); len(said) != 2 || !strings.Contains(said[0], `"content":"re: one"`) || !strings.Contains(said[1], `"content":"re: two"`) {
		t.Errorf("the answers are %s", said)
	}
	if left := me.b2b(nil, "inbox", "--json"); left != "" {
		t.Errorf("deliveries are not settled: %s", left)
	}
}
