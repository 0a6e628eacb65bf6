package runner

import (
	"context"
	"errors"
	"log/slog"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Executor does what items ask for: a command on this machine, or an agent elsewhere.
type Executor interface {
	// Execute does what an item asks for and returns the answer. Its error is a *Failure, or the cause of
	// the end of ctx.
	Execute(ctx context.Context, j *Job) (*Answer, error)
}

// Job is an item in the hands of an executor.
type Job struct {
	*Item
	Log *slog.Logger
	// Progress says what the executor does, as a text that others can read.
	Progress func(ctx context.Context, text string) error
}

// Answer is what an executor says to an item. One without a text and parts is none: the item is done.
type Answer struct {
	Text  string
	Parts []*b2bv1.Part
	// Failed says why the item has failed for good, although there is something to say. Others read it.
	Failed string
}

// Failure is the error of an item that was not done.
type Failure struct {
	// Reason is what others read: no output of a command, no path of this machine, no address.
	Reason string
	// Final says that trying again would not help.
	Final bool
	// Err is for the log.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason + ": " + f.Err.Error() }

// Unwrap returns what happened.
func (f *Failure) Unwrap() error { return f.Err }

// failed returns an error as a failure that may be overcome.
func failed(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Reason: "the agent could not do its work", Err: err}
}
