package wire

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Marshal returns m as wire JSON. It returns an error only if m is not a message of the schema.
func Marshal(m proto.Message) ([]byte, error) {
	return Append(nil, m)
}

func errUnknown(m proto.Message) error {
	return fmt.Errorf("wire: %T is not a message of the schema", m)
}

func errNoField(m proto.Message, field string) error {
	return fmt.Errorf("wire: %q is not a response body of %T", field, m)
}

// The generated code writes every member and element with a comma after it; the last comma is
// replaced by the closing bracket. So no state has to record whether a member is the first one, and
// members can be left out or inlined.

func closeObject(b []byte) []byte {
	if last := len(b) - 1; b[last] == ',' {
		b[last] = '}'
		return b
	}
	return append(b, '}')
}

func appendArray[T any](b []byte, list []T, each func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = each(b, v)
	}
	return append(b, ']')
}

func appendOptional[T any](b []byte, v *T, each func([]byte, T) []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return each(b, *v)
}

// orZero returns the value of an optional field; absent and zero are written the same.
func orZero[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

func appendInt32(b []byte, v int32) []byte { return strconv.AppendInt(b, int64(v), 10) }

func appendInt64(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }

// appendDouble writes a number as JavaScript does, and null for values that JSON does not have.
func appendDouble(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	size := math.Abs(v)
	if size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'e', -1, 64)
	if n := len(b); b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-07 is e-7
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// appendTime writes Unix milliseconds, rounded down.
func appendTime(b []byte, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, t.Seconds*1000+int64(t.Nanos)/1e6, 10)
}

// appendText writes a text that needs no escapes; null if it is empty.
func appendText(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// appendRaw writes text that is JSON; null if it is empty.
func appendRaw(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return append(b, text...)
}

// appendExtra writes the members of a JSON object, given as text.
func appendExtra(b []byte, object string) []byte {
	object = trimJSON(object)
	if len(object) < 2 || object[0] != '{' {
		return b
	}
	members := trimJSON(object[1 : len(object)-1])
	if members == "" {
		return b
	}
	b = append(b, members...)
	return append(b, ',')
}

func trimJSON(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// isSpace reports whether c is white space between JSON tokens.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func appendStringMap(b []byte, m map[string]string) []byte {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for _, k := range keys {
		b = AppendString(b, k)
		b = append(b, ':')
		b = AppendString(b, m[k])
		b = append(b, ',')
	}
	return closeObject(b)
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD. U+2028 and
// U+2029 are escaped, since old versions of JavaScript treat them as line ends; <, > and & are not.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if i += plainRun(s[i:]); i == len(s) {
			break
		}
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(b, s[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hex[r&0xF])
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plainRun returns how many bytes at the start of s can be copied without escapes: ' ' to '~'
// except quotes and backslashes. It checks eight bytes at a time, so it may return less than there
// are.
func plainRun(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	n := 0
	for len(s)-n >= 8 {
		w := uint64(s[n]) | uint64(s[n+1])<<8 | uint64(s[n+2])<<16 | uint64(s[n+3])<<24 |
			uint64(s[n+4])<<32 | uint64(s[n+5])<<40 | uint64(s[n+6])<<48 | uint64(s[n+7])<<56
		quote, backslash := w^(ones*'"'), w^(ones*'\\')
		// In each term the high bit of a byte is set if w has, at this place, a byte below ' ', a
		// quote, a backslash, or a byte from 0x80 on.
		if ((w-ones*' ')|(quote-ones)|(backslash-ones)|w)&highs != 0 {
			break
		}
		n += 8
	}
	return n
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF])
}
