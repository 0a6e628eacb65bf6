// Package tracecontext reads and checks the two values with which programs pass on a trace: the
// traceparent and the tracestate of W3C Trace Context.
//
// A traceparent of version 00 is "00-", the trace id in 32 hex digits, "-", the id of the span in
// 16, "-" and flags in 2. A tracestate is a list of entries that tracing systems add for
// themselves. An invalid traceparent counts as none, and an invalid tracestate as an empty one, as
// the standard demands: a fault in tracing never makes a request fail (B2B-MSG-061).
package tracecontext

import (
	"net/http"
	"strings"
)

const (
	parentLength = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	// MaxState is the longest tracestate that is passed on, in bytes.
	MaxState = 512
	// maxEntries is the most entries of a tracestate.
	maxEntries = 32
	maxKey     = 256
	maxValue   = 256
)

// Context is a position in a trace: the span that caused something. The zero Context is none.
type Context struct {
	Parent string // a valid traceparent; empty: none
	State  string // a valid tracestate; empty: none
}

// Parse checks the two values. It returns the zero Context for an invalid traceparent, and leaves
// out an invalid tracestate.
func Parse(parent, state string) Context {
	if !validParent(parent) {
		return Context{}
	}
	if state != "" && !validState(state) {
		state = ""
	}
	return Context{parent, state}
}

// FromHeader reads the headers of a request. Several traceparents are invalid; several tracestates
// are one list.
func FromHeader(h http.Header) Context {
	parents := h["Traceparent"]
	if len(parents) != 1 {
		return Context{}
	}
	states := h["Tracestate"]
	switch len(states) {
	case 0:
		return Parse(parents[0], "")
	case 1:
		return Parse(parents[0], states[0])
	}
	return Parse(parents[0], strings.Join(states, ","))
}

// Text returns a context as one text, which [FromText] reads: the traceparent, and behind a blank
// the tracestate. The text of the zero Context is empty.
func (c Context) Text() string {
	if c.State == "" {
		return c.Parent
	}
	return c.Parent + " " + c.State
}

// FromText reads the result of [Context.Text]. It returns the zero Context for any other text.
func FromText(text string) Context {
	parent, state, _ := strings.Cut(text, " ")
	return Parse(parent, state)
}

func validParent(s string) bool {
	return len(s) == parentLength && s[:3] == "00-" && s[35] == '-' && s[52] == '-' &&
		id(s[3:35]) && id(s[36:52]) && hex(s[53:])
}

// id reports whether a text is lower-case hex and not zero.
func id(s string) bool { return hex(s) && strings.Trim(s, "0") != "" }

func hex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// validState reports whether a text is a list of at most 32 entries key=value with different keys,
// and at most MaxState bytes long. Entries may be empty.
func validState(s string) bool {
	if len(s) > MaxState {
		return false
	}
	var keys [maxEntries]string
	n := 0
	for entry := range strings.SplitSeq(s, ",") {
		entry = strings.Trim(entry, " \t")
		if entry == "" {
			continue
		}
		k, v, ok := strings.Cut(entry, "=")
		if !ok || n == maxEntries || !key(k) || !value(v) {
			return false
		}
		for _, other := range keys[:n] {
			if other == k {
				return false
			}
		}
		keys[n] = k
		n++
	}
	return n > 0
}

// key reports whether a text is a key of an entry: lower-case letters, digits and _-*/, with one @
// between a tenant and a system.
func key(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	tenant, system, multi := strings.Cut(s, "@")
	if !multi {
		return lower(s[0]) && name(s)
	}
	return tenant != "" && len(tenant) <= 241 && (lower(tenant[0]) || digit(tenant[0])) && name(tenant) &&
		system != "" && len(system) <= 14 && lower(system[0]) && name(system)
}

func name(s string) bool {
	for i := range len(s) {
		if c := s[i]; !lower(c) && !digit(c) && strings.IndexByte("_-*/", c) < 0 {
			return false
		}
	}
	return true
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// value reports whether a text is the value of an entry: printable ASCII without a comma and an
// equals sign, and no blank at its end.
func value(s string) bool {
	if s == "" || len(s) > maxValue || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}
