package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"time"
)

// Input is what a command gets on its standard input.
type Input string

// The inputs.
const (
	InputJSON   Input = "json"   // the item as one line of JSON
	InputText   Input = "text"   // the text of the message
	InputPrompt Input = "prompt" // a text for a model, with its context
)

// ExitFinal is the exit status of a command for a delivery that has failed for good, that of sysexits.h
// for input that is wrong. Any other status but 0 means: again later.
const ExitFinal = 65

// Command is an Executor that runs a command for each item. What it prints is the answer.
type Command struct {
	Args     []string  // of the program; with a template, its further arguments
	Template *Template // nil: none
	Input    Input
	Timeout  time.Duration // of a run; 0: none
	Sessions *Sessions
	Environ  []string
	Errs     io.Writer // gets the standard error of the runs
}

// Execute runs the command for an item.
func (c *Command) Execute(ctx context.Context, j *Job) (*Answer, error) {
	session := c.Sessions.Of(j.Scope())
	env := slices.Concat(c.Environ, j.environment(session))
	e := &execution{args: c.Args, env: env, errs: c.Errs, most: c.Timeout}
	input := c.Input
	if c.Template != nil {
		e.args, input = c.Template.args(session, c.Args), InputPrompt
	}
	var err error
	switch input {
	case InputText:
		e.input = []byte(j.Text)
	case InputPrompt:
		e.input = []byte(j.Prompt())
	default:
		if e.input, err = j.JSON(session); err != nil {
			return nil, failureOfRun(err)
		}
	}
	j.Log.Info("running", "session", session.ID, "resumed", session.Resumed)
	out, err := e.run(ctx)
	reply, made := string(out), ""
	if err == nil && c.Template != nil {
		reply, made, err = c.Template.read(out)
	}
	if err != nil {
		return nil, failureOfRun(errors.Join(err, c.Sessions.Forget(j.Scope())))
	}
	if err := c.Sessions.Keep(j.Scope(), cmp.Or(made, session.ID)); err != nil {
		return nil, failureOfRun(err)
	}
	return &Answer{Text: reply}, nil
}

// failureOfRun returns the failure of a run, with what others may read of it.
func failureOfRun(err error) *Failure {
	f := &Failure{Reason: "the agent could not run its command", Err: err}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		f.Reason = fmt.Sprintf("the command of the agent ended with exit status %d", exit.ExitCode())
		f.Final = exit.ExitCode() == ExitFinal
	case errors.As(err, &exit):
		f.Reason = "the command of the agent was killed"
	case errors.Is(err, ErrTooLong), errors.Is(err, errOutput):
		f.Reason = err.Error()
	}
	return f
}

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
