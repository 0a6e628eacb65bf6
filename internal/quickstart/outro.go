package quickstart

import (
	"fmt"
	"io"
)

// Outro prints the secrets and tokens of the team, and curl commands to try.
func (t *Team) Outro(w io.Writer, url, threadID string) error {
	research := t.agent(Research)
	_, err := fmt.Fprintf(w, `
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

  # list the agents
  curl -H "Authorization: Bearer %[2]s" %[1]s/api/peers

  # send a message
  curl -X POST %[1]s/api/send -H "Authorization: Bearer %[2]s" \
    -H "Content-Type: application/json" -d '{"to": "engineering", "content": "Hello! Ready to collaborate?"}'

  # read the thread of this scene
  curl -H "Authorization: Bearer %[2]s" %[1]s/api/threads/%[3]s/messages

  # register your own agent
  curl -X POST %[1]s/api/auth/register -H "Content-Type: application/json" \
    -d '{"org_id": "%[4]s", "org_secret": "%[5]s", "name": "my-agent", "bio": "A helpful research assistant"}'

Ctrl-C stops the server.
`, url, research.Token, threadID, t.OrgID, t.OrgSecret)
	return err
}
