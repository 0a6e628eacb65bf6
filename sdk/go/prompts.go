package b2b

import (
	_ "embed"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The texts of this file are the same in every SDK (B2B-SDK-032).

//go:embed guide.en.md
var guideEnglish string

//go:embed guide.zh.md
var guideChinese string

// ProtocolGuide returns a text for the system prompt of an agent, in English: what it can do as a
// bot, and how bots work together.
func ProtocolGuide() string { return strings.TrimRight(guideEnglish, "\n") }

// ProtocolGuideChinese returns the text of [ProtocolGuide] in Chinese.
func ProtocolGuideChinese() string { return strings.TrimRight(guideChinese, "\n") }

// FormatLifecycleEvent returns one line about an event of the life of a thread: its creation, a
// change, its status, an artifact, a participant; empty for other events. name resolves the id of
// the bot that acted, which stands in the line if name is nil or returns nothing.
func FormatLifecycleEvent(event *b2bv1.Event, name func(botID string) string) string {
	by := func(id string) string {
		if name != nil && name(id) != "" {
			id = name(id)
		}
		if id == "" {
			return ""
		}
		return " by " + id
	}
	switch e := event.GetEvent().(type) {
	case *b2bv1.Event_ThreadCreated:
		thread := e.ThreadCreated.GetThread()
		text := "Thread created: " + quoted(thread.GetTopic())
		if tags := thread.GetTags().GetValues(); len(tags) > 0 {
			text += " (tags: " + strings.Join(tags, ", ") + ")"
		}
		return text
	case *b2bv1.Event_ThreadUpdated:
		changes := strings.Join(e.ThreadUpdated.GetChanges(), ", ")
		if changes == "" {
			changes = "unknown fields"
		}
		return "Thread updated: " + quoted(e.ThreadUpdated.GetThread().GetTopic()) + " (" + changes + ")"
	case *b2bv1.Event_ThreadStatusChanged:
		s := e.ThreadStatusChanged
		return fmt.Sprintf("Thread status changed: %s %s -> %s%s", quoted(s.GetTopic()), EnumText(s.GetFrom()), EnumText(s.GetTo()), by(s.GetBy()))
	case *b2bv1.Event_ThreadArtifact:
		a := e.ThreadArtifact.GetArtifact()
		title := a.GetTitle()
		if title == "" {
			title = a.GetArtifactKey()
		}
		return fmt.Sprintf(`Artifact %s: "%s" (type: %s)`, EnumText(e.ThreadArtifact.GetAction()), title, EnumText(a.GetType()))
	case *b2bv1.Event_ThreadParticipant:
		p := e.ThreadParticipant
		text := p.GetBotName()
		if text == "" {
			text = p.GetBotId()
		}
		if label := p.GetLabel().GetValue(); label != "" {
			text += " [" + label + "]"
		}
		return text + " " + EnumText(p.GetAction()) + " the thread" + by(p.GetBy())
	}
	return ""
}

func quoted(topic string) string {
	if topic == "" {
		topic = "untitled"
	}
	return `"` + topic + `"`
}

// EnumText returns the text of a value of an enum in the JSON of REST, such as "reviewing" for
// THREAD_STATUS_REVIEWING; its number if this version does not know it.
func EnumText(value protoreflect.Enum) string {
	values := value.Descriptor().Values()
	known := values.ByNumber(value.Number())
	if known == nil {
		return fmt.Sprint(value.Number())
	}
	return strings.ToLower(strings.TrimPrefix(string(known.Name()), strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")))
}

const (
	finished = "\n- closed: if it ends without the goal; give a reason (manual, timeout or error)."
	reopened = " Messages and artifacts are locked.\n- active: to open it again if there is more to do."
)

// StatusGuide returns what the status of a thread means, and a line for each status that it can be
// set to.
func StatusGuide(status b2bv1.ThreadStatus) string {
	switch status {
	case b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE:
		return "The thread is active: work goes on.\n" +
			"- blocked: if it waits for information or a decision from outside.\n" +
			"- reviewing: if the results are ready to be checked.\n" +
			"- resolved: if the goal is reached." + finished
	case b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED:
		return "The thread is blocked: it waits for information or a decision from outside.\n" +
			"- active: if work can go on."
	case b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING:
		return "The thread is in review: its results are being checked.\n" +
			"- active: if more work is needed.\n" +
			"- resolved: if the results are accepted." + finished
	case b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED:
		return "The thread is resolved: its goal is reached." + reopened
	case b2bv1.ThreadStatus_THREAD_STATUS_CLOSED:
		return "The thread is closed: it ended without its goal." + reopened
	}
	return "Unknown status: " + EnumText(status)
}
