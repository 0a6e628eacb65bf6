package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
)

const referencePage = "../../../../docs/use/cli-reference.md"

func tree() *cobra.Command {
	root := &cobra.Command{Use: "b2b"}
	(&cli.App{}).AddTo(root)
	return root
}

// TestReference: the page has what the help has. -update writes it.
func TestReference(t *testing.T) {
	t.Parallel()
	got := cli.Reference(tree())
	if *update {
		if err := os.WriteFile(referencePage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is stale (-update writes it): %s", referencePage, firstDifference(string(want), got))
	}
}

// TestHelp: each verb explains itself, with examples, in lines that a terminal has room for.
func TestHelp(t *testing.T) {
	t.Parallel()
	n := 0
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
			n++
			if sub.Short == "" || sub.Example == "" || strings.HasSuffix(sub.Short, ".") {
				t.Errorf("%s: the summary is %q, the example %q", sub.CommandPath(), sub.Short, sub.Example)
			}
			for line := range strings.Lines(sub.Long) {
				if len(line) > 125 {
					t.Errorf("%s: %d columns: %s", sub.CommandPath(), len(line), line)
				}
			}
			if sub.Runnable() && sub.Flags().Lookup("token") != nil {
				t.Errorf("%s has a flag for a token, which would be in the list of processes", sub.CommandPath())
			}
		}
	}
	visit(tree())
	if n < 30 {
		t.Errorf("%d verbs were found", n)
	}
}

// TestEveryVerbHasATranscript: each verb is shown on a terminal and as JSON.
func TestEveryVerbHasATranscript(t *testing.T) {
	t.Parallel()
	shown := transcripts(t)
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
			if !sub.Runnable() {
				continue
			}
			path := sub.CommandPath()
			var asText, asJSON bool // on a terminal
			for _, line := range shown {
				mark, command := line[:2], line[2:]
				if command == path || strings.HasPrefix(command, path+" ") {
					asText = asText || mark == "% " && !strings.Contains(command, "--json")
					asJSON = asJSON || strings.Contains(command, "--json")
				}
			}
			if (!asText || !asJSON) && otherwise[path] == "" {
				t.Errorf("%s: in a transcript on a terminal: %t, as JSON: %t", path, asText, asJSON)
			}
		}
	}
	visit(tree())
}

// otherwise lists the verbs that other tests show.
var otherwise = map[string]string{
	"b2b man": "TestManPages", "b2b run": "TestRunReplies", "b2b hook start": "TestHookStart", "b2b hook prompt": "TestHookStart", "b2b hook stop": "TestHookStop",
}

// transcripts returns the commands of all transcripts, with their marks.
func transcripts(t *testing.T) (commands []string) {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile("testdata/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "% ") {
				_, command, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "b2b ")
				commands = append(commands, line[:2]+"b2b "+command)
			}
		}
	}
	return commands
}
