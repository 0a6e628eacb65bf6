package cli

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
)

// envA2AToken has the token for an agent elsewhere.
const envA2AToken = "B2B_A2A_TOKEN"

// remote has the flags of an agent elsewhere.
type remote struct {
	url, tokenFile string
	hosts          []string
}

// check checks the flags of run with --a2a.
func (m *remote) check(o *running, args []string) error {
	switch {
	case len(args) > 0 || o.template != "":
		return usageError("with --a2a there is no command and no --template: the agent does the work")
	case o.input != "" && o.input != string(runner.InputText) && o.input != string(runner.InputPrompt):
		return usageError("--input %q is not text or prompt, which is what can be sent with --a2a", o.input)
	}
	return nil
}

// executor returns what hands items to the agent.
func (m *remote) executor(r *run, o *running, c *runner.Config, folder string) (runner.Executor, error) {
	token := strings.TrimSpace(r.app.Getenv(envA2AToken))
	if m.tokenFile != "" {
		var err error
		if token, err = profile.ReadToken(m.tokenFile); err != nil {
			return nil, err
		}
	}
	agent, err := a2apeer.Open(r.ctx, a2apeer.Options{
		URL: m.url, Token: token, Hosts: m.hosts, Transport: r.app.Transport, Version: r.app.Version,
	})
	if err != nil {
		return nil, cardError(err)
	}
	tasks, err := a2apeer.OpenTasks(filepath.Join(folder, "tasks.json"), r.app.Now)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(agent.Endpoint.URL); err == nil {
		c.Log.Info("the agent is elsewhere", "name", agent.Card.Profile().Name, "host", u.Host, "binding", agent.Endpoint.ProtocolBinding,
			"version", agent.Endpoint.ProtocolVersion)
		if u.Scheme == "http" && !a2apeer.Loopback(u.Hostname()) {
			c.Log.Warn("the agent is called over plain http: others can read and change what is sent", "host", u.Host)
		}
	}
	return &a2apeer.Peer{
		Agent: agent, Client: c.Client, Bot: c.Bot, Tasks: tasks, Prompt: o.input == string(runner.InputPrompt), MostTime: o.maxTime,
	}, nil
}

// cardError is the error of an agent whose card cannot be used.
func cardError(err error) error {
	f := &Failure{Exit: ExitUsage, Code: "A2A_CARD", Message: err.Error()}
	if errors.Is(err, a2apeer.ErrUnreachable) {
		f.Exit, f.Code, f.Hint = ExitUnreachable, "A2A_UNREACHABLE", "Is the agent running, and is its address right?"
	}
	return f
}
