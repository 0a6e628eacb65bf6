package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// agent is a process that uses an SDK. It prints lines:
//
//	event POSITION CONTENT    the handler has a message
//	other POSITION TYPE       the handler has another event; "-": it has no position
//	resync POSITION REASON    the handler learned that events are missing
//	sending N, sent N, failed N
type agent struct {
	cmd    *exec.Cmd
	lines  chan []string // the fields of each line; closed at the end
	errors record
	output sync.WaitGroup
}

const mostLine = 1 << 20 // bytes

// startAgent starts the agent of a language with settings in its environment.
func (s settings) startAgent(language string, env ...string) (*agent, error) {
	a := &agent{lines: make(chan []string, 64)}
	switch language {
	case "go":
		a.cmd = exec.Command(s.agent)
	case "typescript":
		a.cmd = exec.Command("node", "--experimental-websocket", "--no-warnings", "build/sdkfaults/agents/agent.mjs", s.typescript)
	case "python":
		a.cmd = exec.Command(s.python, "build/sdkfaults/agents/agent.py")
	default:
		return nil, fmt.Errorf("there is no agent in %q", language)
	}
	a.cmd.Env = append(os.Environ(), env...)
	a.cmd.Stderr = &a.errors
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the agent in %s: %w", language, err)
	}
	a.output.Go(func() {
		defer close(a.lines)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, mostLine)
		for lines.Scan() {
			a.lines <- strings.Fields(lines.Text())
		}
	})
	return a, nil
}

// end waits until the agent has ended. Its lines have been read. killed: the end was forced.
func (a *agent) end(killed bool) error {
	a.output.Wait()
	err := a.cmd.Wait()
	var exit *exec.ExitError
	if err == nil || killed && errors.As(err, &exit) && !exit.Exited() {
		return nil
	}
	return fmt.Errorf("the agent ended with %w: %s", err, &a.errors)
}

func (a *agent) signal(s os.Signal) {
	_ = a.cmd.Process.Signal(s) // it may have ended
}

// record is what a process wrote. It is for concurrent use.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// String implements fmt.Stringer.
func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
