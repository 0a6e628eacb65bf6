package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// limits of one block, also on a machine that is busy.
const (
	longest = 2 * time.Minute  // how long a block may run
	grace   = 10 * time.Second // how long a program may take to end after an interrupt
)

// output is what a process has printed so far.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next change
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

// now returns the text, and a channel that is closed when there is more.
func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.changed
}

func (o *output) String() string {
	text, _ := o.now()
	return text
}

// A process is a program with its children.
type process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended, with err
	err  error
}

// start starts a program in a process group of its own.
func start(folder string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(found(args[0], env), args[1:]...), out: newOutput(), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = folder, env, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = grace // for children that keep the pipe of the output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// found returns the path of a program. Package exec would look for it in the PATH of this process.
func found(name string, env []string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for folder := range strings.SplitSeq(valueOf(env, "PATH"), ":") {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path
		}
	}
	return name // its start fails
}

// end interrupts the process and its children, and kills what is left.
func (p *process) end() {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, signal) // it may have ended
		select {
		case <-p.done:
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // children that are left
			return
		case <-time.After(grace / 5):
		}
	}
	<-p.done
}

// kill ends the process and its children at once.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-p.done
}

// wait waits for the end of the process, and ends it with ctx.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.end()
		return fmt.Errorf("it did not end: %w", context.Cause(ctx))
	}
}

// printed waits until the process has printed the text, or another source says that it is done.
func (p *process) printed(ctx context.Context, text string, other <-chan struct{}) error {
	for {
		out, changed := p.out.now()
		if strings.Contains(out, text) {
			return nil
		}
		select {
		case <-changed:
		case <-other:
			return nil
		case <-p.done:
			if out := p.out.String(); strings.Contains(out, text) {
				return nil
			}
			return fmt.Errorf("it ended (%v) and had not printed %q", p.cmd.ProcessState, text)
		case <-ctx.Done():
			return fmt.Errorf("it has not printed %q: %w", text, context.Cause(ctx))
		}
	}
}

// A shell runs the sh blocks of a page one after the other, in one process.
type shell struct {
	*process
	in     *os.File
	folder string // of its files
	count  int
}

// prelude is for every shell: a failed command ends it, an HTTP error is a failure of curl, and the
// server is not built again where a page says go run. The scene of quickstart takes a free port,
// unless it is the server of the page, and no pauses.
const prelude = `set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; }
go() { if [ "${1:-} ${2:-}" = "run ./cmd/b2b" ]; then shift 2; b2b "$@"; else command go "$@"; fi; }
b2b() { if [ "${1:-}" = quickstart ]; then set -- "$@" --port "${QUICKSTART_PORT:-0}" --pause 0s; fi; command b2b "$@"; }
`

func startShell(folder, work string, env []string) (*shell, error) {
	if err := os.WriteFile(folder+"/prelude", []byte(prelude), 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Mkfifo(folder+"/in", 0o600); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	in, err := os.OpenFile(folder+"/in", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p, err := start(work, env, "bash", "-c", `. "$1/prelude"; while read -r n; do . "$1/$n.sh" </dev/null; env -0 >"$1/env"; pwd >"$1/pwd"; printf "\\0%s\\0" "$n"; done <"$1/in"`, "bash", folder)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return &shell{process: p, in: in, folder: folder}, nil
}

// run runs a block, and returns what it printed.
func (s *shell) run(ctx context.Context, code string) (string, error) {
	s.count++
	name, before := fmt.Sprint(s.folder, "/", s.count), len(s.out.String())
	if err := os.WriteFile(name+".sh", []byte(code), 0o600); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(s.in, s.count); err != nil {
		return "", err
	}
	// The shell writes the end of a block behind its output. A file could appear before the output is read.
	end := fmt.Sprintf("\x00%d\x00", s.count)
	for {
		text, changed := s.out.now()
		out, _, ended := strings.Cut(text[before:], end)
		if ended {
			return out, nil
		}
		select {
		case <-changed:
		case <-s.done:
			return s.out.String()[before:], fmt.Errorf("a command failed: %w", s.err)
		case <-ctx.Done():
			return out, fmt.Errorf("it did not end: %w", context.Cause(ctx))
		}
	}
}

// state returns the environment and the folder that the last block left.
func (s *shell) state() (env []string, folder string, err error) {
	text, err := os.ReadFile(s.folder + "/env")
	if err != nil {
		return nil, "", err
	}
	where, err := os.ReadFile(s.folder + "/pwd")
	if err != nil {
		return nil, "", err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), strings.TrimSuffix(string(where), "\n"), nil
}

func (s *shell) close() {
	s.end()
	_ = s.in.Close() // nothing reads it
}
