package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A project is the folder of a user who follows the pages: FOLDER/my-agent, with the checkout
// beside it in FOLDER/b2b. The commands of the pages have installed the SDKs in it.
type project struct {
	root     string // of this repository
	folder   string
	compiled string           // the folder of the compiled TypeScript SDK, "" to compile it
	env      []string         // after the installation; it has the virtual environment of Python
	examples map[string]*unit // in Go, by name
}

func (p *project) dir() string { return filepath.Join(p.folder, "my-agent") }

// install copies the SDKs as they would be in a checkout, and runs the blocks that install them,
// each text once. A folder that has this installation is left as it is.
func (p *project) install(ctx context.Context, binaries string, pages []*page) error {
	checkout := filepath.Join(p.folder, "b2b")
	files, err := exec.CommandContext(ctx, "git", "-C", p.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard",
		"--", "sdk", "LICENSE", "package.json", "package-lock.json").Output()
	if err != nil {
		return fmt.Errorf("list the files of the SDKs: %w", err)
	}
	hash := sha256.New()
	contents := map[string][]byte{}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(p.root, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		} else if err != nil {
			return err
		}
		contents[file] = text
		fmt.Fprintf(hash, "%s %d %s", file, len(text), text)
	}
	var blocks []*unit
	for _, page := range pages {
		for _, u := range page.units {
			if same := func(b *unit) bool { return b.blocks[0].text == u.blocks[0].text }; u.install && !slices.ContainsFunc(blocks, same) {
				blocks = append(blocks, u)
				fmt.Fprintln(hash, u.blocks[0].text)
			}
		}
	}
	state := filepath.Join(p.folder, "shell")
	mark, sum := filepath.Join(state, "installed"), fmt.Sprintf("%x", hash.Sum(nil))
	p.env = append(environment(), "PATH="+binaries+":"+os.Getenv("PATH"), "npm_config_prefer_offline=true", "npm_config_audit=false",
		"npm_config_fund=false", "npm_config_update_notifier=false", "PIP_DISABLE_PIP_VERSION_CHECK=1",
		"GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "PIP_NO_COMPILE=1")
	if was, err := os.ReadFile(mark); err == nil && string(was) == sum {
		s := shell{folder: state}
		p.env, _, err = s.state()
		return err
	}

	for _, folder := range []string{checkout, p.dir(), state} {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	for file, text := range contents {
		to := filepath.Join(checkout, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return err
		}
	}
	if p.compiled != "" { // npm pack does not compile it again
		if err := os.CopyFS(filepath.Join(checkout, "sdk/typescript/dist"), os.DirFS(p.compiled)); err != nil {
			return fmt.Errorf("copy the compiled SDK: %w", err)
		}
		p.env = append(p.env, "npm_config_ignore_scripts=true")
	}
	s, err := startShell(state, p.dir(), p.env)
	if err != nil {
		return err
	}
	defer s.close()
	for _, u := range blocks {
		if out, err := s.run(ctx, u.blocks[0].text); err != nil {
			return failure(u, err, out)
		}
	}
	if len(blocks) > 0 {
		if p.env, _, err = s.state(); err != nil {
			return err
		}
	}
	if err := p.link(); err != nil {
		return err
	}
	return os.WriteFile(mark, []byte(sum), 0o600)
}

// environment returns that of this process without what the build sets for other tests.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "B2B_") || strings.HasPrefix(e, "PYTHON") || strings.HasPrefix(e, "NODE_PATH=")
	})
}

// link gives the TypeScript of the project the frameworks and the types of Node that the tools of
// the build have.
func (p *project) link() error {
	for _, name := range []string{"express", "hono", "@hono/node-server", "@types/express", "@types/node", "@connectrpc/connect", "@connectrpc/connect-web", "@bufbuild/protobuf"} {
		to := filepath.Join(p.dir(), "node_modules", name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join(p.root, "node_modules", name), to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// A program is how a unit is started.
type program struct {
	args []string
	env  []string
}

// Examples of frameworks need these installed: `make test-agents` compiles and runs them.
const tsconfig = `{"compilerOptions": {"strict": true, "target": "es2022", "lib": ["es2023", "dom", "dom.iterable"], "module": "nodenext",
"moduleDetection": "force", "types": ["node"], "noUncheckedIndexedAccess": true, "skipLibCheck": true}, "include": ["**/*.ts"],
"exclude": ["node_modules", "examples/frameworks"]}`

// build writes the programs of the units, compiles those in TypeScript and Go, and returns how to
// start each. The address replaces the one that pages name.
func (p *project) build(ctx context.Context, pages []*page, address func(*page) string, withExamples bool) (map[*unit]program, error) {
	programs := map[*unit]program{}
	snippets := filepath.Join(p.dir(), "snippets")
	if err := os.RemoveAll(snippets); err != nil {
		return nil, err
	}
	write := func(text string, name ...string) error {
		file := filepath.Join(append([]string{snippets}, name...)...)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		return os.WriteFile(file, []byte(text), 0o600)
	}
	var inGo []*unit
	typescript := false
	for _, page := range pages {
		for _, u := range page.units {
			text := strings.ReplaceAll(u.source(page.lines), documented, address(page))
			var err error
			switch {
			case u.not != "" || u.language == "sh":
			case u.language == "ts":
				typescript = true
				programs[u] = program{args: []string{"node", filepath.Join(snippets, "ts", u.id()+".js")}}
				err = write(text, "ts", u.id()+".ts")
			case u.language == "js":
				ending := ".mjs"
				if strings.Contains(text, "require(") {
					ending = ".cjs"
				}
				programs[u] = program{args: []string{"node", filepath.Join(snippets, "ts", u.id()+ending)}}
				err = write(text, "ts", u.id()+ending)
			case u.language == "python":
				programs[u] = program{args: []string{"python", filepath.Join(snippets, "python", u.id()+".py")}}
				if len(u.needs) > 0 {
					site, missing := filepath.Glob(filepath.Join(p.root, ".venv/lib/python3*/site-packages"))
					if missing != nil || len(site) != 1 {
						return nil, errors.New("there is no .venv: run make tools")
					}
					programs[u] = program{args: programs[u].args, env: []string{"PYTHONPATH=" + site[0]}}
				}
				err = write(text+pythonTests(text), "python", u.id()+".py")
			case u.language == "go":
				inGo = append(inGo, u)
				programs[u] = program{args: []string{filepath.Join(snippets, "go", "snippets"), u.id()}}
				if text, err = u.goSource(p.root); err == nil {
					err = write(strings.ReplaceAll(text, documented, address(page)), "go", u.id(), "block.go")
				}
			}
			if err != nil {
				return nil, err
			}
		}
	}
	var failed []error
	if withExamples {
		p.examples = map[string]*unit{}
		for _, name := range []string{"echo", "reviewer", "pair"} {
			u, files, err := goExample(p.root, name)
			if err != nil {
				return nil, err
			}
			for file, text := range files {
				if err := write(text, "go", u.id(), file); err != nil {
					return nil, err
				}
			}
			p.examples[name], inGo = u, append(inGo, u)
		}
		typescript = true
		if err := os.CopyFS(filepath.Join(snippets, "ts/examples"), os.DirFS(filepath.Join(p.root, "sdk/typescript/examples"))); err != nil {
			return nil, fmt.Errorf("copy the examples: %w", err)
		}
	}
	if typescript {
		if err := errors.Join(write(tsconfig, "ts", "tsconfig.json"), write(`{"type": "module"}`, "ts", "package.json")); err != nil {
			return nil, err
		}
		failed = append(failed, p.compile(ctx, filepath.Join(snippets, "ts"), pages, "node", filepath.Join(p.root, "node_modules/typescript/bin/tsc"), "--project", "."))
	}
	if len(inGo) > 0 {
		if err := write(goMain("my-agent/snippets/go", inGo), "go", "main.go"); err != nil {
			return nil, err
		}
		failed = append(failed, p.compile(ctx, filepath.Join(snippets, "go"), pages, "go", "build", "-ldflags=-s -w", "-o", "snippets", "."))
	}
	return programs, errors.Join(failed...)
}

// compile runs a compiler. Its errors name pages instead of the files made of them.
func (p *project) compile(ctx context.Context, folder string, pages []*page, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = folder, p.env
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(string(out), p.root+"/", "")
	for _, page := range pages {
		for _, u := range page.units {
			text = strings.ReplaceAll(text, u.id()+".ts(", u.page+"(")
			text = strings.ReplaceAll(text, u.id()+"/block.go", u.page)
		}
	}
	return fmt.Errorf("the blocks do not compile (%s):\n%s", filepath.Base(folder), text)
}
