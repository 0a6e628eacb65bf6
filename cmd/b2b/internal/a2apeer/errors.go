package a2apeer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
)

// refusals are the errors of A2A after which the same message would be refused again.
var refusals = []error{
	a2a.ErrParseError, a2a.ErrInvalidRequest, a2a.ErrInvalidParams, a2a.ErrMethodNotFound, a2a.ErrUnsupportedOperation,
	a2a.ErrUnsupportedContentType, a2a.ErrExtensionSupportRequired, a2a.ErrVersionNotSupported,
}

// is reports whether an error is one of several.
func is(err error, of ...error) bool {
	return slices.ContainsFunc(of, func(target error) bool { return errors.Is(err, target) })
}

// answered reports whether an error is an answer of the agent, in the words of A2A.
func answered(err error) bool {
	var of *a2a.Error
	return errors.As(err, &of) || errors.Is(err, a2a.ErrServerError)
}

// temporary reports whether the agent was not reached, or cannot answer now.
func temporary(err error) bool {
	var network net.Error
	switch {
	case err == nil, answered(err), is(err, errCredential, errRedirect, errElsewhere, errTooMuch, bufio.ErrTooLong):
		return false
	}
	return is(err, errBusy, errIdle, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded) || errors.As(err, &network)
}

// failureOf returns the failure of a call, with what others may read of it: of what the agent has said
// only the code.
func failureOf(err error) *runner.Failure {
	var of *runner.Failure
	if errors.As(err, &of) {
		return of
	}
	f := &runner.Failure{Reason: "the agent sent what could not be read", Err: errors.New(brief(err))}
	switch {
	case is(err, errTooMuch, bufio.ErrTooLong):
		f.Reason, f.Final = errTooMuch.Error(), true
	case is(err, errCredential, errRedirect, errElsewhere):
		f.Reason = errCredential.Error()
		if !errors.Is(err, errCredential) {
			f.Reason = errRedirect.Error()
		}
	case errors.Is(err, a2a.ErrTaskNotFound):
		f.Reason = "the agent does not know the task any more"
	case is(err, refusals...):
		f.Reason, f.Final = "the agent refused the message: "+a2a.ErrorReason(err), true
	case answered(err):
		f.Reason = "the agent reported an error: " + a2a.ErrorReason(err)
	case temporary(err):
		f.Reason = ErrUnreachable.Error()
	}
	return f
}
