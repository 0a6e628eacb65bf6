package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

const (
	mostOutput = 4 << 20          // bytes of the output of a command that are kept
	endGrace   = 10 * time.Second // that a command has to end after it was asked to
)

// ErrTooLong is the error of a command that did not end in its time.
var ErrTooLong = errors.New("the command took too long")

// errOutput is the error of a command that printed too much.
var errOutput = fmt.Errorf("the command printed more than %d MiB", mostOutput>>20)

// execution is one run of a command.
type execution struct {
	args   []string
	env    []string
	folder string
	input  []byte
	errs   io.Writer // gets its standard error
	most   time.Duration
	grace  time.Duration // 0: endGrace
}

// run runs the command and returns what it printed. When ctx ends or its time is over, the command and
// the programs that it started are asked to end, and then killed.
func (e *execution) run(ctx context.Context) ([]byte, error) {
	if e.most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.most, ErrTooLong)
		defer cancel()
	}
	out := &output{}
	cmd := exec.CommandContext(ctx, e.args[0], e.args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = e.env, e.folder, bytes.NewReader(e.input), out, e.errs
	inGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = cmp.Or(e.grace, endGrace)
	err := cmd.Run()
	killGroup(cmd)
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // it has ended well; what it left behind had its output open
	}
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, context.Cause(ctx)
	case out.over:
		return nil, errOutput
	}
	return out.text.Bytes(), err
}

// output keeps what is printed, up to mostOutput bytes.
type output struct {
	text bytes.Buffer
	over bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.over = o.over || o.text.Len()+len(p) > mostOutput; !o.over {
		o.text.Write(p)
	}
	return len(p), nil
}
