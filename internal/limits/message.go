package limits

import (
	"strings"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// MostContent is the longest content that an operator may allow, in UTF-16 units: what fits
// in a body of 1 MiB with 1 KiB for all else (B2B-ENV-008). In other scripts than Latin less
// fits, as a body has bytes.
const MostContent = 1<<20 - 1<<10

// Part is what resolving the content of a message needs to know of one of its parts.
type Part struct {
	Type    string
	Content string // of a text or markdown part; others leave it empty
}

// ResolveContent returns the content of a message (B2B-MSG-001 to 003): that of the request if it
// has one, else that of the first text or markdown part, else a placeholder with the types of the
// parts, such as `[image, link]`, or `[]` for an empty list. parts is nil if the request has none.
// It returns an error if the content is empty.
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

// Preview shortens content for a list: more than MaxPreview UTF-16 code units are cut there
// and end with an ellipsis (B2B-WORKSPACE-003). A character that the cut would split is left
// out whole.
func Preview(content string) string {
	short, cut := jstext.Cut(content, MaxPreview)
	if cut {
		return short + "…"
	}
	return short
}
