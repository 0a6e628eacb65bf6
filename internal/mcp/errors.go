package mcp

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// failure is why a tool did not do what it was asked, as JSON.
type failure struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint,omitempty"`
	RetryAfter int32  `json:"retry_after,omitempty"`
}

// Error returns it as a line: the code, what was wrong, what to do.
func (f *failure) Error() string {
	text := f.Code + ": " + f.Message
	if f.Hint != "" {
		text += ". " + f.Hint
	}
	if f.RetryAfter > 0 {
		text += fmt.Sprintf(" (retry after %d s)", f.RetryAfter)
	}
	return text
}

// invalid returns the failure of arguments that do not fit together.
func invalid(format string, args ...any) error {
	return &failure{Code: "VALIDATION_ERROR", Message: fmt.Sprintf(format, args...)}
}

// failureOf returns why a call failed.
func failureOf(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	if d := b2b.DetailOf(err); d != nil {
		var wire *connect.Error
		errors.As(err, &wire)
		return &failure{Code: codeText(d.GetCode()), Message: clean(wire.Message()), Hint: clean(d.GetHint()), RetryAfter: d.GetRetryAfter()}
	}
	var config *b2b.ConfigError
	switch {
	case errors.As(err, &config):
		return &failure{Code: "CONFIGURATION", Message: clean(config.Problem)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{Code: "CANCELLED", Message: "the call was cancelled, or took too long"}
	}
	return &failure{Code: "UNREACHABLE", Message: clean(err.Error()), Hint: "The server may be down; try again later."}
}

// codeText returns the text of a code, as the JSON of REST has it.
func codeText(code b2bv1.ErrorCode) string {
	const prefix = len("ERROR_CODE_")
	if name := code.String(); len(name) > prefix {
		return name[prefix:]
	}
	return "UNKNOWN"
}

// passing reports whether a call failed for the moment, so that it can be made again.
func passing(err error) bool {
	if d := b2b.DetailOf(err); d != nil {
		return d.GetRetryable()
	}
	return !errors.As(err, new(*b2b.ConfigError))
}
