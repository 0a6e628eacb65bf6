package wire

import (
	"fmt"
	"strings"
)

// A FieldError is the first error in a request. Its text is meant for the client: it contains names
// of the schema and keys that the client sent, and nothing about the server.
type FieldError struct {
	// Path leads from the outermost object to the value: "parts[2].url". It is empty for the whole
	// body.
	Path string
	// Want is the rule that the value breaks: "must be a string".
	Want string
}

// Error returns "path: rule", such as "content: must be a string".
func (e *FieldError) Error() string {
	if e.Path == "" {
		return "body: " + e.Want
	}
	return e.Path + ": " + e.Want
}

func wants(format string, args ...any) *FieldError {
	return &FieldError{Want: fmt.Sprintf(format, args...)}
}

// in prepends a step, a key or an index in brackets, to the path of e.
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

// twice returns the error for a key that occurs twice in an object. JSON readers disagree about
// which one counts, so it is refused.
func twice(key string) *FieldError {
	const most = 64
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return wants("must not be named twice").in(key)
}
