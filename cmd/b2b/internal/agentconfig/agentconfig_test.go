package agentconfig_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
)

var reviewer = agentconfig.Server{Command: "/usr/local/bin/b2b", Profile: "reviewer"}

// machine returns the environment of a home of its own.
func machine(t *testing.T) func(string) string {
	home := t.TempDir()
	return func(name string) string { return map[string]string{"HOME": home, "AppData": home}[name] }
}

func program(t *testing.T, name string) agentconfig.Program {
	t.Helper()
	p, ok := agentconfig.Find(name)
	if !ok {
		t.Fatalf("%s is unknown", name)
	}
	return p
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// commandOf returns the command of the entry in a file.
func commandOf(t *testing.T, path, text string) string {
	t.Helper()
	var config map[string]map[string]any
	if filepath.Ext(path) == ".toml" {
		_, err := toml.Decode(text, &config)
		must(t, err)
	} else {
		standard, err := hujson.Standardize([]byte(text))
		must(t, err)
		var loose map[string]any
		must(t, json.Unmarshal(standard, &loose))
		config = map[string]map[string]any{}
		for key, value := range loose {
			if object, ok := value.(map[string]any); ok {
				config[key] = object
			}
		}
	}
	for _, within := range []string{"mcpServers", "mcp_servers", "mcp", "servers", "context_servers"} {
		if entry, ok := config[within]["b2b"].(map[string]any); ok {
			switch command := entry["command"].(type) {
			case string:
				return command
			case []any:
				return command[0].(string)
			}
		}
	}
	return ""
}

// TestAddAndUndo: each program gets an entry that it can read, and loses it again, from files of many
// forms, which then are what they were.
func TestAddAndUndo(t *testing.T) {
	t.Parallel()
	jsons := map[string]string{
		"none": "", "empty": "{}\n", "plain": "{\n  \"theme\": \"dark\"\n}\n",
		"tabs":           "{\n\t\"theme\": \"dark\",\n\t\"list\": [1, 2]\n}\n",
		"comments":       "// mine\n{\n    // the theme\n    \"theme\": \"dark\" // for the night\n    /* the end */\n}\n",
		"trailing comma": "{\n  \"theme\": \"dark\", // for the night\n}\n",
		"one line":       `{"theme":"dark"}`,
		"other servers":  "{\n  \"WITHIN\": {\n    \"other\": { \"command\": \"x\", \"env\": {} }\n  },\n  \"theme\": \"dark\"\n}\n",
		"servers last":   "{\n  \"theme\": \"dark\",\n  \"WITHIN\": {\n    \"other\": { \"command\": \"x\" }, // kept\n  },\n}\n",
	}
	tomls := map[string]string{
		"none": "", "plain": "model = \"x\"\n", "no end": "model = \"x\"",
		"tables": "# mine\nmodel = \"x\"\n\n[mcp_servers.other]\ncommand = \"x\"\n\n[tui]\ntheme = \"dark\" # kept\n",
	}
	within := map[string]string{"claude-code": "mcpServers", "cursor": "mcpServers", "gemini": "mcpServers", "opencode": "mcp",
		"vscode": "servers", "zed": "context_servers"}
	for _, p := range agentconfig.Programs() {
		files := jsons
		if p.Name == "codex" {
			files = tomls
		}
		for name, text := range files {
			t.Run(p.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				getenv := machine(t)
				path := p.Path(getenv)
				text := strings.ReplaceAll(text, "WITHIN", within[p.Name])
				if name != "none" {
					write(t, path, text, 0o644)
				}
				add, err := p.Add(getenv, reviewer)
				must(t, err)
				must(t, add.Apply())
				got, err := os.ReadFile(path)
				must(t, err)
				if commandOf(t, path, string(got)) != reviewer.Command {
					t.Fatalf("the entry cannot be read:\n%s", got)
				}
				again, err := p.Add(getenv, reviewer)
				if err != nil || again.After != string(got) {
					t.Errorf("added again: %v\n%s", err, again.Diff())
				}
				if c, err := p.Undo(getenv, "other", false); err != nil || c != nil {
					t.Errorf("undone for another profile: %+v, %v", c, err)
				}
				undo, err := p.Undo(getenv, "reviewer", name == "none")
				must(t, err)
				must(t, undo.Apply())
				got, err = os.ReadFile(path)
				if name == "none" {
					if !os.IsNotExist(err) {
						t.Errorf("a file that was made is still there: %v\n%s", err, got)
					}
					return
				}
				must(t, err)
				if string(got) != text && string(got) != text+"\n" && strings.Join(strings.Fields(string(got)),
					"") != strings.Join(strings.Fields(text), "") {
					t.Errorf("after undo:\n%s\nwant\n%s", got, text)
				}
				if name != "one line" && name != "no end" && string(got) != text {
					t.Errorf("after undo the white space is another one:\n%q\n%q", got, text)
				}
			})
		}
	}
}

// TestForms shows what is written.
func TestForms(t *testing.T) {
	t.Parallel()
	getenv := machine(t)
	gemini := program(t, "gemini")
	write(t, gemini.Path(getenv), "{\n    \"theme\": \"dark\" // for the night\n}\n", 0o644)
	c, err := gemini.Add(getenv, reviewer)
	must(t, err)
	want := `{
    "theme": "dark", // for the night
    "mcpServers": {
        "b2b": {
            "command": "/usr/local/bin/b2b",
            "args": [
                "mcp"
            ],
            "env": {
                "B2B_PROFILE": "reviewer"
            },
            "timeout": 600000
        }
    }
}
`
	if c.After != want {
		t.Errorf("got\n%s\nwant\n%s", c.After, want)
	}
	codex, err := program(t, "codex").Add(getenv, agentconfig.Server{Command: `C:\b2b "x".exe`, Profile: "reviewer",
		ConfigHome: "/c"})
	must(t, err)
	want = `[mcp_servers.b2b]
command = "C:\\b2b \"x\".exe"
args = ["mcp"]
env = { B2B_PROFILE = "reviewer", XDG_CONFIG_HOME = "/c" }
tool_timeout_sec = 300
`
	if codex.After != want {
		t.Errorf("got\n%s\nwant\n%s", codex.After, want)
	}
}

// TestRefused: what cannot be read is not changed.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{
		"gemini": {"{", "[]", `{"mcpServers": []}`, "nonsense"},
		"codex":  {"= 1", "mcp_servers = { other = { command = \"x\" } }\n", "[mcp_servers]\nb2b = { command = \"x\" }\n"},
	} {
		for _, text := range texts {
			getenv := machine(t)
			p := program(t, name)
			write(t, p.Path(getenv), text, 0o644)
			if c, err := p.Add(getenv, reviewer); err == nil || !strings.Contains(err.Error(), p.Path(getenv)) {
				t.Errorf("%s: %q: %+v, %v", name, text, c, err)
			}
		}
	}
}

// TestModes: a file keeps its mode, a link stays a link, and a file that changed meanwhile is not written.
func TestModes(t *testing.T) {
	t.Parallel()
	getenv := machine(t)
	p := program(t, "cursor")
	path := p.Path(getenv)
	target := filepath.Join(getenv("HOME"), "dotfiles", "mcp.json")
	write(t, target, "{}\n", 0o640)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.Symlink(target, path))
	c, err := p.Add(getenv, reviewer)
	must(t, err)
	must(t, c.Apply())
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
	if info, err = os.Stat(target); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode: %v, %v", info, err)
	}
	stale, err := p.Undo(getenv, "reviewer", false)
	must(t, err)
	write(t, target, `{"mine": 1}`, 0o640)
	if err := stale.Apply(); err == nil || !strings.Contains(err.Error(), "meanwhile") {
		t.Errorf("a file that has changed: %v", err)
	}
	if !p.Installed(getenv) || program(t, "zed").Installed(getenv) {
		t.Error("Cursor has a folder here, Zed has none")
	}
}

// FuzzJSON: what is added can be read, and what is undone is what it was, but for white space.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a": [1, /* x */ 2,], "mcpServers": {"x": {}, /* y */}, // z
	}`)
	f.Fuzz(func(t *testing.T, text string) {
		getenv := machine(t)
		p := program(t, "cursor")
		write(t, p.Path(getenv), text, 0o600)
		before, err := p.Undo(getenv, "reviewer", false)
		if err != nil || before != nil || strings.Contains(text, "b2b") {
			return
		}
		c, err := p.Add(getenv, reviewer)
		if err != nil {
			return
		}
		must(t, c.Apply())
		if _, err := hujson.Parse([]byte(c.After)); err != nil {
			t.Fatalf("%q became %q: %v", text, c.After, err)
		}
		undo, err := p.Undo(getenv, "reviewer", false)
		if err != nil || undo == nil {
			t.Fatalf("%q: the entry is not found: %v", c.After, err)
		}
		again, err := hujson.Minimize([]byte(undo.After))
		if err != nil {
			t.Fatalf("%q became %q: %v", text, undo.After, err)
		}
		if strings.TrimSpace(text) == "" {
			text = "{}"
		}
		was, err := hujson.Minimize([]byte(text))
		if err != nil || string(again) != string(was) && string(was) != strings.Replace(string(again), "}", `,"mcpServers":{}}`,
			1) && !strings.Contains(string(was), `"mcpServers":{}`) {
			t.Fatalf("%s became %s: %v", was, again, err)
		}
	})
}
