package files

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
)

// HeadSize is the number of leading bytes that Kind examines.
const HeadSize = 3072

// Unknown is the media type of unknown content.
const Unknown = "application/octet-stream"

// kinds are the accepted media types, which are also served as such. A browser executes none of
// them, and shows only images inline.
var kinds = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true,
	"application/pdf": true, "text/plain": true, "text/csv": true, "application/json": true,
}

// DeclaredKind returns the media type that an uploader declared, without parameters and in lower
// case, text/plain if it is empty. It returns false if the type is not accepted.
func DeclaredKind(declared string) (string, bool) {
	kind, _, _ := strings.Cut(declared, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" {
		kind = "text/plain"
	}
	return kind, kinds[kind]
}

// ServedKind returns the media type for downloads of a file of this type: the type itself, or
// Unknown if it is not accepted.
func ServedKind(stored string) string {
	if kinds[stored] {
		return stored
	}
	return Unknown
}

// Kind returns the media type of a file, from its first HeadSize bytes and its declared type,
// which is an accepted one. A type that is recognised in the bytes takes precedence; Kind
// returns false if it is not accepted. For text the declared type holds, except for XML.
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

// isText reports whether bytes were recognised as some form of text.
func isText(m *mimetype.MIME) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is("text/plain") {
			return true
		}
	}
	return false
}

// readable reports whether bytes are only text. It prevents that the first two letters of a
// table are recognised as the magic number of a program.
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

// Shown reports whether browsers may show files of a type inline.
func Shown(kind string) bool { return strings.HasPrefix(kind, "image/") }
