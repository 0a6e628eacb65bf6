package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runText runs a page of sh blocks without a server.
func runText(t *testing.T, text string) error {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	p, err := parsePage("README.md", text)
	if err != nil {
		t.Fatal(err)
	}
	project := &project{root: root, folder: t.TempDir()}
	r := &run{page: p, project: project, addr: "localhost:1"}
	return r.do(t.Context(), os.Environ())
}

const sh = "```sh\n"

// TestPageFails checks that a page fails with the first block that fails, and what its error says.
func TestPageFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"command":         {"\n" + sh + "echo seen\nfalse\necho unseen\n```\n\n" + sh + "echo later\n```\n", []string{"README.md:3: the block (sh) fails", "false\n", "--- its output:\nseen\n"}},
		"pipe":            {sh + "false | cat\n```\n", []string{"README.md:2: "}},
		"variable":        {sh + "echo $NOWHERE_SET\n```\n", []string{"NOWHERE_SET"}},
		"not printed":     {`<!-- run: prints "b" -->` + "\n" + sh + "echo a\n```\n", []string{`it has not printed "b"`, "output:\na\n"}},
		"ended early":     {`<!-- run: until "b" -->` + "\n" + sh + "echo a\n```\n", []string{`had not printed "b"`, "output:\na\n"}},
		"background":      {`<!-- run: background "b" -->` + "\n" + sh + "echo a; exit 3\n```\n", []string{"exit status 3", `had not printed "b"`}},
		"not shown":       {"<!-- run: background \"a\" -->\n" + sh + "echo a; sleep 1\n```\n" + `<!-- run: shows "b" -->` + "\n" + sh + "true\n```\n", []string{`had not printed "b"`}},
		"no background":   {`<!-- run: shows "b" -->` + "\n" + sh + "true\n```\n", []string{"no block before it runs in the background"}},
		"background ends": {"<!-- run: background -->\n" + sh + "exit 3\n```\n" + sh + "sleep 1\n```\n", []string{"README.md: background block 1 ended before the page: exit status 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := runText(t, c.text)
			if err == nil {
				t.Fatal("the page does not fail")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error has no %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "unseen\n---") && strings.Contains(err.Error(), "later") {
				t.Errorf("commands after the failure were run:\n%v", err)
			}
		})
	}
}

// TestPageRuns checks what the blocks of a page have in common, and that listeners are ended.
func TestPageRuns(t *testing.T) {
	t.Parallel()
	if err := runText(t, `
<!-- setup sh
export HIDDEN=hidden
-->
<!-- run: prints "hidden localhost:1" -->
`+sh+"mkdir in; cd in; plain=1; export FROM=here\necho $HIDDEN localhost:4800\n```"+`

<!-- run: background "ready" -->
`+sh+"echo ready $FROM; sleep 1000\n```"+`

<!-- meanwhile
echo x >>../beat
-->
<!-- run: until "beaten" -->
`+sh+"while [ ! -s ../beat ]; do sleep 0.05; done; echo beaten; sleep 1000\n```"+`

<!-- run: file "a.py" -->
`+"```python\nprint(1)\n```"+`

`+sh+"[ $plain = 1 ] && [ \"${PWD##*/}\" = in ] && grep -q 'print(1)' ../a.py\n```\n"); err != nil {
		t.Error(err)
	}
}

// TestErrorsOfCompilersNamePages checks the errors of blocks that do not compile.
func TestErrorsOfCompilersNamePages(t *testing.T) {
	t.Parallel()
	a, err := parsePage("README.md", "Text.\n\n```go\nfmt.Println(nothing)\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	p := &project{root: root, folder: t.TempDir(), env: append(os.Environ(), "GOFLAGS=", "GOWORK=off")}
	if err := os.MkdirAll(p.dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir(), "go.mod"), []byte("module my-agent\n\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = p.build(t.Context(), []*page{a}, func(*page) string { return documented }, false)
	if err == nil || !strings.Contains(err.Error(), "README.md:4:") || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("the error is %v", err)
	}
}
