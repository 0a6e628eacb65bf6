package agentconfig

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// The table of the server, and what would be in its way.
var (
	tableLine  = regexp.MustCompile(`^\s*\[+\s*([^\]#]*?)\s*\]+\s*(#.*)?\s*$`)
	inlineLine = regexp.MustCompile(`(?m)^\s*["']?mcp_servers["']?\s*=`)
	ourTable   = regexp.MustCompile(`^"?mcp_servers"?\s*\.\s*["']?b2b["']?(\s*\..*)?$`)
)

// addTOML adds the table of the server at the end of a TOML text.
func addTOML(text string, s Server) (string, error) {
	if err := readTOML(text); err != nil {
		return "", fmt.Errorf("it cannot be read, so it was not changed: %w", err)
	}
	if inlineLine.MatchString(text) {
		return "", errInline
	}
	text, _ = cutTOML(text, func(string) bool { return true })
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if text != "" {
		text += "\n"
	}
	env := "B2B_PROFILE = " + quoted(s.Profile)
	if s.ConfigHome != "" {
		env += ", XDG_CONFIG_HOME = " + quoted(s.ConfigHome)
	}
	text += fmt.Sprintf("[mcp_servers.b2b]\ncommand = %s\nargs = [\"mcp\"]\nenv = { %s }\ntool_timeout_sec = %d\n",
		quoted(s.Command), env, codexCallTime)
	if readTOML(text) != nil { // it has the table in another form
		return "", errInline
	}
	return text, nil
}

var errInline = errors.New("it has mcp_servers in a form that is not changed here: add [mcp_servers.b2b] by hand")

func readTOML(text string) error {
	_, err := toml.Decode(text, &map[string]any{})
	return err
}

// removeTOML removes the table of the server, if it is that of a profile.
func removeTOML(text, profile string) (string, bool) {
	return cutTOML(text, func(table string) bool { return strings.Contains(table, "B2B_PROFILE = "+quoted(profile)) })
}

// cutTOML removes the table of the server with its subtables, and the empty line before it, if it is the
// one that is meant.
func cutTOML(text string, meant func(table string) bool) (string, bool) {
	var before, table, after strings.Builder
	to := &before
	for line := range strings.Lines(text) {
		if m := tableLine.FindStringSubmatch(line); m != nil {
			switch {
			case ourTable.MatchString(m[1]):
				to = &table
			case to == &table:
				to = &after
			}
		}
		to.WriteString(line)
	}
	if table.Len() == 0 || !meant(table.String()) {
		return text, false
	}
	head := strings.TrimSuffix(before.String(), "\n")
	if head != "" && !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	if before.Len() > 0 && after.Len() > 0 {
		head = before.String() // the empty line before the next table
	}
	return head + after.String(), true
}

// quoted returns a basic string of TOML, which is one of Go but for a few escapes that do not occur in
// paths and names.
func quoted(text string) string { return strconv.Quote(text) }
