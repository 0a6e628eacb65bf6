package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// started is how a program starts the server, as its configuration has it.
type started struct {
	Command     any               `json:"command" toml:"command"`
	Args        []string          `json:"args" toml:"args"`
	Env         map[string]string `json:"env" toml:"env"`
	Environment map[string]string `json:"environment" toml:"environment"`
}

// words returns the command and the arguments.
func (s *started) words(t *testing.T) (words []string) {
	t.Helper()
	switch command := s.Command.(type) {
	case string:
		words = []string{command}
	case []any:
		for _, word := range command {
			words = append(words, word.(string))
		}
	default:
		t.Fatalf("the entry %+v has no command", s)
	}
	return append(words, s.Args...)
}

// TestSetup: what b2b setup writes starts a server of the agent, also from a program that hands down
// nothing but HOME and PATH; b2b leave takes it out again.
func TestSetup(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	org, _ := n.team("engineering")
	me := &shell{t, t.TempDir()}
	files := map[string]string{
		"claude-code": ".claude.json", "codex": ".codex/config.toml", "cursor": ".cursor/mcp.json", "gemini": ".gemini/settings.json",
		"opencode": ".config/opencode/opencode.json", "vscode": ".config/Code/User/mcp.json", "zed": ".config/zed/settings.json",
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	me.b2b([]string{"B2B_ORG_SECRET=" + org["org_secret"].(string)}, "join", n.URL, "--org", org["id"].(string), "--name",
		"reviewer",
		"--for", strings.Join(names, ","), "--yes")
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(me.home, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "bot_") {
				t.Errorf("the configuration has a token:\n%s", text)
			}
			var config map[string]map[string]*started
			if filepath.Ext(file) == ".toml" {
				err = toml.Unmarshal(text, &config)
			} else {
				err = json.Unmarshal(text, &config)
			}
			if err != nil || len(config) != 1 {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, servers := range config {
				whoAmI(t, me.home, servers["b2b"])
			}
		})
	}
	me.b2b(nil, "leave", "--delete", "--yes")
	for name, file := range files {
		if text, err := os.ReadFile(filepath.Join(me.home, file)); !os.IsNotExist(err) {
			t.Errorf("%s: the file that was made is still there: %v\n%s", name, err, text)
		}
	}
}

// whoAmI starts the server as the program does, and asks who the agent is.
func whoAmI(t *testing.T, home string, s *started) {
	t.Helper()
	words := s.words(t)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, env := range []map[string]string{s.Env, s.Environment} {
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&sdk.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "agents", Arguments: map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(res)
	if err != nil || res.IsError || !strings.Contains(string(text), "reviewer") || !strings.Contains(string(text), "engineering") {
		t.Errorf("who is there: %s, %v", text, err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}
