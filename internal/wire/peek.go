package wire

import "bytes"

// Peek reads some keys of a frame before its message type is known. It returns their raw values,
// nil for an absent key; for a key that occurs twice, the last value. object is false for JSON that
// is not an object. Data that is not JSON or not UTF-8, or that is nested more than 64 levels deep,
// is a *[FieldError].
func Peek(data []byte, keys ...string) (values [][]byte, object bool, err error) {
	if err := check(data); err != nil {
		return nil, false, err
	}
	raw := trimSpace(data)
	if raw[0] != '{' {
		return nil, false, nil
	}
	values = make([][]byte, len(keys))
	for rawKey, value := range members(raw) {
		key := rawKey[1 : len(rawKey)-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(unquote(rawKey))
		}
		for i, k := range keys {
			if k == string(key) {
				values[i] = value
			}
		}
	}
	return values, true, nil
}

// Text returns the text of a raw value that is a JSON string.
func Text(raw []byte) (text string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return unquote(raw), true
}
