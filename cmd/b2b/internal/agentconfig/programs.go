package agentconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Program is an agent program whose configuration this package knows.
type Program struct {
	Name  string // as the flag --for has it
	Title string
	// Hint says what a person does after the change.
	Hint string

	path   func(place) string
	within string // the key of the object of MCP servers
	toml   bool
	entry  func(Server) any
	tools  []string // names of its command
}

// Server is how the MCP server of a profile is started.
type Server struct {
	Command string // the file of this program
	Profile string
	// ConfigHome is XDG_CONFIG_HOME, if it is set: some programs hand down no environment.
	ConfigHome string
}

func (s Server) env() map[string]string {
	env := map[string]string{"B2B_PROFILE": s.Profile}
	if s.ConfigHome != "" {
		env["XDG_CONFIG_HOME"] = s.ConfigHome
	}
	return env
}

// place is the environment in which the files are looked up.
type place struct{ getenv func(string) string }

func (p place) home(parts ...string) string {
	home := p.getenv("HOME")
	if home == "" {
		home = p.getenv("USERPROFILE")
	}
	return filepath.Join(append([]string{home}, parts...)...)
}

// config returns a file below the folder for configuration.
func (p place) config(parts ...string) string {
	if base := p.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(base) {
		return filepath.Join(append([]string{base}, parts...)...)
	}
	return p.home(append([]string{".config"}, parts...)...)
}

// application returns a file below the folder of the user's applications.
func (p place) application(parts ...string) string {
	switch runtime.GOOS {
	case "darwin":
		return p.home(append([]string{"Library", "Application Support"}, parts...)...)
	case "windows":
		return filepath.Join(append([]string{p.getenv("AppData")}, parts...)...)
	}
	return p.config(parts...)
}

// stdio is an entry of the most common form.
type stdio struct {
	Type    string            `json:"type,omitempty"`
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
	Timeout int               `json:"timeout,omitempty"` // of a call, in ms
}

type opencode struct {
	Type        string            `json:"type"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
}

func plain(s Server) any { return stdio{Command: s.Command, Args: []string{"mcp"}, Env: s.env()} }

func typed(s Server) any {
	return stdio{Type: "stdio", Command: s.Command, Args: []string{"mcp"}, Env: s.env()}
}

// How long a program waits for a call that waits for messages, in seconds: what the program allows at
// most, and more than the 240 that a call takes.
const (
	callTime      = 600
	codexCallTime = 300
)

// Programs lists the programs that are known.
func Programs() []Program {
	return []Program{
		{Name: "claude-code", Title: "Claude Code", within: "mcpServers", entry: typed, tools: []string{"claude"},
			path: func(p place) string { return p.home(".claude.json") },
			Hint: "Start a new session of Claude Code; /mcp shows the server."},
		{Name: "codex", Title: "Codex", toml: true, entry: plain, tools: []string{"codex"},
			path: func(p place) string {
				if home := p.getenv("CODEX_HOME"); home != "" {
					return filepath.Join(home, "config.toml")
				}
				return p.home(".codex", "config.toml")
			}, Hint: "Start a new session of Codex; /mcp shows the server."},
		{Name: "cursor", Title: "Cursor", within: "mcpServers", entry: plain, tools: []string{"cursor", "cursor-agent"},
			path: func(p place) string {
				return p.home(".cursor",
					"mcp.json")
			}, Hint: "Switch the server on in the settings of Cursor, under MCP."},
		{Name: "gemini", Title: "Gemini CLI", within: "mcpServers", tools: []string{"gemini"},
			entry: func(s Server) any {
				return stdio{Command: s.Command, Args: []string{"mcp"}, Env: s.env(), Timeout: callTime * 1000}
			},
			path: func(p place) string {
				return p.home(".gemini",
					"settings.json")
			}, Hint: "Start a new session of Gemini CLI in a trusted folder."},
		{Name: "opencode", Title: "OpenCode", within: "mcp", tools: []string{"opencode"},
			entry: func(s Server) any {
				return opencode{Type: "local", Command: []string{s.Command, "mcp"}, Environment: s.env()}
			},
			path: func(p place) string {
				if other := p.config("opencode", "opencode.jsonc"); exists(other) {
					return other
				}
				return p.config("opencode", "opencode.json")
			}, Hint: "Start OpenCode again."},
		{Name: "vscode", Title: "VS Code", within: "servers", entry: typed, tools: []string{"code"},
			path: func(p place) string {
				return p.application("Code", "User",
					"mcp.json")
			}, Hint: "Start the server by the command MCP: List Servers."},
		{Name: "zed", Title: "Zed", within: "context_servers", entry: plain, tools: []string{"zed"},
			path: func(p place) string { return p.config("zed", "settings.json") }, Hint: "Zed starts the server by itself."},
	}
}

// Names returns the names of the programs.
func Names() (names []string) {
	for _, p := range Programs() {
		names = append(names, p.Name)
	}
	return names
}

// Find returns the program with a name.
func Find(name string) (Program, bool) {
	all := Programs()
	i := slices.IndexFunc(all, func(p Program) bool { return p.Name == name })
	if i < 0 {
		return Program{}, false
	}
	return all[i], true
}

// Path returns the file of the program's configuration.
func (p Program) Path(getenv func(string) string) string { return p.path(place{getenv}) }

// Installed reports whether the program seems to be on this machine: its configuration, or its command.
func (p Program) Installed(getenv func(string) string) bool {
	path := p.Path(getenv)
	if exists(path) || p.Name != "claude-code" && exists(filepath.Dir(path)) {
		return true
	}
	for folder := range strings.SplitSeq(getenv("PATH"), string(os.PathListSeparator)) {
		for _, tool := range p.tools {
			if folder != "" && exists(filepath.Join(folder, tool)) {
				return true
			}
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
