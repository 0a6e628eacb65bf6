package agentconfig_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tailscale/hujson"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
)

// commandsIn returns the commands of all hooks of a file, by their events.
func commandsIn(t *testing.T, text string) map[string][]string {
	t.Helper()
	standard, err := hujson.Standardize([]byte(text))
	must(t, err)
	var file struct {
		Hooks map[string][]struct {
			Command string
			Hooks   []struct{ Type, Command string }
		}
	}
	must(t, json.Unmarshal(standard, &file))
	out := map[string][]string{}
	for event, list := range file.Hooks {
		for _, element := range list {
			if element.Command != "" {
				out[event] = append(out[event], element.Command)
			}
			for _, h := range element.Hooks {
				if h.Type != "command" {
					t.Errorf("the type of a hook is %q", h.Type)
				}
				out[event] = append(out[event], h.Command)
			}
		}
	}
	return out
}

// Hooks come and go, in files that have others, and the others stay as they are.
func TestHooks(t *testing.T) {
	t.Parallel()
	events := map[string][]string{
		"claude-code": {"SessionStart", "Stop", "Stop", "UserPromptSubmit"}, "codex": {"SessionStart", "Stop"},
		"gemini": {"AfterAgent", "SessionStart"}, "cursor": {"sessionStart", "stop"},
	}
	for name, want := range events {
		for form, before := range map[string]string{
			"no file": "", "empty": "{}", "others": "{\n  // mine\n  \"theme\": \"dark\"\n}\n",
			"hooks of others": `{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say done"}]}], "stop": [{"command": "say done"}]}, "version": 1}`,
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				getenv, p := machine(t), program(t, name)
				path := p.HooksPath(getenv)
				if before != "" {
					write(t, path, before, 0o644)
				}
				c, err := p.AddHooks(getenv, reviewer)
				must(t, err)
				must(t, c.Apply())
				var got []string
				for event, lines := range commandsIn(t, c.After) {
					for _, line := range lines {
						if strings.HasPrefix(line, "/usr/local/bin/b2b hook ") && strings.HasSuffix(line, " --profile reviewer") {
							got = append(got, event)
						}
					}
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("the events are %v, want %v, in\n%s", got, want, c.After)
				}
				again, err := p.AddHooks(getenv, agentconfig.Server{Command: "/opt/b 2/b2b", Profile: "other", ConfigHome: "/x"})
				must(t, err)
				if strings.Contains(again.After, "reviewer") || !strings.Contains(again.After, `env XDG_CONFIG_HOME=/x '/opt/b 2/b2b' hook `) {
					t.Errorf("the hooks of another profile:\n%s", again.After)
				}
				if none, err := p.UndoHooks(getenv, "other", false); err != nil || none != nil {
					t.Errorf("the hooks of another profile are taken out: %v, %v", none, err)
				}
				undo, err := p.UndoHooks(getenv, "reviewer", before == "")
				must(t, err)
				must(t, undo.Apply())
				if before == "" {
					if _, err := os.Stat(path); !os.IsNotExist(err) {
						t.Errorf("the file is still there: %v", err)
					}
					return
				}
				if strings.Contains(undo.After, "b2b") || !strings.Contains(before, "mine") != !strings.Contains(undo.After, "// mine") ||
					len(commandsIn(t, before)["Stop"]) != len(commandsIn(t, undo.After)["Stop"]) {
					t.Errorf("afterwards it is\n%s\nand was\n%s", undo.After, before)
				}
			})
		}
	}
}

// OpenCode has a plugin of its own, which is replaced and removed as a whole.
func TestPlugin(t *testing.T) {
	t.Parallel()
	getenv, p := machine(t), program(t, "opencode")
	path := p.HooksPath(getenv)
	for _, s := range []agentconfig.Server{reviewer, {Command: "/opt/b 2/b2b", Profile: "other", ConfigHome: "/x"}} {
		c, err := p.AddHooks(getenv, s)
		must(t, err)
		must(t, c.Apply())
		if strings.Contains(c.After, "{{") || !strings.Contains(c.After, `const profile = "`+s.Profile+`"`) {
			t.Errorf("the plugin is\n%s", c.After)
		}
	}
	if none, err := p.UndoHooks(getenv, "reviewer", true); err != nil || none != nil {
		t.Errorf("the plugin of another profile is removed: %v, %v", none, err)
	}
	undo, err := p.UndoHooks(getenv, "other", true)
	must(t, err)
	must(t, undo.Apply())
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the plugin is still there: %v", err)
	}
	write(t, path, "export const Mine = 1", 0o600)
	if _, err := p.AddHooks(getenv, reviewer); err == nil || !strings.Contains(err.Error(), "not changed") {
		t.Errorf("a plugin of somebody else is replaced: %v", err)
	}
}

func TestHooksRefused(t *testing.T) {
	t.Parallel()
	for form, text := range map[string]string{"no JSON": "hooks:", "an array": "[]", "hooks that are none": `{"hooks": []}`, "an event that is none": `{"hooks": {"Stop": {}}}`} {
		getenv, p := machine(t), program(t, "codex")
		write(t, p.HooksPath(getenv), text, 0o600)
		if _, err := p.AddHooks(getenv, reviewer); err == nil || !strings.Contains(err.Error(), "not changed") {
			t.Errorf("%s: %v", form, err)
		}
	}
	for _, name := range []string{"vscode", "zed"} {
		if program(t, name).HasHooks() {
			t.Errorf("%s has hooks", name)
		}
	}
}

// A file with the usual indentation keeps it, when hooks come and when they go.
func TestHooksAreIndented(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"{\n  \"theme\": \"dark\"\n}\n", "{\n\t\"theme\": \"dark\"\n}", "{\n    \"theme\": \"dark\"\n}"} {
		getenv, p := machine(t), program(t, "gemini")
		path := p.HooksPath(getenv)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(before), 0o600))
		c, err := p.AddHooks(getenv, agentconfig.Server{Command: "b2b", Profile: "reviewer"})
		must(t, err)
		unit := before[2:strings.Index(before, `"`)]
		if want := "\n" + unit + "\"hooks\": {\n" + unit + unit + "\"SessionStart\": [\n"; !strings.Contains(c.After, want) {
			t.Errorf("no %q in\n%s", want, c.After)
		}
		must(t, os.WriteFile(path, []byte(c.After), 0o600))
		c, err = p.UndoHooks(getenv, "reviewer", false)
		must(t, err)
		if c.After != before {
			t.Errorf("afterwards %q, before %q", c.After, before)
		}
	}
}
