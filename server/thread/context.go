package thread

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ContextText turns the JSON value that a request sends as a thread's context into the text that is stored and shown:
// a string as it is, null as none, any other value as its JSON text without the white space between its tokens
// (collaboration.md §2.3). raw must be one JSON value.
func ContextText(raw []byte) (*string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("reading context: %w", err)
	}
	text := compact.String()
	switch {
	case text == "null":
		return nil, nil
	case text[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("reading context: %w", err)
		}
	}
	return &text, nil
}
