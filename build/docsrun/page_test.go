package main

import (
	"slices"
	"strings"
	"testing"
)

// root is the root of the repository.
const root = "../.."

// left are the blocks that are not run, with the reason that their page gives. Few pages have a
// good one.
var left = []string{
	"README.md: it runs this page",
	"docs/quick-start.md: it runs this page",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/frameworks.md: it needs a framework and a model",
	"docs/use/sdk-go.md: a server that has no end",
	"docs/use/sdk-typescript.md: it has no end",
}

// TestEveryBlockIsRun checks that all pages can be read, and that the blocks that are not run are
// those listed above.
func TestEveryBlockIsRun(t *testing.T) {
	t.Parallel()
	pages, err := readPages(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	run := 0
	for _, p := range pages {
		for _, u := range p.units {
			if reason := u.not + u.compile; reason != "" {
				found = append(found, p.name+": "+reason)
			} else {
				run++
			}
		}
	}
	if run == 0 {
		t.Error("no block is run")
	}
	slices.Sort(found)
	if !slices.Equal(found, left) {
		t.Errorf("the blocks that are not run are\n%s\nwant\n%s\nLet a block run, or add it to the list", strings.Join(found, "\n"), strings.Join(left, "\n"))
	}
}

// TestInstallationsAreTheSame checks that all pages install an SDK by the same commands, which are
// run once for all of them.
func TestInstallationsAreTheSame(t *testing.T) {
	t.Parallel()
	pages, err := readPages(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{} // the first page of each
	for _, p := range pages {
		for _, u := range p.units {
			if text := u.blocks[0].text; u.install && texts[text] == "" {
				texts[text] = p.name
			}
		}
	}
	for text, page := range texts {
		if len(texts) != len(sdks) {
			t.Errorf("%s installs an SDK by\n%s", page, text)
		}
	}
	if len(texts) != len(sdks) {
		t.Errorf("there are %d installations, want one for each of the %d SDKs", len(texts), len(sdks))
	}
}

func TestPageIsRead(t *testing.T) {
	t.Parallel()
	p, err := parsePage("README.md", `# Title

<!-- setup python
import os
x = 1
-->
<!-- setup sh
export A=b
-->
`+"```sh\necho $A\n```"+`

<!-- meanwhile
echo peer
-->
<!-- run: peer "6 × 7?", until "42", needs "flask" -->
`+"```python\nprint(x)\n```"+`

- In a list:
  <!-- run: with previous,
       prints "a, b" -->
  `+"```python\n  if x:\n    y = 2\n  ```"+`

<!-- run: not, it costs money -->
`+"```sh\nbuy\n```\n\n```json\n{}\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.units) != 4 {
		t.Fatalf("%d units, want 4", len(p.units))
	}
	if u := p.units[0]; !u.hidden || u.language != "sh" || u.blocks[0].text != "export A=b\n" {
		t.Errorf("the setup of the shell is %+v", u)
	}
	if u := p.units[1]; u.hidden || u.line() != 11 || u.blocks[0].text != "echo $A\n" {
		t.Errorf("the block of the shell is %+v", u)
	}
	u := p.units[2]
	if u.peer != "6 × 7?" || u.until != "42" || u.prints != "a, b" || !slices.Equal(u.needs, []string{"flask"}) || u.meanwhile != "\necho peer\n" {
		t.Errorf("the directives are %+v", u.directive)
	}
	want := []string{"import os", "x = 1", "print(x)", "if x:", "  y = 2"}
	lines := strings.Split(u.source(p.lines), "\n")
	if got := slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s == "" }); !slices.Equal(got, want) {
		t.Errorf("the program has the lines %q, want %q", got, want)
	}
	if lines[3] != "import os" || lines[u.blocks[0].line-1] != "print(x)" {
		t.Errorf("the lines of the program are not those of the page: %q", lines)
	}
	if u := p.units[3]; u.not != "it costs money" {
		t.Errorf("the last block is %+v", u)
	}
}

// TestMistakesOfPages checks that a page that the rules do not allow is refused, with the line.
func TestMistakesOfPages(t *testing.T) {
	t.Parallel()
	const block = "```python\nx = 1\n```\n"
	for name, c := range map[string]struct{ page, want string }{
		"unknown directive":        {"<!-- run: sometimes -->\n" + block, `README.md:2: unknown directive "sometimes"`},
		"unknown after a known":    {`<!-- run: until "a", twice -->` + "\n" + block, `unknown directive "twice"`},
		"empty directive":          {"<!-- run: -->\n" + block, "the directive is empty"},
		"not without a reason":     {"<!-- run: not -->\n" + block, `unknown directive "not"`},
		"no text":                  {"<!-- run: until -->\n" + block, "until needs a text"},
		"a text too many":          {`<!-- run: install "a" -->` + "\n```sh\na\n```\n", "install takes no text"},
		"unknown framework":        {`<!-- run: needs "django" -->` + "\n" + block, `needs "django"`},
		"file in a folder":         {`<!-- run: file "../a.py" -->` + "\n" + block, "name a file without a folder"},
		"text in between":          {"<!-- run: background -->\n\nText.\n\n" + block, "README.md:3: the comment before this line is not directly before a block"},
		"no block":                 {"<!-- run: background -->\n", "has no block after it"},
		"two directives":           {"<!-- run: background -->\n<!-- run: background -->\n" + block, "two directives"},
		"nothing to continue":      {"<!-- run: with previous -->\n" + block, "no earlier block"},
		"continues what is left":   {"<!-- run: not, so -->\n" + block + "<!-- run: with previous -->\n" + block, "the earlier block is not run"},
		"shows in Python":          {`<!-- run: shows "a" -->` + "\n" + block, "shows is for sh"},
		"server in Python":         {"<!-- run: server -->\n" + block, "for sh"},
		"peer without an end":      {`<!-- run: peer "a" -->` + "\n" + block, "peer needs until"},
		"background and until":     {`<!-- run: background, until "a" -->` + "\n" + block, "exclude each other"},
		"setup of no language":     {"<!-- setup rust\n-->\n", `setup of "rust"`},
		"other name of a language": {"```bash\na\n```\n", `the tag "bash"`},
		"no tag":                   {"```\na\n```\n", `the tag ""`},
		"directive of JSON":        {"<!-- run: background -->\n```json\n{}\n```\n", "takes no directive"},
		"comment without an end":   {"<!-- setup python\nx = 1\n", "the comment has no end"},
		"block without an end":     {"```sh\na\n", "the block has no end"},
	} {
		_, err := parsePage("README.md", c.page)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
	}
	if _, err := parsePage("README.md", `<!-- run: background "x" -->`+"\n\n"+block+"\n<!-- another comment -->\nText.\n"); err != nil {
		t.Errorf("a page that is right is refused: %v", err)
	}
}

// TestGoSource checks what is put around a block of Go.
func TestGoSource(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		blocks []string
		want   []string
	}{
		"statements":   {[]string{"fmt.Println(b2b.Resync)\nreturn err\n"}, []string{"import b2b \"github", "import fmt \"fmt\"", "error {\n//line /r/README.md:3\nfmt.Println"}},
		"declarations": {[]string{"func f() {}\n"}, []string{"//line /r/README.md:3\nfunc f() {}\n\nfunc Run("}},
		"file":         {[]string{"package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n"}, []string{"//line /r/README.md:3\npackage readme_3; import \"context\"\n", "func Main() {", "{ Main(); return nil }"}},
		"imports":      {[]string{"import \"fmt\"\n\nfmt.Println(os.Args)\n"}, []string{"//line /r/README.md:3\nimport \"fmt\"\n", "import os \"os\"", "//line /r/README.md:4\n\nfmt.Println"}},
		"test":         {[]string{"func TestA(t *testing.T) {}\n"}, []string{`{Name: "TestA", F: TestA}`, "import testing"}},
	} {
		u := &unit{page: "README.md", language: "go"}
		for _, b := range c.blocks {
			u.blocks = append(u.blocks, part{line: 3, text: b})
		}
		got, err := u.goSource("/r")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the source has no %q:\n%s", name, want, got)
			}
		}
		if strings.Count(got, `import fmt "fmt"`)+strings.Count(got, `import "fmt"`) > 1 {
			t.Errorf("%s: fmt is imported twice:\n%s", name, got)
		}
	}
}
