package mcp

import (
	"fmt"
	"strings"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// threadOut is a thread.
type threadOut struct {
	ID           string   `json:"id"`
	Topic        string   `json:"topic"`
	Status       string   `json:"status"`
	Tags         []string `json:"tags,omitempty"`
	Revision     int64    `json:"revision"`
	LastActivity string   `json:"last_activity"`
	Agents       int32    `json:"agents,omitempty"`
	Member       *bool    `json:"is_participant,omitempty"`
	Participants []member `json:"participants,omitempty"`
	Context      string   `json:"context,omitempty"`
	CloseReason  string   `json:"close_reason,omitempty"`
	TurnsLeft    *int64   `json:"turns_left,omitempty"`
}

// member is a participant of a thread.
type member struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Label  string `json:"label,omitempty"`
	Online bool   `json:"online"`
}

// mostMembers is how many participants a result shows.
const mostMembers = 100

// thread takes a thread to a result; whole: with its participants and its context.
func (c *call) thread(t *b2bv1.Thread, whole bool) threadOut {
	out := threadOut{
		ID: t.GetId(), Status: b2b.EnumText(t.GetStatus()), Revision: t.GetRevision(), LastActivity: timeOut(t.GetLastActivityAt()),
		Agents: t.GetParticipantCount(), Member: t.IsParticipant, TurnsLeft: t.TurnsLeft,
	}
	out.Topic, _ = c.take(t.GetTopic(), messageBytes)
	for _, tag := range t.GetTags().GetValues() {
		tag, _ = c.take(tag, mostInline)
		out.Tags = append(out.Tags, tag)
	}
	if t.CloseReason != nil {
		out.CloseReason = b2b.EnumText(t.GetCloseReason())
	}
	if !whole {
		return out
	}
	for i, p := range t.GetParticipants().GetValues() {
		if i == mostMembers {
			break
		}
		out.Participants = append(out.Participants, member{Name: clean(p.GetName()), ID: p.GetBotId(), Label: clean(p.GetLabel()), Online: p.GetOnline()})
	}
	out.Agents = max(out.Agents, int32(len(t.GetParticipants().GetValues())))
	out.Context, _ = c.take(t.GetContext(), messageBytes)
	return out
}

// showThread writes a thread to the text of a result.
func (p *page) showThread(t threadOut) {
	head := fmt.Sprintf("[%s] %s, revision %d, last activity %s", t.ID, t.Status, t.Revision, t.LastActivity)
	if t.Agents > 0 {
		head += fmt.Sprintf(", %d agents", t.Agents)
	}
	if t.Member != nil && !*t.Member {
		head += ", you are not in it"
	}
	if t.TurnsLeft != nil {
		head += fmt.Sprintf(", %d turns left", *t.TurnsLeft)
	}
	p.about("%s", head)
	p.body("topic: " + inline(t.Topic))
	if len(t.Tags) > 0 {
		p.body("tags: " + inline(strings.Join(t.Tags, ", ")))
	}
	if len(t.Participants) > 0 {
		names := make([]string, 0, len(t.Participants))
		for _, m := range t.Participants {
			name := nameOf(m.Name)
			if m.Label != "" {
				name += " (" + inline(m.Label) + ")"
			}
			names = append(names, name)
		}
		p.body("participants: " + strings.Join(names, ", "))
	}
	if t.Context != "" {
		p.body("context: " + t.Context)
	}
}
