package threadcontext

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Extent is how much of a thread a prompt has.
type Extent int

// The extents.
const (
	Full    Extent = iota // all that waits; in a handler, what it was given
	Delta                 // only messages that were not delivered
	Summary               // only their number
)

// Prompt returns what is known of a thread, and what waits in it, as a text for a prompt.
func (c *Context) Prompt(threadID string, x Extent) string {
	return c.prompt(threadID, x, !c.options.Unescaped, c.options.MaxTokens)
}

func (c *Context) prompt(threadID string, x Extent, escape bool, maxTokens int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.threads[threadID]
	if s == nil {
		s = newState()
	}
	messages, events := s.waiting(s.upTo)
	if x == Delta {
		messages = slices.DeleteFunc(messages, func(m *b2bv1.ThreadMessage) bool {
			return at(m) < s.mark || at(m) == s.mark && s.marked[m.GetId()]
		})
	}
	v := view{escape: escape, names: s.names}
	head, artifacts, lines := v.head(threadID, s), v.artifacts(s.artifacts), v.events(events)
	ending := []string{"", fmt.Sprintf("[%d new message(s), %d lifecycle event(s) buffered]", len(messages), len(events))}
	switch x {
	case Full:
		ending = section("### Messages", v.messages(messages))
	case Delta:
		ending = section("### New Messages", v.messages(messages))
	}
	artifacts, lines = section("### Artifacts", artifacts), section("### Lifecycle Events", lines)
	if maxTokens <= 0 {
		return strings.Join(slices.Concat(head, artifacts, lines, ending), "\n")
	}
	// Half of the limit is enough for the head, an eighth each for artifacts and events.
	limit := max(100, maxTokens) * 4
	for i := range head {
		head[i] = cut(head[i], limit/10)
	}
	all := slices.Concat(head, within(artifacts, limit/8), within(lines, limit/8))
	return strings.Join(append(all, within(ending, limit-size(all))...), "\n")
}

// view renders what is known of a thread.
type view struct {
	escape bool
	names  map[string]string
}

var breaks = regexp.MustCompile("\r\n|[\n\r\v\f\u0085\u2028\u2029]")

// line keeps a text in its line; block indents its further lines.
func (v view) line(text string) string { return v.replace(text, " ") }

func (v view) block(text string) string { return v.replace(text, "\n    ") }

func (v view) replace(text, with string) string {
	if !v.escape {
		return text
	}
	return breaks.ReplaceAllString(text, with)
}

func (v view) head(threadID string, s *state) (lines []string) {
	if t := s.thread; t == nil {
		lines = append(lines, "## Thread: "+threadID)
	} else {
		lines = append(lines, "## Thread: "+v.line(t.GetTopic()), "Status: "+b2b.EnumText(t.GetStatus())+" | ID: "+threadID)
		if tags := t.GetTags().GetValues(); len(tags) > 0 {
			lines = append(lines, "Tags: "+v.line(strings.Join(tags, ", ")))
		}
		if t.GetContext() != "" {
			lines = append(lines, "Context: "+v.block(t.GetContext()))
		}
	}
	var names []string
	for _, p := range s.participants {
		name := p.GetName()
		if name == "" {
			name = p.GetBotId()
		}
		if p.GetLabel() != "" {
			name += " (" + p.GetLabel() + ")"
		}
		names = append(names, name)
	}
	if len(names) > 0 {
		lines = append(lines, "Participants: "+v.line(strings.Join(names, ", ")))
	}
	return lines
}

func (v view) artifacts(all []*b2bv1.Artifact) (lines []string) {
	for _, a := range all {
		text := fmt.Sprintf("- **%s** (%s, v%d)", v.line(a.GetArtifactKey()), b2b.EnumText(a.GetType()), a.GetVersion())
		if a.GetTitle() != "" {
			text += ": " + v.line(a.GetTitle())
		}
		lines = append(lines, text)
	}
	return lines
}

func (v view) events(all []*b2bv1.Event) (lines []string) {
	for _, e := range all {
		lines = append(lines, "- "+v.line(b2b.FormatLifecycleEvent(e, func(id string) string { return v.names[id] })))
	}
	return lines
}

func (v view) messages(all []*b2bv1.ThreadMessage) (lines []string) {
	for _, m := range all {
		sender := m.GetSenderName()
		if sender == "" {
			sender = m.GetSenderId()
		}
		if sender == "" {
			sender = "system"
		}
		if p := provenanceOf(m); p.AuthoredBy == "human" && p.OwnerName != "" {
			sender = p.OwnerName + " (via " + sender + ")"
		}
		lines = append(lines, "["+m.GetCreatedAt().AsTime().Format("15:04:05")+"] "+v.line(sender)+": "+v.block(m.GetContent()))
	}
	return lines
}

func section(title string, lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return append([]string{"", title}, lines...)
}

// size returns the number of bytes of lines, each with a line break.
func size(lines []string) (n int) {
	for _, text := range lines {
		n += len(text) + 1
	}
	return n
}

// cut returns a text, cut so that it has at most so many bytes with its line break.
func cut(text string, most int) string {
	if len(text)+1 <= most {
		return text
	}
	return strings.ToValidUTF8(text[:max(0, min(most-4, len(text)))], "") + "…"
}

// within returns a section with the last lines that fit into so many bytes.
func within(section []string, most int) []string {
	if size(section) <= most {
		return section
	}
	top, lines := section[:2], section[2:]
	left := most - size(top) - size([]string{fmt.Sprintf("[%d earlier omitted]", len(lines))})
	var kept []string
	for _, text := range slices.Backward(lines) {
		if size([]string{text}) > left && (len(kept) > 0 || left < 20) {
			break
		}
		text = cut(text, left)
		kept = append(kept, text)
		left -= size([]string{text})
	}
	if len(kept) == 0 {
		return nil
	}
	slices.Reverse(kept)
	all := slices.Clone(top)
	if omitted := len(lines) - len(kept); omitted > 0 {
		all = append(all, fmt.Sprintf("[%d earlier omitted]", omitted))
	}
	return append(all, kept...)
}
