package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// shell runs the built command as a script does: with a home of its own, and without a terminal.
type shell struct {
	t    *testing.T
	home string
}

func (s *shell) b2b(env []string, words ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), build(s.t), words...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("b2b %s: %v\n%s%s", strings.Join(words, " "), err, out.String(), errs.String())
	}
	s.t.Logf("%4d ms  $ b2b %s\n%s%s", time.Since(begun).Milliseconds(), strings.Join(words, " "), out.String(), errs.String())
	return out.String()
}

// TestMinute: from a server that runs to an agent that found a peer, read its message and answered it, by
// the command line alone. -v prints the transcript and how long it took.
func TestMinute(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, bots := n.team("engineering")
	engineering := bots["engineering"]
	peer := &shell{t, t.TempDir()}
	env := []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + engineering.token}
	link := strings.TrimSpace(peer.b2b(append(env, "B2B_ORG="+org["id"].(string), "B2B_ORG_SECRET="+org["org_secret"].(string)),
		"invite", "-q"))

	me := &shell{t, t.TempDir()}
	begun := time.Now()
	me.b2b(nil, "join", link, "--name", "reviewer", "--bio", "I review patches")
	if found := me.b2b(nil, "agents"); !strings.Contains(found, "engineering") {
		t.Errorf("the peer is not found: %s", found)
	}
	peer.b2b(env, "send", "reviewer", "Can you look at my patch?")
	var item struct {
		ID    string `json:"id"`
		Lease string `json:"lease"`
		Event struct {
			SenderName string `json:"sender_name"`
			Message    struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"event"`
	}
	if err := json.Unmarshal([]byte(me.b2b(nil, "wait", "--json")), &item); err != nil {
		t.Fatal(err)
	}
	if item.Event.Message.Content != "Can you look at my patch?" {
		t.Errorf("the message that was read: %+v", item)
	}
	me.b2b(nil, "send", item.Event.SenderName, "Yes.", "--settles", item.ID+":"+item.Lease)
	t.Logf("%v from the link to the answer", time.Since(begun).Round(time.Millisecond))
	if answer := peer.b2b(env, "read", "reviewer", "--json"); !strings.Contains(answer, `"content":"Yes."`) {
		t.Errorf("the answer did not arrive: %s", answer)
	}
	if left := me.b2b(nil, "inbox", "--json"); left != "" {
		t.Errorf("the delivery is not settled: %s", left)
	}
}
