package agentconfig

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tailscale/hujson"
)

// hooks are where and how a program runs commands between its turns (docs/use/wake.md).
type hooks struct {
	path    func(place) string
	list    []hook
	element func(command string, h hook) any
	// top is what the file must have beside the hooks.
	top map[string]any
	// plugin is the text of the whole file, for a program without such a file of hooks.
	plugin func(Server) (string, error)
}

//go:embed opencode.js
var opencodePlugin string

// pluginOf finds the profile of a plugin that AddHooks has written.
var pluginOf = regexp.MustCompile(`\A// Written by b2b setup opencode --hooks for the profile "([^"\n]*)";`)

// opencodeText returns the plugin for a profile.
func opencodeText(s Server) (string, error) {
	command := []string{s.Command}
	if s.ConfigHome != "" {
		command = []string{"env", "XDG_CONFIG_HOME=" + s.ConfigHome, s.Command}
	}
	line, err := json.Marshal(command)
	if err != nil {
		return "", fmt.Errorf("encode the command of the plugin: %w", err)
	}
	name, err := json.Marshal(s.Profile)
	if err != nil {
		return "", fmt.Errorf("encode the profile of the plugin: %w", err)
	}
	return strings.NewReplacer("{{COMMAND}}", string(line), "{{PROFILE}}", string(name)).Replace(opencodePlugin), nil
}

// hook is a command that runs at an event.
type hook struct {
	event   string
	words   string // after "b2b hook"
	timeout int    // in the unit of the program; 0: its own
	wakes   bool   // the command runs in the background and wakes the session
}

// command is a hook of the form that three of the programs have.
type command struct {
	Type    string `json:"type"`
	Command string `json:"command"`
	Wakes   bool   `json:"asyncRewake,omitempty"`
	Timeout int    `json:"timeout,omitempty"`
}

type commands struct {
	Hooks []command `json:"hooks"`
}

func grouped(text string, h hook) any {
	return commands{[]command{{Type: "command", Command: text, Wakes: h.wakes, Timeout: h.timeout}}}
}

const parked = 3600 // seconds that a hook waits at the end of a turn

// hooksOf returns the hooks of a program; nil: it has none.
func hooksOf(program string) *hooks {
	switch program {
	case "claude-code":
		return &hooks{element: grouped, path: func(p place) string { return p.home(".claude", "settings.json") }, list: []hook{
			{event: "SessionStart", words: "start"}, {event: "UserPromptSubmit", words: "prompt"}, {event: "Stop", words: "stop"},
			{event: "Stop", words: "stop --wake --park 12h", wakes: true, timeout: 12 * parked},
		}}
	case "codex":
		return &hooks{element: grouped, path: func(p place) string {
			if home := p.getenv("CODEX_HOME"); home != "" {
				return filepath.Join(home, "hooks.json")
			}
			return p.home(".codex", "hooks.json")
		}, list: []hook{
			{event: "SessionStart", words: "start --for codex"}, {event: "Stop", words: "stop --for codex --park 1h", timeout: parked},
		}}
	case "gemini":
		return &hooks{element: grouped, path: func(p place) string { return p.home(".gemini", "settings.json") }, list: []hook{
			{event: "SessionStart", words: "start --for gemini"},
			{event: "AfterAgent", words: "stop --for gemini --park 1h", timeout: parked * 1000}, // in milliseconds
		}}
	case "cursor":
		return &hooks{
			path: func(p place) string { return p.home(".cursor", "hooks.json") }, top: map[string]any{"version": 1},
			element: func(text string, h hook) any {
				type entry struct {
					Command string `json:"command"`
					Loops   int    `json:"loop_limit,omitempty"`
				}
				if h.event == "stop" {
					return entry{text, 10}
				}
				return entry{text, 0}
			},
			list: []hook{{event: "sessionStart", words: "start --for cursor"}, {event: "stop", words: "stop --for cursor"}},
		}
	case "opencode":
		return &hooks{plugin: opencodeText, path: func(p place) string { return p.config("opencode", "plugin", "b2b.js") }}
	}
	return nil
}

// HasHooks reports whether the program runs commands between its turns, which AddHooks can write.
func (p Program) HasHooks() bool { return hooksOf(p.Name) != nil }

// HooksPath returns the file of the program's hooks.
func (p Program) HooksPath(getenv func(string) string) string {
	return hooksOf(p.Name).path(place{getenv})
}

// AddHooks returns the change that lets a program run the hooks of a profile. Those of another profile
// are replaced.
func (p Program) AddHooks(getenv func(string) string, s Server) (*Change, error) {
	h := hooksOf(p.Name)
	c, err := p.readFile(h.path(place{getenv}))
	if err != nil {
		return nil, err
	}
	c.Hooks = true
	if h.plugin != nil {
		if c.Exists && !pluginOf.MatchString(c.Before) {
			return nil, fmt.Errorf("%s: it is not of b2b, so it was not changed", c.Path)
		}
		c.After, err = h.plugin(s)
		return c, err
	}
	if c.After, err = h.add(c.Before, s); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return c, nil
}

// UndoHooks returns the change that takes the hooks of a profile out again; nil if the file has none of
// them any more. created: the file was made for them.
func (p Program) UndoHooks(getenv func(string) string, profile string, created bool) (*Change, error) {
	h := hooksOf(p.Name)
	if h == nil {
		return nil, nil
	}
	c, err := p.readFile(h.path(place{getenv}))
	if err != nil || !c.Exists {
		return nil, err
	}
	c.Hooks = true
	if h.plugin != nil {
		m := pluginOf.FindStringSubmatch(c.Before)
		if m == nil || m[1] != profile {
			return nil, nil
		}
		c.Remove = true
		return c, nil
	}
	f, err := parseHooks(c.Before)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	found, err := f.remove(func(of string) bool { return of == profile })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	if !found {
		return nil, nil
	}
	c.After = indentedAs(c.Before, string(f.root.Pack()))
	c.Remove = created && h.nothingElse(c.After)
	return c, nil
}

// nothingElse reports whether a text has no more than a file that was made for hooks.
func (h *hooks) nothingElse(text string) bool {
	standard, err := hujson.Standardize([]byte(text))
	var keys map[string]any
	if err != nil || json.Unmarshal(standard, &keys) != nil {
		return false
	}
	for key := range h.top {
		delete(keys, key)
	}
	return len(keys) == 0
}

func (h *hooks) add(text string, s Server) (string, error) {
	made := strings.TrimSpace(text) == ""
	if made {
		text = "{}"
	}
	f, err := parseHooks(text)
	if err != nil {
		return "", err
	}
	if _, err := f.remove(func(string) bool { return true }); err != nil {
		return "", err
	}
	for key, value := range h.top {
		if !f.has("/" + key) {
			if err := f.patch("add", "/"+key, value); err != nil {
				return "", err
			}
		}
	}
	for _, x := range h.list {
		if err := f.array(x.event); err != nil {
			return "", err
		}
		if err := f.patch("add", "/hooks/"+x.event+"/-", h.element(s.hook(x.words), x)); err != nil {
			return "", err
		}
	}
	if made {
		f.root.Format()
		return string(f.root.Pack()), nil
	}
	return indentedAs(text, string(f.root.Pack())), nil
}

// indentedAs returns a text with the indentation that it had before it was changed, if that is the usual
// one of a text without comments.
func indentedAs(before, after string) string {
	for _, unit := range []string{"  ", "\t", "    "} {
		var b bytes.Buffer
		if json.Indent(&b, []byte(before), "", unit) != nil || b.String() != before {
			continue
		}
		b.Reset()
		if json.Indent(&b, []byte(after), "", unit) == nil {
			return b.String()
		}
	}
	return after
}

// hook returns the command line of a hook. The profile is at its end, where ofHook finds it.
func (s Server) hook(words string) string {
	line := quote(s.Command) + " hook " + words + " --profile " + s.Profile
	if s.ConfigHome != "" {
		line = "env XDG_CONFIG_HOME=" + quote(s.ConfigHome) + " " + line
	}
	return line
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:\\-]+$`)

// quote returns a word for a shell.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var hookLine = regexp.MustCompile(` hook (?:start|prompt|stop)( .*)? --profile (\S+)$`)

// ofHook returns the profile of a command line that AddHooks has written; empty: of somebody else.
func ofHook(line string) string {
	m := hookLine.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return m[2]
}

// hookFile is a file with hooks: an object of arrays by the names of events.
type hookFile struct{ root hujson.Value }

func parseHooks(text string) (*hookFile, error) {
	root, err := hujson.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read, so it was not changed: %w", err)
	}
	if _, ok := root.Value.(*hujson.Object); !ok {
		return nil, errors.New("it is no JSON object, so it was not changed")
	}
	return &hookFile{root}, nil
}

func (f *hookFile) has(path string) bool { return f.root.Find(path) != nil }

// array makes the array of an event, if there is none.
func (f *hookFile) array(event string) error {
	for _, x := range []struct {
		path  string
		value any
	}{{"/hooks", map[string]any{}}, {"/hooks/" + event, []any{}}} {
		if !f.has(x.path) {
			if err := f.patch("add", x.path, x.value); err != nil {
				return err
			}
		}
	}
	_, object := f.root.Find("/hooks").Value.(*hujson.Object)
	if _, array := f.root.Find("/hooks/" + event).Value.(*hujson.Array); !object || !array {
		return fmt.Errorf("its hooks of %s are no array, so it was not changed", event)
	}
	return nil
}

func (f *hookFile) patch(op, path string, value any) error {
	text, err := json.Marshal([]map[string]any{{"op": op, "path": path, "value": value}})
	if err == nil {
		err = f.root.Patch(text)
	}
	if err != nil {
		return fmt.Errorf("it was not changed: %w", err)
	}
	return nil
}

// remove takes out the hooks of the profiles that which names, and what is empty then.
func (f *hookFile) remove(which func(profile string) bool) (found bool, err error) {
	all := f.root.Find("/hooks")
	if all == nil {
		return false, nil
	}
	object, ok := all.Value.(*hujson.Object)
	if !ok {
		return false, nil
	}
	for i := len(object.Members) - 1; i >= 0; i-- {
		literal, _ := object.Members[i].Name.Value.(hujson.Literal)
		list, ok := object.Members[i].Value.Value.(*hujson.Array)
		if !ok {
			continue
		}
		event, taken := "/hooks/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(literal.String()), false
		for n := len(list.Elements) - 1; n >= 0; n-- {
			if !ours(list.Elements[n], which) {
				continue
			}
			if err := f.patch("remove", fmt.Sprintf("%s/%d", event, n), nil); err != nil {
				return found, err
			}
			found, taken = true, true
		}
		if taken && len(list.Elements) == 0 {
			if err := f.patch("remove", event, nil); err != nil {
				return found, err
			}
		}
	}
	if found && len(object.Members) == 0 {
		err = f.patch("remove", "/hooks", nil)
	}
	return found, err
}

// ours reports whether all commands of an element are hooks of such profiles.
func ours(element hujson.Value, which func(profile string) bool) bool {
	standard := element.Clone()
	standard.Standardize()
	var e struct {
		Command string    `json:"command"`
		Hooks   []command `json:"hooks"`
	}
	if json.Unmarshal(standard.Pack(), &e) != nil {
		return false
	}
	lines := []string{}
	if e.Command != "" {
		lines = append(lines, e.Command)
	}
	for _, c := range e.Hooks {
		lines = append(lines, c.Command)
	}
	for _, line := range lines {
		if of := ofHook(line); of == "" || !which(of) {
			return false
		}
	}
	return len(lines) > 0
}
