package limits

import "strings"

// FileName returns the name of an uploaded file: the part of the given name after the last slash
// or backslash, with U+FFFD for bytes that are not UTF-8.
func FileName(given string) (string, error) {
	name := given[strings.LastIndexAny(given, `/\`)+1:]
	name = strings.ToValidUTF8(name, "\uFFFD")
	switch {
	case name == "" || name == "." || name == "..":
		return "", violates("name", "must be the name of a file")
	case strings.ContainsRune(name, 0):
		return "", violates("name", "must not have the character U+0000")
	case len(name) > MaxFileName:
		return "", violates("name", "must be at most %d bytes", MaxFileName)
	}
	return name, nil
}
