package a2a

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// origin is what the metadata of a thread message keep of the message of a client, under "a2a".
type origin struct {
	ID         string         `json:"message_id"`
	Addressed  string         `json:"addressed,omitempty"` // what was put before the text
	References []a2a.TaskID   `json:"reference_task_ids,omitempty"`
	Extensions []string       `json:"extensions,omitempty"`
	Metadata   map[string]any `json:"metadata,omitempty"`
	NoText     bool           `json:"no_text,omitempty"` // the text of the thread message is none of the client
}

func (o origin) encode() (*string, error) {
	text, err := json.Marshal(map[string]origin{"a2a": o})
	if err != nil {
		return nil, invalid("message.metadata: %v", err)
	}
	if len(text) > mostMetadata {
		return nil, invalid("message.metadata: is too large, with the other ids at most %d bytes of JSON", mostMetadata)
	}
	return proto.String(string(text)), nil
}

// originOf returns the message of a client that a thread message was; the zero origin: none.
func originOf(m *b2bv1.ThreadMessage) origin {
	var kept struct {
		A2A origin `json:"a2a"`
	}
	if m.Metadata == nil || json.Unmarshal([]byte(m.GetMetadata()), &kept) != nil {
		return origin{} // somebody else's metadata
	}
	return kept.A2A
}

// textOf returns the text that the client sent.
func (o origin) textOf(m *b2bv1.ThreadMessage) string {
	if o.NoText {
		return ""
	}
	return strings.TrimPrefix(m.GetContent(), o.Addressed)
}

func (c *caller) turnOf(m *b2bv1.ThreadMessage) turn {
	switch {
	case m.GetSenderId() == c.id:
		return turnCaller
	case m.GetNoReply():
		return turnReport
	}
	return turnAgent
}

// messageOf returns a message of a thread: the client's own as it sent it, those of others with the name
// of the sender.
func (c *caller) messageOf(m *b2bv1.ThreadMessage, of a2a.TaskInfoProvider) *a2a.Message {
	info := of.TaskInfo()
	out := &a2a.Message{ID: m.GetId(), TaskID: info.TaskID, ContextID: info.ContextID, Role: a2a.MessageRoleAgent}
	if m.GetSenderId() != c.id {
		out.Parts = c.partsOf(m.GetContent(), m.GetParts())
		out.Metadata = map[string]any{"sender_id": m.GetSenderId(), "sender_name": m.GetSenderName()}
		return out
	}
	o := originOf(m)
	if o.ID != "" {
		out.ID = o.ID
	}
	out.Role, out.ReferenceTasks, out.Extensions, out.Metadata = a2a.MessageRoleUser, o.References, o.Extensions, o.Metadata
	out.Parts = c.partsOf(o.textOf(m), slices.DeleteFunc(slices.Clone(m.GetParts()), isText))
	return out
}

// isText reports whether a part is a text. A client's texts are the content of its message.
func isText(p *b2bv1.Part) bool { return p.GetText() != nil || p.GetMarkdown() != nil }
