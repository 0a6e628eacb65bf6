package wire

import (
	"fmt"
	"strings"
)

// A FieldError says what is wrong with the first thing in a request that is wrong.
// Its text is made for the client: it holds names of the schema and of keys that
// the client sent, and nothing of the server.
type FieldError struct {
	// Path leads to the value from the top: "parts[2].url". It is empty when the
	// whole body is meant.
	Path string
	// Want is the rule that the value breaks: "must be a string".
	Want string
}

// Error returns "path: rule", e.g. "content: must be a string".
func (e *FieldError) Error() string {
	if e.Path == "" {
		return "body: " + e.Want
	}
	return e.Path + ": " + e.Want
}

func wants(format string, args ...any) *FieldError {
	return &FieldError{Want: fmt.Sprintf(format, args...)}
}

// in puts step, a key or an index in brackets, before the path of e.
func (e *FieldError) in(step string) *FieldError {
	switch {
	case e.Path == "":
		e.Path = step
	case strings.HasPrefix(e.Path, "["):
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}

func (e *FieldError) at(index int) *FieldError { return e.in(fmt.Sprintf("[%d]", index)) }

// twice is the error of a key that an object names two times. Readers of JSON
// disagree which of the two counts, so neither does.
func twice(key string) *FieldError {
	const most = 64
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return wants("must not be named twice").in(key)
}
