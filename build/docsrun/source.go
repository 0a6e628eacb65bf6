package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// source returns the program of a unit in TypeScript, JavaScript or Python: the page with all other
// lines left blank, so that every error names the line of the page.
func (u *unit) source(lines int) string {
	out := make([]string, lines)
	for _, p := range append([]part{u.setup}, u.blocks...) {
		if p.text != "" {
			copy(out[p.line-1:], strings.Split(strings.TrimSuffix(p.text, "\n"), "\n"))
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// known are the packages that a fragment of Go need not import.
var known = map[string]string{
	"b2b":           "github.com/b2b-protocol/b2b/sdk/go",
	"b2bv1":         "github.com/b2b-protocol/b2b/sdk/go/b2b/v1",
	"b2bv1connect":  "github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect",
	"b2btest":       "github.com/b2b-protocol/b2b/sdk/go/b2btest",
	"threadcontext": "github.com/b2b-protocol/b2b/sdk/go/threadcontext",
	"connect":       "connectrpc.com/connect",
	"proto":         "google.golang.org/protobuf/proto",
	"http":          "net/http",
	"signal":        "os/signal",
	"filepath":      "path/filepath",
	"slog":          "log/slog",
	"httptest":      "net/http/httptest",
	"json":          "encoding/json",
	"bytes":         "bytes",
	"context":       "context",
	"errors":        "errors",
	"fmt":           "fmt",
	"io":            "io",
	"log":           "log",
	"os":            "os",
	"slices":        "slices",
	"strings":       "strings",
	"syscall":       "syscall",
	"testing":       "testing",
	"time":          "time",
}

var (
	imports = regexp.MustCompile(`^\s*import (\([^)]*\)|[^\n]*)\n`)
	mainFn  = regexp.MustCompile(`(?m)^func main\(\)`)
	clause  = regexp.MustCompile(`(?m)^package \w+`)
)

// goSource returns the program of a unit in Go as a package with the function Run.
//
// A block with a package clause is a whole file. Otherwise the blocks and the setup are
// declarations, or statements of a function that has ctx and returns an error.
func (u *unit) goSource(root string) (string, error) {
	page := path.Join(root, u.page)
	if text := u.blocks[0].text; clause.MatchString(text) {
		if len(u.blocks) > 1 {
			return "", fmt.Errorf("%s:%d: a whole file cannot be continued", u.page, u.line())
		}
		text = clause.ReplaceAllString(mainFn.ReplaceAllString(text, "func Main()"), "package "+u.id())
		run := "\nfunc Run(context.Context) error { return nil }\n"
		if strings.Contains(text, "func Main()") {
			run = "\nfunc Run(context.Context) error { Main(); return nil }\n"
		}
		if !strings.Contains(text, `"context"`) {
			text = clause.ReplaceAllString(text, `$0; import "context"`)
		}
		return fmt.Sprintf("//line %s:%d\n%s%s", page, u.blocks[0].line, text, run), nil
	}

	var declared, body, top strings.Builder
	all := ""
	for _, p := range append([]part{u.setup}, u.blocks...) {
		text, line := p.text, p.line
		for m := imports.FindString(text); m != ""; m = imports.FindString(text) {
			fmt.Fprintf(&top, "//line %s:%d\n%s", page, line, m)
			text, line = text[len(m):], line+strings.Count(m, "\n")
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		all += text
		to := &body
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package x\n"+text, 0); err == nil {
			to = &declared
		}
		fmt.Fprintf(to, "//line %s:%d\n%s", page, line, text)
	}
	out := "package " + u.id() + "\n" + top.String()
	for _, name := range imported(all, top.String()) {
		out += fmt.Sprintf("import %s %q\n", name, known[name])
	}
	tests := ""
	for _, m := range goTest.FindAllStringSubmatch(declared.String(), -1) {
		tests += fmt.Sprintf("{Name: %q, F: %s}, ", m[1], m[1])
	}
	if tests != "" {
		fmt.Fprintf(&body, "testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{%s}, nil, nil) // it exits", tests)
	}
	return fmt.Sprintf("%s%s\nfunc Run(ctx context.Context) error {\n%s\nreturn nil\n}\n", out, declared.String(), body.String()), nil
}

var (
	goTest = regexp.MustCompile(`(?m)^func (Test\w+)\(\w+ \*testing\.T\)`)
	pyTest = regexp.MustCompile(`(?m)^(async )?def (test_\w+)\(\)`)
)

// pythonTests returns calls of the tests that a program defines, since no runner collects them.
func pythonTests(text string) (calls string) {
	for _, m := range pyTest.FindAllStringSubmatch(text, -1) {
		call := m[2] + "()"
		if m[1] != "" {
			call = "__import__('asyncio').run(" + call + ")"
		}
		calls += call + "\n"
	}
	return calls
}

// imported returns the known packages that a fragment uses and does not import.
func imported(text, top string) (names []string) {
	has := map[string]bool{}
	if file, err := parser.ParseFile(token.NewFileSet(), "", "package x\n"+top, parser.ImportsOnly); err == nil {
		for _, i := range file.Imports {
			has[importName(i)] = true
		}
	}
	for name := range known {
		if !has[name] && (name == "context" || regexp.MustCompile(`(^|[^\w.])`+name+`\.[A-Z]`).MatchString(text)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func importName(i *ast.ImportSpec) string {
	if i.Name != nil {
		return i.Name.Name
	}
	p, _ := strconv.Unquote(i.Path.Value)
	for name, known := range known {
		if known == p {
			return name
		}
	}
	return path.Base(p)
}

// goMain returns the program that runs one unit, which its argument names.
func goMain(module string, units []*unit) string {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"os\"\n\t\"os/signal\"\n\n")
	for _, u := range units {
		fmt.Fprintf(&b, "\t%q\n", module+"/"+u.id())
	}
	b.WriteString(")\n\nfunc main() {\n\tctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)\n\tdefer stop()\n\trun := map[string]func(context.Context) error{\n")
	for _, u := range units {
		fmt.Fprintf(&b, "\t\t%q: %s.Run,\n", u.id(), u.id())
	}
	b.WriteString("\t}[os.Args[1]]\n\tos.Args = append(os.Args[:1], os.Args[2:]...)\n\tif err := run(ctx); err != nil {\n\t\tfmt.Fprintln(os.Stderr, err)\n\t\tos.Exit(1)\n\t}\n}\n")
	return b.String()
}
