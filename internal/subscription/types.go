package subscription

import (
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/limits"
)

// CheckTypes refuses types of events that a client cannot receive (B2B-EVT-033).
func CheckTypes(types []string) error {
	for _, t := range types {
		if t != eventlog.AllTypes && !eventtype.IsDelivered(t) {
			return call.Invalid("types: %.64q is not a type of event", t)
		}
	}
	return nil
}

// ParseTypes reads the types that a WebSocket connection names, separated by commas (B2B-WS-033).
// Empty entries do not count.
func ParseTypes(text string) ([]string, error) {
	var types []string
	for t := range strings.SplitSeq(text, ",") {
		if t == "" {
			continue
		}
		if len(types) == limits.MaxStreamTypes {
			return nil, call.Invalid("types: must have at most %d entries", limits.MaxStreamTypes)
		}
		types = append(types, t)
	}
	return types, CheckTypes(types)
}
