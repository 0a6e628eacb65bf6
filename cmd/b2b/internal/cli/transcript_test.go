package cli_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// TestTranscripts runs the commands of testdata/*.txt, each file with an org of its own, and compares
// what they write. A line of a file is
//
//	# a comment
//	@ name .path     the next command's JSON has at this path the value of the variable $name
//	+ name profile   $name is the present position of the event log, for a profile
//	^ y              answers the questions of the next command, as a person
//	? b2b search …   repeats the command until it finds something and notes nothing; it is not shown
//	< text           a line of the next command's standard input
//	$ b2b send …     a command whose output goes to a file; NAME=value before it sets the environment
//	% b2b send …     the same on a terminal of 80 columns
//	> text           a line of its output
//	! text           a line of its standard error
//	[exit 3]         its exit status, if that is not 0
//
// Ids, times and secrets stand as <id1>, <time>, <token>.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newTranscript(t).play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s differs (-update writes it):\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

// firstDifference returns the first lines that differ, with what is before them.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range b {
		if i >= len(a) || a[i] != b[i] {
			from := max(i-4, 0)
			return fmt.Sprintf("line %d\n--- want\n%s\n--- got\n%s", i+1, strings.Join(a[min(from, len(a)):min(i+8, len(a))], "\n"),
				strings.Join(b[from:min(i+8, len(b))], "\n"))
		}
	}
	return "the end is missing"
}

type transcript struct {
	t    *testing.T
	m    *machine
	url  string
	vars map[string]string
	ids  map[string]string
}

func newTranscript(t *testing.T) *transcript {
	url := startServer(t)
	org := newOrg(t)
	tr := &transcript{t: t, m: newMachine(t), url: url, ids: map[string]string{},
		vars: map[string]string{"url": url, "org": org.GetId(), "secret": org.GetOrgSecret()}}
	tr.vars["home"] = tr.m.home
	return tr
}

// play runs the commands of a transcript and returns it with their output.
func (tr *transcript) play(text string) string {
	var out strings.Builder
	var stdin strings.Builder
	var saves [][2]string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(line, " ")
		switch mark {
		case ">", "!", "[exit":
			continue
		case "@":
			name, path, _ := strings.Cut(rest, " ")
			saves = append(saves, [2]string{name, path})
		case "+":
			name, of, _ := strings.Cut(rest, " ")
			tr.vars[name] = tr.present(of)
		case "?":
			waittest.Until(tr.t, rest, func() bool {
				res := tr.run("", rest)
				return res.out != "" && res.err == ""
			})
		case "^":
			stdin.WriteString(rest + "\n")
			tr.m.person = true
		case "<":
			stdin.WriteString(rest + "\n")
		}
		out.WriteString(line + "\n")
		if mark != "$" && mark != "%" {
			continue
		}
		tr.m.terminal = mark == "%"
		res := tr.run(stdin.String(), rest)
		tr.m.terminal, tr.m.person = false, false
		for _, s := range saves {
			if res.status != 0 {
				tr.t.Fatalf("%s: %+v", rest, res)
			}
			tr.vars[s[0]] = tr.at(res.out, s[1])
		}
		out.WriteString(quote(">", tr.scrub(res.out)) + quote("!", tr.scrub(res.err)))
		if res.status != 0 {
			fmt.Fprintf(&out, "[exit %d]\n", res.status)
		}
		stdin.Reset()
		saves = nil
	}
	return out.String()
}

// quote puts a mark before each line.
func quote(mark, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight(mark+" "+strings.TrimSuffix(line, "\n"), " ") + "\n")
	}
	return out.String()
}

func (tr *transcript) run(stdin, command string) result {
	env := map[string]string{}
	words := tr.words(command)
	for len(words) > 0 && words[0] != "b2b" {
		name, value, ok := strings.Cut(words[0], "=")
		if !ok {
			tr.t.Fatalf("%q is no command", command)
		}
		env[name], words = value, words[1:]
	}
	return tr.m.runWith(tr.t.Context(), env, stdin, words[1:]...)
}

var variable = regexp.MustCompile(`\$([a-z0-9]+)`)

// words splits a command as a shell does: single and double quotes, $name outside of single quotes.
func (tr *transcript) words(command string) (words []string) {
	var word strings.Builder
	quoted, begun := rune(0), false
	literal := strings.Builder{}
	flush := func() {
		word.WriteString(variable.ReplaceAllStringFunc(literal.String(), func(name string) string {
			value, ok := tr.vars[name[1:]]
			if !ok {
				tr.t.Fatalf("%s: there is no variable %s", command, name)
			}
			return value
		}))
		literal.Reset()
	}
	for _, r := range command + " " {
		switch {
		case quoted == 0 && (r == '\'' || r == '"'):
			flush()
			quoted, begun = r, true
		case quoted != 0 && r == quoted:
			if quoted == '\'' {
				word.WriteString(literal.String())
				literal.Reset()
			} else {
				flush()
			}
			quoted = 0
		case quoted == 0 && r == ' ':
			flush()
			if begun || word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			literal.WriteRune(r)
		}
	}
	return words
}

// at returns the value at a path such as .items.0.id of the first line of JSON.
func (tr *transcript) at(text, path string) string {
	tr.t.Helper()
	line, _, _ := strings.Cut(text, "\n")
	var value any
	if err := json.Unmarshal([]byte(line), &value); err != nil {
		tr.t.Fatalf("no JSON: %q", text)
	}
	for key := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		object, ok := value.(map[string]any)
		if !ok || object[key] == nil {
			tr.t.Fatalf("%s has no %s", line, path)
		}
		value = object[key]
	}
	return fmt.Sprint(value)
}

func (tr *transcript) present(name string) string {
	p, err := profile.Store{Folder: tr.m.folder()}.Load(name)
	if err != nil {
		tr.t.Fatal(err)
	}
	position, err := b2b.New(p.URL, b2b.WithToken(p.Token)).Present(tr.t.Context())
	if err != nil {
		tr.t.Fatal(err)
	}
	return position
}

var scrubs = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`(bot|scoped)_[0-9a-f]{48}`), "<token>"},
	{regexp.MustCompile(`tkt_[0-9a-f]{16}`), "<ticket>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "<time>"},
	{regexp.MustCompile("((?:\x1b\\[0m|since|used|seen) +|\x1b\\[2m(?:used |seen |[^\x1b\n]*, )?)(?:now|\\d+ (?:s|min) ago)"),
		"${1}<ago>"},
	{regexp.MustCompile(`in \d+ min\b`), "in <minutes>"},
	{regexp.MustCompile(`(\x1b\[2m|\b)\d\d:\d\d:\d\d\b`), "${1}<clock>"},
	{regexp.MustCompile(`([":@ ])1[789]\d{11}\b`), "${1}<ms>"},
	{regexp.MustCompile(`"(cursor|stream_cursor|lease)":"[^"]*"`), `"$1":"<$1>"`},
	{regexp.MustCompile(`\b[A-Z2-7]{26}\b`), "<request>"},
	{regexp.MustCompile(`"traceparent":"[^"]*"`), `"traceparent":"<trace>"`},
	{regexp.MustCompile(`server \d+\.\d+\.\d+, with [a-z0-9-]+(, [a-z0-9-]+)*;`), "server <version>, with <profiles>;"},
	{regexp.MustCompile(`(?m)^([0-9a-f]{16}|\{"ref":"[0-9a-f]{16}")`), "<ref>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:<port>"},
	{regexp.MustCompile(`\(\d[\d.]*m?s\)`), "(<duration>)"},
	{regexp.MustCompile(`up for [\dhms]+`), "up for <duration>"},
	{regexp.MustCompile("\x1b"), "␛"},
}

var idForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// scrub replaces what is different in each run.
func (tr *transcript) scrub(text string) string {
	text = strings.ReplaceAll(text, tr.url, "http://server")
	text = strings.ReplaceAll(text, tr.m.home, "~")
	for _, lease := range []string{tr.vars["lease"], tr.vars["lease2"]} {
		if lease != "" {
			text = strings.ReplaceAll(text, lease, "<lease>")
		}
	}
	text = idForm.ReplaceAllStringFunc(text, func(id string) string {
		if tr.ids[id] == "" {
			tr.ids[id] = fmt.Sprintf("<id%d>", len(tr.ids)+1)
		}
		return tr.ids[id]
	})
	for _, s := range scrubs {
		text = s.what.ReplaceAllString(text, s.by)
	}
	return text
}
