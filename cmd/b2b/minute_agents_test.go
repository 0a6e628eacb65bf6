package main

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMinuteByMCP: from an invitation link to an agent that found a peer, read its message and answered
// it, by a client of MCP. -v prints how long each step took.
func TestMinuteByMCP(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, bots := n.team("engineering")
	peer, me := &shell{t, t.TempDir()}, &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["engineering"].token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "-q"))

	begun := time.Now()
	me.b2b(nil, "join", link, "--name", "reviewer")
	cmd := exec.Command(build(t), "mcp")
	cmd.Env = []string{"HOME=" + me.home, "PATH=" + os.Getenv("PATH")}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &sdk.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	step := func(tool string, arguments map[string]any, out any) {
		t.Helper()
		useTool(t, session, tool, arguments, out)
		t.Logf("%4d ms  %s %v", time.Since(begun).Milliseconds(), tool, arguments)
	}
	step("agents", nil, nil)
	peer.b2b(env, "send", "reviewer", "Can you look at my patch?")
	var w itemOf
	if step("wait", nil, &w); w.Item.Message.Text != "Can you look at my patch?" {
		t.Fatalf("reviewer got %+v", w)
	}
	step("send", map[string]any{"to": "engineering", "text": "Yes.", "delivery": w.Item.Delivery}, nil)
	t.Logf("%v from the link to the answer", time.Since(begun).Round(time.Millisecond))
	if answer := peer.b2b(env, "read", "reviewer", "--json"); !strings.Contains(answer, `"content":"Yes."`) {
		t.Errorf("the answer did not arrive: %s", answer)
	}
}

// bearer sends a token with each request.
type bearer string

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// TestMinuteByA2A: from an invitation link to an agent that is given a task by a client of A2A, and
// answers. -v prints how long each step took.
func TestMinuteByA2A(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, bots := n.team("engineering", "outsider")
	peer, me := &shell{t, t.TempDir()}, &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["engineering"].token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)), "invite", "-q"))

	begun := time.Now()
	me.b2b(nil, "join", link, "--name", "echo")
	id := strings.Trim(strings.TrimSpace(me.b2b(nil, "whoami", "--json")), "{}")
	_, id, _ = strings.Cut(id, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	me.b2b(nil, "profile", "set", "--a2a")
	me.start("run", "--input", "text", "--", "cat")
	token := bots["outsider"].must("POST", "/api/me/tokens", map[string]any{"scopes": []string{"a2a"}})["token"].(string)
	outside := &http.Client{Transport: bearer(token)}
	card, err := agentcard.NewResolver(outside).Resolve(t.Context(), n.URL+"/a2a/"+id)
	if err != nil {
		t.Fatal(err)
	}
	client, err := a2aclient.NewFromCard(t.Context(), card, a2aclient.WithJSONRPCTransport(outside))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%4d ms  the card of %s", time.Since(begun).Milliseconds(), card.Name)
	res, err := client.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Are you there?"))})
	if err != nil {
		t.Fatal(err)
	}
	task, ok := res.(*a2a.Task)
	if !ok || task.Status.Message == nil || !strings.Contains(task.Status.Message.Parts[0].Text(), "Are you there?") {
		t.Fatalf("the result is %+v", res)
	}
	t.Logf("%v from the link to the answer", time.Since(begun).Round(time.Millisecond))
}
