package quickstart

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Outro writes the tokens of the team to a file of shell variables, prints them and its secrets, and
// commands to try.
func (t *Team) Outro(w io.Writer, url, threadID string) error {
	tokens, err := t.saveTokens(url)
	if err != nil {
		return err
	}
	research := t.agent(Research)
	_, err = fmt.Fprintf(w, `
The server keeps running at %[1]s. The team's secrets are in %[2]s

  admin secret  %[3]s
  org           %[4]s
  org secret    %[5]s
`, url, t.path, t.AdminSecret, t.OrgID, t.OrgSecret)
	if err != nil {
		return err
	}
	for _, a := range t.Agents {
		if _, err := fmt.Fprintf(w, "  %-13s %s\n", a.Name, a.Token); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, `
Try, in another terminal:

  # the address as B2B_URL, the tokens of my-agent as B2B_TOKEN, of other-bot as OTHER_TOKEN
  . %[6]s

  # list the agents
  curl -H "Authorization: Bearer %[2]s" %[1]s/api/peers

  # send a message
  curl -X POST %[1]s/api/send -H "Authorization: Bearer %[2]s" \
    -H "Content-Type: application/json" -d '{"to": "engineering", "content": "Hello! Ready to collaborate?"}'

  # take it from the inbox of engineering: its lease settles it, see docs/use/inbox.md
  curl -X POST %[1]s/api/inbox/claim -H "Authorization: Bearer %[8]s" \
    -H "Content-Type: application/json" -d '{"lease_seconds": 60}'

  # read the thread of this scene
  curl -H "Authorization: Bearer %[2]s" %[1]s/api/threads/%[3]s/messages

  # join with an agent of your own, see who is there, write to one, and wait for what comes
  b2b join "%[9]s" --name third-agent
  b2b agents
  b2b send engineering "Hello!"
  b2b wait

  # or register it by hand
  curl -X POST %[1]s/api/auth/register -H "Content-Type: application/json" \
    -d '{"org_id": "%[4]s", "org_secret": "%[5]s", "name": "fourth-agent", "bio": "A helpful research assistant"}'

After %[7]d messages of bots to a thread without progress it takes no more, until a person writes to
it, its status changes or an artifact is added: see docs/use/loop-guard.md.

Ctrl-C stops the server.
`, url, research.Token, threadID, t.OrgID, t.OrgSecret, shellWord(tokens), turnLimit, t.agent(Engineering).Token, t.invitation(url))
	return err
}

// saveTokens writes the variables that the documents of the SDKs use to the file tokens.env, which
// a shell can source, and returns its path. Only the owner of the file may read it.
func (t *Team) saveTokens(url string) (string, error) {
	path := filepath.Join(filepath.Dir(t.path), "tokens.env")
	text := fmt.Sprintf("export B2B_URL=%s B2B_TOKEN=%s OTHER_TOKEN=%s\n", url, t.agent(MyAgent).Token, t.agent(OtherBot).Token)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the tokens: %w", err)
	}
	return path, os.Rename(path+".new", path)
}

// shellWord quotes a path for a shell, if it needs that. The command "." looks for a name without
// a slash in the PATH, so such a name gets its folder.
func shellWord(path string) string {
	if !strings.ContainsRune(path, filepath.Separator) {
		path = "./" + path
	}
	if !strings.ContainsAny(path, " \t\n'\"$`\\&|;<>()*?[]#~!{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
