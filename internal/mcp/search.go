package mcp

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type searchIn struct {
	Q      string   `json:"q" jsonschema:"words, all of which must occur; quotes make a phrase"`
	Kinds  []string `json:"kinds,omitempty" jsonschema:"default: all"`
	Thread string   `json:"thread,omitempty" jsonschema:"only in this thread"`
	Author string   `json:"author,omitempty" jsonschema:"only by this agent"`
	Cursor string   `json:"cursor,omitempty" jsonschema:"next of an earlier result"`
}

type hitOut struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	At      string `json:"at"`
	Thread  string `json:"thread,omitempty"`
	Topic   string `json:"topic,omitempty"`
	Channel string `json:"channel,omitempty"`
	Author  string `json:"author,omitempty"`
	Name    string `json:"name,omitempty"`
	Version int64  `json:"version,omitempty"`
	Excerpt string `json:"excerpt,omitempty"`
}

type searchOut struct {
	Hits []hitOut `json:"hits"`
	Next string   `json:"next,omitempty"`
}

func searchTool() tool {
	q := &b2bv1.SearchRequest{}
	kinds := valuesOf(b2bv1.SearchKind(0).Descriptor())
	return with(tool{
		name: "search", title: "Search", effect: reads, needs: []proto.Message{q},
		text: "Searches all messages, threads, artifacts, agents and files that you may read, the newest first. Look here for what is known before you ask somebody.",
	}, inputOf[searchIn]([]field{{"q", q, "q"}, {"kinds", q, "kinds"}}, []enum{{"kinds", kinds}}), search)
}

func search(ctx context.Context, c *call, in searchIn) error {
	res, err := c.Client.Search.Search(ctx, &b2bv1.SearchRequest{
		Q: &in.Q, Kinds: in.Kinds, ThreadId: text(in.Thread), Author: text(strings.TrimPrefix(in.Author, "@")), Cursor: text(in.Cursor),
	})
	if err != nil {
		return err
	}
	out := searchOut{Hits: []hitOut{}, Next: res.GetCursor()}
	for _, h := range res.GetItems() {
		hit := hitOut{
			Kind: b2b.EnumText(h.GetKind()), ID: h.GetId(), At: timeOut(h.GetAt()), Thread: h.GetThreadId(), Channel: h.GetChannelId(),
			Author: clean(h.GetAuthorName()), Version: h.GetVersion(),
		}
		hit.Topic, _ = c.take(h.GetThreadTopic(), mostInline)
		hit.Name, _ = c.take(h.GetName(), mostInline)
		hit.Excerpt, _ = c.take(excerpt(h), messageBytes/4)
		out.Hits = append(out.Hits, hit)
	}
	c.data = out
	for _, h := range out.Hits {
		c.showHit(h)
	}
	if len(out.Hits) == 0 {
		c.line("Nothing was found.")
	}
	c.next(out.Next)
	return nil
}

// excerpt returns the pieces of the texts that have words of the query.
func excerpt(h *b2bv1.SearchHit) string {
	var b strings.Builder
	for i, light := range h.GetHighlights() {
		if i > 0 {
			b.WriteString(" … ")
		}
		for _, f := range light.GetFragments() {
			b.WriteString(f.GetText())
		}
	}
	return b.String()
}

func (p *page) showHit(h hitOut) {
	head := h.Kind + " [" + h.ID + "] " + h.At
	if h.Author != "" {
		head += " " + nameOf(h.Author)
	}
	if h.Thread != "" {
		head += " in thread " + h.Thread
	}
	if h.Channel != "" {
		head += " in channel " + h.Channel
	}
	p.about("%s", head)
	for _, s := range []string{h.Topic, h.Name} {
		if s != "" {
			p.body(inline(s))
		}
	}
	p.body(h.Excerpt)
}
