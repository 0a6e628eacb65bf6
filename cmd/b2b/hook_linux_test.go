package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestParkedHookEnds: a hook that parks does not outlive an agent program that was killed.
func TestParkedHookEnds(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("ann")
	program := exec.Command("sh", "-c", fmt.Sprintf("%s hook stop --park 1h </dev/null & echo $!; wait", build(t)))
	program.Env = []string{"B2B_URL=" + n.URL, "B2B_TOKEN=" + bots["ann"].token, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	var hook int
	if _, err := fmt.Fscan(out, &hook); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the hook does not call the server", func() bool {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", hook)) // has no error for this pattern
		return slices.ContainsFunc(open, func(fd string) bool {
			to, err := os.Readlink(fd)
			return err == nil && strings.HasPrefix(to, "socket:")
		})
	})
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // it was killed
	waittest.Until(t, "the hook waits for nobody", func() bool { return !runs(hook) })
}

// runs reports whether a process runs: it is there, and nobody's child that has ended.
func runs(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(text), ") Z ")
}
