package files

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
)

// HeadSize is how many of the first bytes Kind looks at.
const HeadSize = 3072

// Unknown is the media type of what may be anything.
const Unknown = "application/octet-stream"

// kinds are the media types that are taken and served as themselves. A browser runs
// none of them; images alone it may show in place.
var kinds = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true,
	"application/pdf": true, "text/plain": true, "text/csv": true, "application/json": true,
}

// DeclaredKind is the media type that an uploader gave a file: without parameters, in
// lower case, text/plain if there is none; false if it is not taken.
func DeclaredKind(declared string) (string, bool) {
	kind, _, _ := strings.Cut(declared, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" {
		kind = "text/plain"
	}
	return kind, kinds[kind]
}

// ServedKind is the media type that a file of this type is served as: itself, or
// Unknown for what is not taken today.
func ServedKind(stored string) string {
	if kinds[stored] {
		return stored
	}
	return Unknown
}

// Kind decides what a file is, by its first bytes (all of them, or HeadSize) and the
// type that was declared and is taken. Bytes that are known to be something are that,
// whatever was declared; false if that is not taken. Text is never known to be
// anything: then the declaration holds, but for what is written in XML.
func Kind(declared string, head []byte) (string, bool) {
	found := mimetype.Detect(head)
	for kind := range kinds {
		if found.Is(kind) && !isText(found) {
			return kind, true
		}
	}
	if !isText(found) && !found.Is(Unknown) && !readable(head) {
		return "", false
	}
	start := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head[:min(len(head), 256)], []byte("\xef\xbb\xbf")), " \t\r\n\v\f"))
	for _, xml := range []string{"<?xml", "<svg", "<!doctype svg"} {
		if bytes.HasPrefix(start, []byte(xml)) {
			return "", false
		}
	}
	return declared, true
}

// isText tells whether bytes were recognised as some form of text.
func isText(m *mimetype.MIME) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is("text/plain") {
			return true
		}
	}
	return false
}

// readable tells whether bytes hold nothing but text, so that the two letters that a
// table begins with are not taken for the magic number of a program.
func readable(head []byte) bool {
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(head) // cut off in the middle of a character
		}
		if r < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", r) || r == 0x7f {
			return false
		}
		head = head[size:]
	}
	return true
}

// Shown tells whether a browser may show files of a type in place.
func Shown(kind string) bool { return strings.HasPrefix(kind, "image/") }
