package thread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/limits"
)

// Action is an action that a permission policy can restrict. Its text is the key in the policy.
type Action string

// The six actions, with the operations that need them (B2B-THR-076).
const (
	ActionResolve Action = "resolve" // setting the status resolved
	ActionClose   Action = "close"   // setting the status closed
	ActionInvite  Action = "invite"  // adding participants; with manage, handling join requests
	ActionRemove  Action = "remove"  // removing another participant
	ActionWrite   Action = "write"   // messages and artifacts
	ActionManage  Action = "manage"  // visibility, join policy and the policy itself
)

// Actions lists the six actions, in the order of B2B-THR-076.
func Actions() []Action {
	return []Action{ActionResolve, ActionClose, ActionInvite, ActionRemove, ActionWrite, ActionManage}
}

// PolicyError is the error of a permission policy that is refused. Problem is a text for the
// caller.
type PolicyError struct{ Problem string }

func (e *PolicyError) Error() string { return "permission_policy " + e.Problem }

func refusePolicy(format string, args ...any) error {
	return &PolicyError{Problem: fmt.Sprintf(format, args...)}
}

// ParsePolicy checks the JSON text of a permission policy and returns the text to store. It is used
// for threads and for the org setting default_thread_permission_policy.
//
// A policy is an object with any of the six actions as keys. Each value is null or an array of at
// most limits.MaxPolicyLabels strings: labels, "*" or "initiator" (B2B-THR-070). JSON null is "no
// policy", for which ParsePolicy returns nil. Anything else returns a *PolicyError, also an array
// in place of the object, and a duplicate key.
//
// The stored text is the sent text without the white space between its tokens. The order of keys
// and the spelling of escapes stay (B2B-THR-009).
func ParsePolicy(raw []byte) (*string, error) {
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return nil, refusePolicy("must be an object or null")
	}
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '{' {
		return nil, refusePolicy("must be an object or null")
	}
	if _, elements := limits.Shape(raw); elements > limits.MaxElements {
		return nil, refusePolicy("must have at most %d elements", limits.MaxElements)
	}
	if err := eachMember(raw, checkRule()); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("compact a valid policy: %w", err)
	}
	if compact.Len() > limits.MaxPolicy {
		return nil, refusePolicy("must be at most %d bytes of JSON", limits.MaxPolicy)
	}
	text := compact.String()
	return &text, nil
}

// checkRule returns a function that checks one member of a policy, also for duplicate keys.
func checkRule() func(key string, value json.RawMessage) error {
	seen := make(map[Action]bool, 6)
	return func(key string, value json.RawMessage) error {
		action := Action(key)
		switch action {
		case ActionResolve, ActionClose, ActionInvite, ActionRemove, ActionWrite, ActionManage:
		default:
			return refusePolicy("has an unknown key %q", clip(key))
		}
		if seen[action] {
			return refusePolicy("has the key %q twice", key)
		}
		seen[action] = true
		if string(value) == "null" {
			return nil
		}
		labels, ok := decodeArray(value)
		if !ok {
			return refusePolicy("%s must be null or an array of strings", key)
		}
		for _, label := range labels {
			if label[0] != '"' {
				return refusePolicy("%s must be null or an array of strings", key)
			}
		}
		if len(labels) > limits.MaxPolicyLabels {
			return refusePolicy("%s must list at most %d labels", key, limits.MaxPolicyLabels)
		}
		return nil
	}
}

// eachMember calls visit for every member of a JSON object in order, including duplicates. raw is
// valid JSON.
func eachMember(raw []byte, visit func(key string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return refusePolicy("must be an object or null")
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("read a key of a valid policy: %w", err)
		}
		key, ok := token.(string)
		if !ok {
			return refusePolicy("must be an object or null")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("read a value of a valid policy: %w", err)
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the end of a valid policy: %w", err)
	}
	return nil
}

// decodeArray reads a JSON array of any values.
func decodeArray(raw json.RawMessage) ([]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, false
	}
	return items, true
}

// clip shortens a text of the client for an error.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return string([]rune(s[:most])) + "…"
}
