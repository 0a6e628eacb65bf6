package mcp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// place says where a text is that was left out in part: the handle by which read goes on.
type place struct {
	kind   string // "t": a message of a thread, "c": of a channel, "a": an artifact
	in     string // the thread or channel
	id     string // of the message; of an artifact its key
	at     int64  // of a message when it was sent, in milliseconds; of an artifact its version
	offset int    // in bytes of the clean text
}

// String returns the handle.
func (p place) String() string {
	return fmt.Sprintf("%s:%s:%s:%d:%d", p.kind, p.in, p.id, p.at, p.offset)
}

// parsePlace reads a handle.
func parsePlace(text string) (place, error) {
	parts := strings.Split(text, ":")
	wrong := invalid("more: must be as it was in an earlier result")
	if len(parts) != 5 || !slices.Contains([]string{"t", "c", "a"}, parts[0]) {
		return place{}, wrong
	}
	at, err := strconv.ParseInt(parts[3], 10, 64)
	offset, err2 := strconv.Atoi(parts[4])
	if err != nil || err2 != nil || offset < 0 {
		return place{}, wrong
	}
	return place{kind: parts[0], in: parts[1], id: parts[2], at: at, offset: offset}, nil
}

// held is a delivery that was handed out to the agent, as the agent names it.
type held struct{ id, lease string }

// String returns the text by which the agent names it.
func (h held) String() string { return h.id + ":" + h.lease }

// parseHeld reads the text of a delivery. An empty one is nil: there is none.
func parseHeld(text string) (*held, error) {
	if text == "" {
		return nil, nil
	}
	id, lease, ok := strings.Cut(text, ":")
	if !ok || id == "" || lease == "" {
		return nil, invalid("delivery: must be as wait returned it")
	}
	return &held{id, lease}, nil
}
