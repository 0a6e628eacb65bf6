package limits

import "strings"

// FileName is the name of an uploaded file: what stands behind the last slash or
// backslash of what the uploader called it, with U+FFFD for what is not UTF-8.
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
