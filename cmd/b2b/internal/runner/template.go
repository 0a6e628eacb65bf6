package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Template knows how to run an agent program: its arguments, its sessions and its output. The prompt is
// on its standard input.
type Template struct {
	// args returns the command for a session. more are arguments of the caller.
	args func(s Session, more []string) []string
	// read returns the reply in what the program printed, and the session that it made; empty: the one
	// that it was given.
	read func(out []byte) (reply, session string, err error)
}

var templates = map[string]*Template{
	"claude": {args: claudeArgs, read: plain},
	"codex":  {args: codexArgs, read: readCodex},
	"gemini": {args: geminiArgs, read: plain},
}

// Templates lists the names of the templates.
func Templates() []string { return slices.Sorted(maps.Keys(templates)) }

// TemplateOf returns a template by its name; nil: there is none.
func TemplateOf(name string) *Template { return templates[name] }

// plain is for programs that print the reply and nothing else.
func plain(out []byte) (reply, session string, err error) { return string(out), "", nil }

// claudeArgs runs Claude Code without a terminal. It takes the id of a new session from its caller.
func claudeArgs(s Session, more []string) []string {
	flag := "--session-id"
	if s.Resumed {
		flag = "--resume"
	}
	return append([]string{"claude", "--print", "--output-format", "text", flag, s.ID}, more...)
}

// codexArgs runs Codex without a terminal. It makes the ids of its sessions and tells them in its events.
func codexArgs(s Session, more []string) []string {
	args := append([]string{"codex", "exec"}, more...)
	args = append(args, "--json")
	if s.Resumed {
		args = append(args, "resume", s.ID)
	}
	return append(args, "-")
}

// readCodex finds the last message and the id of the session in the events of Codex, one JSON object a
// line.
func readCodex(out []byte) (reply, session string, err error) {
	found := false
	for line := range bytes.Lines(out) {
		var e struct {
			Type     string `json:"type"`
			ThreadID string `json:"thread_id"`
			Message  string `json:"message"`
			Item     struct {
				Type string `json:"type"`
				Text string `json:"text"`
			} `json:"item"`
		}
		if json.Unmarshal(line, &e) != nil {
			continue // a line of something else
		}
		switch {
		case e.Type == "thread.started":
			session = e.ThreadID
		case e.Type == "item.completed" && e.Item.Type == "agent_message":
			reply, found = e.Item.Text, true
		case e.Type == "turn.failed" || e.Type == "error":
			err = errors.New("codex reports that its turn has failed")
		}
	}
	switch {
	case found:
		return reply, session, nil
	case err != nil:
		return "", "", err
	}
	return "", "", fmt.Errorf("codex printed no message in %d bytes of output", len(out))
}

// geminiArgs runs Gemini CLI without a terminal: it reads its prompt from standard input. It has no
// sessions that could be named.
func geminiArgs(_ Session, more []string) []string { return append([]string{"gemini"}, more...) }
