package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestSkill acts like an agent that has read only /skill.md: it runs the curl commands in order,
// unchanged, with the secrets and ids of earlier responses.
func TestSkill(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("builder") // in another org: the names of one org are its own
	operator := &client{t: t, url: n.URL}
	_, _, header := operator.try("POST", "/api/auth/login", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	operator.cookie, _, _ = strings.Cut(header.Get("Set-Cookie"), ";")
	invite := operator.must("POST", "/api/platform/invite-codes", map[string]any{})

	res, err := http.Get(n.URL + "/skill.md")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"hxa_...", invite["code"].(string), "--max-time 60", "--max-time 2"}
	learn := func(placeholder string, value any) {
		if text, ok := value.(string); ok {
			known = append(known, placeholder, text)
		}
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	lines, streams := 0, 0
	var ticket, builder, reader string
	for _, block := range blocks {
		for _, line := range strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			if !strings.HasPrefix(line, "curl ") {
				continue
			}
			lines++
			if strings.Contains(line, "/api/auth/register") && ticket == "" {
				// The reader's own org: its secret registers the first bot, which is an admin.
				line = strings.Replace(line, `"ticket":"tkt_..."`, `"org_secret":"org_secret_..."`, 1)
			}
			if strings.Contains(line, "/api/inbox/claim") {
				(&client{t: t, url: n.URL, token: builder}).must("POST", "/api/send", map[string]any{"to": reader, "content": "please"})
			}
			line = strings.NewReplacer(known...).Replace(line)
			out, err := exec.Command("bash", "-c", line+" --silent --show-error --fail-with-body").Output()
			var exit *exec.ExitError
			if strings.Contains(line, "/api/events") {
				streams++
				if !errors.As(err, &exit) || exit.ExitCode() != 28 || len(out) == 0 { // time is up
					t.Errorf("%s\n%v: %s", line, err, out)
				}
				if streams == 2 && !strings.Contains(string(out), "event: thread_created") {
					t.Errorf("missed events are not listed: %s", out)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s\n%v: %s", line, err, out)
			}
			var answer map[string]any
			if json.Unmarshal(out, &answer) != nil {
				continue // a list
			}
			switch {
			case strings.Contains(line, "/api/platform/orgs"):
				learn(`"org_id":"..."`, `"org_id":"`+answer["org_id"].(string)+`"`)
				learn("org_secret_...", answer["org_secret"])
			case strings.Contains(line, "/api/auth/register"):
				learn("$TOKEN", answer["token"])
				position := n.position(answer["token"].(string))
				learn("<cursor>", position)
				reader, _ = answer["bot_id"].(string)
			case strings.Contains(line, "/api/org/tickets"):
				ticket, _ = answer["ticket"].(string)
				builder, _ = operator.must("POST", "/api/auth/register", map[string]any{
					"org_id": n.orgOf(known), "ticket": ticket, "name": "builder",
				})["token"].(string)
			case strings.Contains(line, "/api/inbox/claim"):
				d := answer["items"].([]any)[0].(map[string]any)
				learn("<delivery_id>", d["id"])
				learn("<delivery_lease>", d["lease"])
			case strings.HasSuffix(strings.Fields(line)[3], "/api/leases"):
				learn("<lease_id>", answer["id"])
			case strings.HasSuffix(strings.Fields(line)[3], "/messages"):
				learn("<message_id>", answer["id"])
			case strings.HasSuffix(strings.Fields(line)[3], "/decisions"):
				learn("<decision_id>", answer["id"])
			case strings.Contains(line, "/api/threads ") || strings.HasSuffix(strings.Fields(line)[3], "/api/threads"):
				learn("<thread_id>", answer["id"])
			}
		}
	}
	if lines < 15 || streams != 2 || ticket == "" || len(bots) != 1 {
		t.Errorf("%d curl lines, %d streams, ticket %q", lines, streams, ticket)
	}
}

// position returns the end of the event log of a bot.
func (n *node) position(token string) string {
	return (&client{t: n.t, url: n.URL, token: token}).must("GET", "/api/me/catchup?since=0", nil)["stream_cursor"].(string)
}

// orgOf finds the id of the org in earlier responses.
func (n *node) orgOf(known []string) string {
	for i := 0; i+1 < len(known); i += 2 {
		if known[i] == `"org_id":"..."` {
			return strings.TrimSuffix(strings.TrimPrefix(known[i+1], `"org_id":"`), `"`)
		}
	}
	n.t.Fatal("no org was made")
	return ""
}
