package limits

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// StoredJSON turns a free-form JSON value of a request (a message's metadata) into the text
// that is stored: a string as it is, null as nil, any other value as its JSON text without the
// white space between its tokens; key order and the spelling of numbers stay (B2B-MSG-043).
// raw must be one JSON value.
func StoredJSON(raw []byte) (*string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("reading a JSON value: %w", err)
	}
	text := compact.String()
	switch {
	case text == "null":
		return nil, nil
	case text[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("reading a JSON string: %w", err)
		}
	}
	return &text, nil
}

// CheckJSON refuses a free-form value, given as JSON text, of more than most bytes as JSONSize
// counts them. Invalid JSON passes if it is short enough; callers check the syntax.
func CheckJSON(field, text string, most int) error {
	if len(text) > most && JSONSize([]byte(text)) > most {
		return violates(field, "must be at most %d bytes", most)
	}
	return nil
}

// CheckList refuses a list of texts of more than most bytes as compact JSON.
func CheckList(field string, items []string, most int) error {
	if listSize(items) > most {
		return violates(field, "must be at most %d bytes", most)
	}
	return nil
}

// CheckDepth refuses JSON with more levels of nesting than MaxJSONDepth.
func CheckDepth(field, text string) error {
	if Depth(text) > MaxJSONDepth {
		return violates(field, "must be at most %d levels deep", MaxJSONDepth)
	}
	return nil
}

// Depth counts the levels of arrays and objects of JSON, which need not be valid.
func Depth[T string | []byte](data T) int {
	depth, _ := Shape(data)
	return depth
}

// Shape returns the levels of nesting of JSON and an upper bound of the number of its elements:
// an empty array counts as one element. The JSON need not be valid.
func Shape[T string | []byte](data T) (depth, elements int) {
	level := 0
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			elements++
			depth = max(depth, level)
		case c == '}' || c == ']':
			level--
		case c == ',':
			elements++
		}
	}
	return depth, elements
}

// Width returns an upper bound of the members of the outermost object or array of JSON: an empty
// one counts as one. The JSON need not be valid.
func Width[T string | []byte](data T) int {
	level, members := 0, 1
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
		case c == '}' || c == ']':
			level--
		case c == ',' && level == 1:
			members++
		}
	}
	return members
}

// JSONSize returns the size in bytes that a limit counts for a free-form value (B2B-REG-005,
// B2B-MSG-044): a string has the bytes of its own text, anything else those of its compact
// JSON, in which characters are not escaped without need. So a client whose encoder writes `é`
// as `\u00e9` has the same room as one that does not. raw must be valid JSON.
func JSONSize(raw []byte) int {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err == nil {
			return len(text)
		}
	}
	size, inString := 0, false
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '"':
			inString = !inString
			size++
			i++
		case inString && c == '\\' && i+1 < len(raw):
			bytes, used := escapeSize(raw[i:])
			size += bytes
			i += used
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			i++
		default:
			size++
			i++
		}
	}
	return size
}

// escapeSize reads one escape sequence: how many bytes it takes in compact JSON, and how many it
// has here.
func escapeSize(raw []byte) (bytes, used int) {
	if raw[1] == '/' {
		return 1, 2
	}
	first, ok := unicodeEscape(raw)
	if !ok {
		return 2, 2
	}
	if utf16.IsSurrogate(first) {
		if second, ok := unicodeEscape(raw[6:]); ok && utf16.DecodeRune(first, second) != utf8.RuneError {
			return 4, 12
		}
		return 6, 6
	}
	return runeSize(first), 6
}

// unicodeEscape reads the four digits of \uXXXX.
func unicodeEscape(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	code, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(code), err == nil
}

// runeSize returns how many bytes a character takes in a compact JSON string.
func runeSize(r rune) int {
	switch {
	case r == '"' || r == '\\' || r == '\b' || r == '\f' || r == '\n' || r == '\r' || r == '\t':
		return 2
	case r < 0x20:
		return 6
	}
	return utf8.RuneLen(r)
}

// listSize returns the size of an array of strings as compact JSON.
func listSize(items []string) int {
	size := 2
	for i, item := range items {
		if i > 0 {
			size++
		}
		size += 2
		for _, r := range item {
			size += runeSize(r)
		}
	}
	return size
}
