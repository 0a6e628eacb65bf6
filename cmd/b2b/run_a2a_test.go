package main

import (
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer/a2atest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestA2ARunnerIsKilled: a runner that is killed while an agent elsewhere works, and started again, goes
// on with its task: the agent works once, and the message is answered once.
func TestA2ARunnerIsKilled(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, bots := n.team("engineering")
	peer, me := &shell{t, t.TempDir()}, &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["engineering"].token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "-q"))
	agent := a2atest.Start(t, a2atest.Options{})
	me.b2b(nil, "join", link, "--from-card", agent.URL)
	words := []string{"run", "--lease", "3s", "--a2a", agent.URL}

	const name = "weather-agent-eu"
	first, logs := me.start(words...)
	peer.b2b(env, "send", name, "slow work")
	waittest.Until(t, "the agent does not work", func() bool { return strings.Contains(logs.String(), "the agent works") })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, logs = me.start(words...)
	waittest.Until(t, "the task does not go on", func() bool { return strings.Contains(logs.String(), "the task goes on") })
	agent.Open()
	waittest.Until(t, "the message was not answered", func() bool { return len(peer.said(env, name)) > 0 })
	peer.b2b(env, "send", name, "more")
	waittest.Until(t, "the next message was not answered", func() bool { return len(peer.said(env, name)) > 1 })
	said := peer.said(env, name)
	if len(said) != 2 || !strings.Contains(said[0], `"content":"Done: slow work"`) || !strings.Contains(said[1], `"content":"Done: more"`) {
		t.Errorf("the answers are %s", said)
	}
	if sent := agent.Messages(); len(sent) != 2 {
		t.Errorf("the agent got %d messages", len(sent))
	}
	if left := me.b2b(nil, "inbox", "--json"); left != "" {
		t.Errorf("deliveries are not settled: %s", left)
	}
}
