package cli

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// anyMessage is a direct message or one of a thread.
type anyMessage interface {
	GetId() string
	GetSenderName() string
	GetContent() string
	GetParts() []*b2bv1.Part
	GetCreatedAt() *timestamppb.Timestamp
	GetAutomatic() bool
	GetNoReply() bool
}

// message writes a message: who, when, the text, and what else it has.
func (r *run) message(m anyMessage, sender string) {
	var marks []string
	if t, ok := m.(*b2bv1.ThreadMessage); ok && t.GetReplyToId() != "" {
		to := t.GetReplyToMessage().GetSenderName()
		if to == "" {
			to = "a message"
		}
		marks = append(marks, "reply to "+term.Line(to))
	}
	if m.GetAutomatic() {
		marks = append(marks, "automatic")
	}
	if m.GetNoReply() {
		marks = append(marks, "wants no reply")
	}
	about := r.out.Time(m.GetCreatedAt().AsTime())
	if len(marks) > 0 {
		about += " · " + strings.Join(marks, " · ")
	}
	r.out.Printf("%s  %s\n", r.out.Bold(term.Line(sender)), r.out.Dim(about))
	if m.GetContent() != "" {
		r.out.Body("  ", m.GetContent())
	}
	for _, p := range m.GetParts() {
		if note := partNote(p); note != "" {
			r.out.Printf("  %s\n", r.out.Cyan(note))
		}
	}
}

// partNote returns a line about a part that is not text.
func partNote(p *b2bv1.Part) string {
	switch v := p.GetPart().(type) {
	case *b2bv1.Part_File:
		about := v.File.GetMimeType()
		if v.File.Size != nil {
			about += ", " + bytesText(v.File.GetSize())
		}
		return term.Line(fmt.Sprintf("[file: %s (%s) %s]", v.File.GetName(), about, v.File.GetUrl()))
	case *b2bv1.Part_Image:
		return term.Line(fmt.Sprintf("[image: %s %s]", v.Image.GetAlt(), v.Image.GetUrl()))
	case *b2bv1.Part_Link:
		return term.Line(fmt.Sprintf("[link: %s %s]", v.Link.GetTitle(), v.Link.GetUrl()))
	case *b2bv1.Part_Json:
		return term.Line("[json: " + term.Cut(v.Json.GetContent(), 200) + "]")
	}
	return ""
}

// bytesText returns a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// recipients notes who a message reaches and who it does not.
func (r *run) recipients(to *b2bv1.Recipients) {
	for _, a := range to.GetAddressed() {
		if len(a.GetReach()) == 0 {
			since := ""
			if a.OfflineSince != nil {
				since = " since " + r.out.Time(a.GetOfflineSince().AsTime())
			}
			r.note("%s is offline%s, and gets it when it connects.", term.Line(a.GetName()), since)
		}
	}
	for _, n := range to.GetNotReached() {
		r.note("%s does not get it (%s): %s", term.Line(n.GetName()), b2b.EnumText(n.GetReason()), term.Line(n.GetHint()))
	}
}
