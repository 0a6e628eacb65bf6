package wire

import (
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// The scanner splits JSON into pieces without copying. It relies on check having accepted the whole
// text: it looks for ends, not for errors.

func trimSpace(raw []byte) []byte {
	for len(raw) > 0 && isSpace(raw[0]) {
		raw = raw[1:]
	}
	for len(raw) > 0 && isSpace(raw[len(raw)-1]) {
		raw = raw[:len(raw)-1]
	}
	return raw
}

func isNull(raw []byte) bool { return raw[0] == 'n' }

// members yields the keys of an object, with their quotes, and the values, without the white space
// around them.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(rawKey, value []byte) bool) {
		pos := next(object, 1)
		for object[pos] != '}' {
			keyEnd := valueEnd(object, pos)
			start := next(object, next(object, keyEnd)+1)
			end := valueEnd(object, start)
			if !yield(object[pos:keyEnd], object[start:end]) {
				return
			}
			pos = next(object, end)
			if object[pos] == ',' {
				pos = next(object, pos+1)
			}
		}
	}
}

// elements yields the elements of an array, with their indexes.
func elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(i int, value []byte) bool) {
		pos := next(array, 1)
		for i := 0; array[pos] != ']'; i++ {
			end := valueEnd(array, pos)
			if !yield(i, array[pos:end]) {
				return
			}
			pos = next(array, end)
			if array[pos] == ',' {
				pos = next(array, pos+1)
			}
		}
	}
}

// next returns the position of the first byte at or after pos that is not white space.
func next(data []byte, pos int) int {
	for isSpace(data[pos]) {
		pos++
	}
	return pos
}

// valueEnd returns the position after the value that begins at pos.
func valueEnd(data []byte, pos int) int {
	switch data[pos] {
	case '"':
		return stringEnd(data, pos)
	case '{', '[':
		return nestedEnd(data, pos)
	}
	for pos < len(data) {
		switch c := data[pos]; {
		case c == ',' || c == '}' || c == ']' || isSpace(c):
			return pos
		}
		pos++
	}
	return pos
}

func stringEnd(data []byte, pos int) int {
	for pos++; data[pos] != '"'; pos++ {
		if data[pos] == '\\' {
			pos++
		}
	}
	return pos + 1
}

func nestedEnd(data []byte, pos int) int {
	for level := 0; ; {
		switch data[pos] {
		case '"':
			pos = stringEnd(data, pos)
			continue
		case '{', '[':
			level++
		case '}', ']':
			level--
		}
		pos++
		if level == 0 {
			return pos
		}
	}
}

// unquote returns the text of a JSON string. Half of a surrogate pair becomes U+FFFD, since Go and
// the database use UTF-8.
func unquote(raw []byte) string {
	body := raw[1 : len(raw)-1]
	i := 0
	for i < len(body) && body[i] != '\\' {
		i++
	}
	if i == len(body) {
		return string(body)
	}
	text := append(make([]byte, 0, len(body)), body[:i]...)
	for i < len(body) {
		if body[i] != '\\' {
			text = append(text, body[i])
			i++
			continue
		}
		if body[i+1] != 'u' {
			text = append(text, unescape(body[i+1]))
			i += 2
			continue
		}
		r := codeUnit(body[i:])
		i += 6
		if utf16.IsSurrogate(r) {
			pair := utf16.DecodeRune(r, codeUnit(body[i:]))
			if pair != utf8.RuneError {
				i += 6
			}
			r = pair
		}
		text = utf8.AppendRune(text, r)
	}
	return string(text)
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// codeUnit reads the \uXXXX at the start of text, or returns -1.
func codeUnit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range text[2:6] {
		r <<= 4
		switch {
		case c >= 'a':
			r |= rune(c-'a') + 10
		case c >= 'A':
			r |= rune(c-'A') + 10
		default:
			r |= rune(c - '0')
		}
	}
	return r
}
