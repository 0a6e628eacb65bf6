//go:build unix

package runner

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestCommandEndsWithItsChildren: a command that is out of time is killed with what it has started, also
// if they ignore the signal to end.
func TestCommandEndsWithItsChildren(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	const forever = "trap '' TERM; while :; do sleep 0.05; done"
	e := &execution{
		args: []string{"sh", "-c", "(" + forever + ") & echo $! >" + file + "; " + forever}, env: os.Environ(),
		most: 500 * time.Millisecond, grace: 100 * time.Millisecond,
	}
	if _, err := e.run(t.Context()); !errors.Is(err, ErrTooLong) {
		t.Errorf("the command ended with %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the child lives", func() bool {
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			return true
		}
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat") // nobody may have collected it
		return err == nil && strings.Contains(string(stat), ") Z ")
	})
}
