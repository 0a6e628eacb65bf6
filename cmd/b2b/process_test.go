package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/logtest"
)

// binary is the built command, made once for all tests of this package.
var binary struct {
	sync.Once
	path string
	err  error
}

// TestMain removes the built command at the end.
func TestMain(m *testing.M) {
	code := m.Run()
	if binary.path != "" {
		os.RemoveAll(filepath.Dir(binary.path))
	}
	os.Exit(code)
}

// testClock is the variable that moves the clock of the command that tests build.
const testClock = "B2B_TEST_CLOCK"

func build(t testing.TB) string {
	t.Helper()
	binary.Do(func() {
		folder, err := os.MkdirTemp("", "b2b-e2e-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(folder, "b2b")
		cmd := exec.Command("go", "build", "-ldflags=-s -w -X main.clockVariable="+testClock, "-o", binary.path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatalf("build the command: %v", binary.err)
	}
	return binary.path
}

const adminSecret = "my-admin-secret"

// node is a running `b2b serve`.
type node struct {
	t    testing.TB
	cmd  *exec.Cmd
	URL  string
	logs *logtest.Buffer
	done chan error
}

// serve starts the server on a free port and waits until it is healthy. env is added to the
// environment; data is the data folder, which keeps the state.
func serve(t testing.TB, data string, env ...string) *node {
	t.Helper()
	n := &node{t: t, logs: &logtest.Buffer{}, done: make(chan error, 1)}
	n.cmd = exec.Command(build(t), "serve")
	n.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "B2B_DATA_DIR=" + data, "B2B_PORT=0",
		"B2B_HOST=127.0.0.1", "B2B_ADMIN_SECRET=" + adminSecret, "B2B_LOG_LEVEL=debug",
	}, env...)
	n.cmd.Stdout, n.cmd.Stderr = n.logs, n.logs
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { n.done <- n.cmd.Wait() }()
	t.Cleanup(n.kill)
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for !n.listening() || !n.healthy(ctx) {
		select {
		case err := <-n.done:
			n.done <- err
			t.Fatalf("the server ended: %v\n%s", err, n.logs)
		case <-ctx.Done():
			t.Fatalf("the server did not become healthy\n%s", n.logs)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return n
}

// startTime limits the start of a server, which takes a hundredth of it on an idle machine.
const startTime = time.Minute

var listening = regexp.MustCompile(`"msg":"listening","addr":"127\.0\.0\.1:(\d+)"`)

// listening reports whether the server has logged its port, and sets the URL.
func (n *node) listening() bool {
	m := listening.FindStringSubmatch(n.logs.String())
	if m != nil {
		n.URL = "http://localhost:" + m[1]
	}
	return m != nil
}

// resident returns the memory of the process in kB; 0 on systems other than Linux.
func (n *node) resident() int {
	n.t.Helper()
	return n.memory("VmRSS:")
}

// memory returns a figure of the kernel about the memory of the process, in kB; 0 on systems other
// than Linux.
func (n *node) memory(figure string) int {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		n.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), figure)
	kB, err := strconv.Atoi(strings.Fields(rest + " ?")[0])
	if err != nil {
		n.t.Fatal(err)
	}
	return kB
}

// resetPeak makes VmHWM, the peak of the memory of the process, begin anew. It does nothing on
// systems other than Linux.
func (n *node) resetPeak() {
	n.t.Helper()
	const peak = "5" // see proc(5)
	err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", n.cmd.Process.Pid), []byte(peak), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.t.Fatal(err)
	}
}

func (n *node) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+"/health", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends the process at once, like a power failure.
func (n *node) kill() {
	if n.cmd.Process.Kill() == nil {
		<-n.done
	}
}

// stop asks the process to end and returns its result.
func (n *node) stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-n.done:
		return err
	case <-time.After(10 * time.Second):
		return fmt.Errorf("still running 10 s after SIGTERM\n%s", n.logs)
	}
}

// containsError reports whether structured logs have an error: an internal failure, which no
// request may cause.
func containsError(logs string) bool { return strings.Contains(logs, `"level":"ERROR"`) }

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
