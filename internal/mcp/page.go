package mcp

import (
	"crypto/rand"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// resultBytes is how many bytes of texts of others a result has: about 4,000 tokens.
	resultBytes = 16 << 10
	// messageBytes is how many of them one text of a list has.
	messageBytes = 4 << 10
	// leastBytes is how much of a text is shown although there is no room for more.
	leastBytes = 200
)

// page is a result that is being made: lines of this package, and between them texts of others.
type page struct {
	text  strings.Builder
	room  int           // bytes that texts of others may still take
	mark  string        // of the fence
	open  bool          // within the fence
	data  any           // the same as JSON
	extra []sdk.Content // what is neither
}

func newPage() *page {
	return &page{room: resultBytes, mark: strings.ToLower(rand.Text()[:8])}
}

// line adds a line that this package says. It must not have a text of others.
func (p *page) line(format string, args ...any) {
	p.fence(false)
	fmt.Fprintf(&p.text, format+"\n", args...)
}

// about adds a line of the fence: what a text of others is about, with names and topics of others.
func (p *page) about(format string, args ...any) {
	p.fence(true)
	fmt.Fprintf(&p.text, format+"\n", args...)
}

// body adds a text of others to the fence, which take has cut.
func (p *page) body(text string) {
	if text == "" {
		return
	}
	p.fence(true)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.text.WriteString("  " + line + "\n")
	}
}

// take returns as much of a text of others as there is room for, at most so many bytes, and how many
// bytes are left out. The text is clean.
func (p *page) take(text string, most int) (cut string, rest int) {
	cut, rest = cutText(clean(text), min(most, max(p.room, leastBytes)))
	p.room -= len(cut)
	return cut, rest
}

// full reports whether there is no room for a further text of others.
func (p *page) full() bool { return p.room <= 0 }

func (p *page) fence(open bool) {
	switch {
	case open && !p.open:
		p.text.WriteString("<<<" + p.mark + "\n")
	case !open && p.open:
		p.text.WriteString(">>>" + p.mark + "\n")
	}
	p.open = open
}

// result returns the result. The notice is not part of the text, so that it stays visible where only
// the beginning of a text is shown.
func (p *page) result(notice string) *sdk.CallToolResult {
	p.fence(false)
	res := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: strings.TrimRight(p.text.String(), "\n")}}, StructuredContent: p.data}
	res.Content = append(res.Content, p.extra...)
	if notice != "" {
		res.Content = append(res.Content, &sdk.TextContent{Text: notice})
	}
	return res
}
