package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
)

// Pager starts the program that shows long output, and returns what to write to and a function that
// waits until the reader has left it. command is that of B2B_PAGER or PAGER; empty: less, which ends by
// itself if all fits on the screen. env is its environment.
func Pager(ctx context.Context, command string, env []string, out, errs io.Writer) (io.Writer, func() error, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		words = []string{"less", "-FRX"}
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, errs
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("start the pager %s: %w", words[0], err)
	}
	return quiet{in}, func() error { return errors.Join(in.Close(), cmd.Wait()) }, nil
}

// quiet ignores that the reader has left the pager before the end.
type quiet struct{ w io.Writer }

func (q quiet) Write(b []byte) (int, error) {
	n, err := q.w.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return len(b), nil
	}
	return n, err
}
