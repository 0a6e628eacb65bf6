package limits

import (
	"strings"

	"github.com/b2b-protocol/b2b/server/jstext"
)

// Limits of a message (collaboration.md §3, §12.1).
const (
	MaxParts       = 50
	MaxContentType = 128   // bytes
	MaxMetadata    = 16384 // bytes of JSON text
)

// Part is what resolving the content of a message needs to know of one of its parts.
type Part struct {
	Type    string
	Content string // of a text or markdown part; others leave it empty
}

// ResolveContent answers the content of a message (collaboration.md §3.2). Content that was sent is used as it is,
// with or without parts. Without it, the first text or markdown part gives it, and where there is none a placeholder
// lists the types: `[image, link]`, for an empty list `[]`. parts is nil when the request had none.
//
// Content that is empty in the end is refused as missing, wherever it came from.
func ResolveContent(content *string, parts []Part) (string, error) {
	resolved := ""
	switch {
	case content != nil:
		resolved = *content
	case parts != nil:
		resolved = contentOf(parts)
	}
	if resolved == "" {
		return "", violates("content", "or parts is required")
	}
	return resolved, nil
}

func contentOf(parts []Part) string {
	types := make([]string, len(parts))
	for i, part := range parts {
		if part.Type == "text" || part.Type == "markdown" {
			return part.Content
		}
		types[i] = part.Type
	}
	return "[" + strings.Join(types, ", ") + "]"
}

// ContentLength checks the length of content against the limit of the server, in UTF-16 code units.
func ContentLength(content string, most int) error {
	return CheckCharacters("content", content, most)
}

// ContentType checks the content type of a message: any text, also the empty one (collaboration.md §3.4).
func ContentType(contentType string) error {
	if len(contentType) > MaxContentType {
		return violates("content_type", "must be at most %d bytes", MaxContentType)
	}
	return nil
}

// MessageMetadata answers the metadata to store, see StoredJSON, at most MaxMetadata bytes as JSONSize counts them.
// raw must be one JSON value.
func MessageMetadata(raw []byte) (*string, error) {
	text, err := StoredJSON(raw)
	if err != nil {
		return nil, violates("metadata", "must be JSON")
	}
	if JSONSize(raw) > MaxMetadata {
		return nil, violates("metadata", "must be at most %d bytes", MaxMetadata)
	}
	return text, nil
}

// Preview shortens content for a list: more than MaxPreview UTF-16 code units are cut there and end with an ellipsis
// (collaboration.md §15.4). A character that the cut would split is left out whole.
func Preview(content string) string {
	short, cut := jstext.Cut(content, MaxPreview)
	if cut {
		return short + "…"
	}
	return short
}
