package mcp

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// messageOut is a message.
type messageOut struct {
	ID          string   `json:"id"`
	From        string   `json:"from"`
	FromID      string   `json:"from_id,omitempty"`
	At          string   `json:"at"`
	Text        string   `json:"text"`
	ReplyTo     string   `json:"reply_to,omitempty"`
	Mentions    []string `json:"mentions,omitempty"`
	NoReply     bool     `json:"no_reply,omitempty"`
	Attachments []string `json:"attachments,omitempty"`
	More        string   `json:"more,omitempty"` // reads what was left out
	Left        int      `json:"left_out,omitempty"`
}

// said is a message of a thread or of a channel.
type said interface {
	GetId() string
	GetSenderId() string
	GetSenderName() string
	GetContent() string
	GetParts() []*b2bv1.Part
	GetCreatedAt() *timestamppb.Timestamp
	GetNoReply() bool
}

// message takes a message to a result, with at most so many bytes of its text.
func (c *call) message(m said, in place, most int) messageOut {
	out := messageOut{
		ID: m.GetId(), From: clean(m.GetSenderName()), FromID: m.GetSenderId(), At: timeOut(m.GetCreatedAt()), NoReply: m.GetNoReply(),
	}
	in.id, in.at = m.GetId(), m.GetCreatedAt().AsTime().UnixMilli()
	out.Text, out.Left = c.take(m.GetContent(), most)
	if out.Left > 0 {
		in.offset = len(out.Text)
		out.More = in.String()
	}
	for _, p := range m.GetParts() {
		if note := partOut(p, m.GetContent()); note != "" && len(out.Attachments) < mostAttachments {
			note, _ = c.take(note, messageBytes)
			out.Attachments = append(out.Attachments, note)
		}
	}
	if t, ok := m.(*b2bv1.ThreadMessage); ok {
		out.ReplyTo = t.GetReplyToId()
		for _, mention := range t.GetMentions() {
			out.Mentions = append(out.Mentions, clean(mention.GetName()))
		}
		if t.GetMentionAll() {
			out.Mentions = append(out.Mentions, "all")
		}
	}
	return out
}

// mostAttachments is how many attachments of a message are shown.
const mostAttachments = 20

// partOut returns a line about a part of a message that its text does not have.
func partOut(p *b2bv1.Part, content string) string {
	switch {
	case p.GetText() != nil:
		return textPart(p.GetText().GetContent(), content)
	case p.GetMarkdown() != nil:
		return textPart(p.GetMarkdown().GetContent(), content)
	case p.GetJson() != nil:
		return "[json: " + p.GetJson().GetContent() + "]"
	case p.GetFile() != nil:
		f := p.GetFile()
		return fmt.Sprintf("[file: %s (%s, %d bytes) — %s]", f.GetName(), f.GetMimeType(), f.GetSize(), f.GetUrl())
	case p.GetImage() != nil:
		return fmt.Sprintf("[image: %s — %s]", p.GetImage().GetAlt(), p.GetImage().GetUrl())
	case p.GetLink() != nil:
		return fmt.Sprintf("[link: %s — %s]", p.GetLink().GetTitle(), p.GetLink().GetUrl())
	}
	return ""
}

func textPart(text, content string) string {
	if text == "" || strings.Contains(content, text) {
		return ""
	}
	return text
}

// showMessage writes a message to the text of a result.
func (p *page) showMessage(m messageOut) {
	head := fmt.Sprintf("[%s] %s %s", m.ID, nameOf(m.From), m.At)
	if m.ReplyTo != "" {
		head += " in reply to " + m.ReplyTo
	}
	if m.NoReply {
		head += " (wants no reply)"
	}
	p.about("%s", head)
	p.body(m.Text)
	for _, a := range m.Attachments {
		p.body(a)
	}
	if m.More != "" {
		p.about("(%d bytes left out: read with more=%s)", m.Left, m.More)
	}
}

// timeOut returns a time as models read it, to the second.
func timeOut(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}
