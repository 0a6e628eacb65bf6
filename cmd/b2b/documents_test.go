package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeSteps runs the manual steps of the README against the built server, unchanged: values
// of a response replace the dots in the following commands.
func TestReadmeSteps(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, steps, _ := strings.Cut(string(text), "\n## Five steps by hand\n")
	steps, _, _ = strings.Cut(steps, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(steps, -1)
	if len(blocks) != 5 {
		t.Fatalf("the README has %d steps, not 5", len(blocks))
	}
	n := serve(t, t.TempDir(), "B2B_ADMIN_SECRET=my-admin-secret")
	folder := t.TempDir()
	run := func(line string, known ...string) map[string]any {
		t.Helper()
		line = strings.NewReplacer(append(known, "http://localhost:4800", n.URL, "curl -N", "curl -N --max-time 1")...).Replace(line)
		cmd := exec.Command("bash", "-c", strings.Replace(line, "curl", "curl --silent --show-error --fail-with-body", 1))
		cmd.Dir = folder
		out, err := cmd.Output()
		if strings.Contains(line, "--max-time") {
			if !strings.Contains(string(out), "id: ") { // curl ends it with an error
				t.Errorf("%s\n%v: no event stream: %s", line, err, out)
			}
			return nil
		}
		var answer map[string]any
		if err != nil || json.Unmarshal(out, &answer) != nil {
			t.Fatalf("%s\n%v: %s", line, err, out)
		}
		return answer
	}
	// lines are the commands of a step; a backslash continues a command on the next line.
	lines := func(step int) []string {
		return strings.Split(strings.TrimSpace(strings.ReplaceAll(blocks[step-1][1], "\\\n", " ")), "\n")
	}
	run(lines(2)[0])
	org := run(lines(2)[1])
	secrets := []string{`"org_id": "…"`, `"org_id": "` + org["id"].(string) + `"`, `"org_secret": "…"`, `"org_secret": "` + org["org_secret"].(string) + `"`}
	run(strings.ReplaceAll(lines(3)[0], "my-agent", "other-bot"), secrets...)
	bot := run(lines(3)[0], secrets...)
	token := []string{"$B2B_TOKEN", bot["token"].(string)}
	for _, line := range lines(4) {
		run(line, token...)
	}
	thread := run(lines(5)[0], token...)
	artifact := run(lines(5)[1], append(token, "/threads/…/", "/threads/"+thread["id"].(string)+"/")...)
	if artifact["artifact_key"] != "report" || artifact["version"] != float64(1) {
		t.Errorf("the last step made %v", artifact)
	}
}
