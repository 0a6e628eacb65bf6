package runner

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Item is what is executed: a delivery, or a message that is addressed to nobody in a thread
// that the runner follows.
type Item struct {
	// Delivery has the event. It has no id and no lease if it was not claimed.
	Delivery *b2bv1.Delivery
	// Sender is who sent the message, asked for the decision, or acted; empty: unknown.
	Sender, SenderName string
	// Message is the id of the message; Text its content, or the question of a decision.
	Message, Text string
	Parts         []*b2bv1.Part
	// Files are the attachments that were fetched.
	Files []File
	// Quoted is what the message replies to.
	Quoted *b2bv1.ReplyPreview
	// Addressed reports whether it is addressed to the bot.
	Addressed bool
}

// File is an attachment on this machine.
type File struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size"`

	of string // the id on the server
}

func itemOf(d *b2bv1.Delivery) *Item {
	i := &Item{Delivery: d, Addressed: true}
	switch e := d.GetEvent().GetEvent().(type) {
	case *b2bv1.Event_Message:
		m := e.Message.GetMessage()
		i.Sender, i.SenderName, i.Message, i.Text, i.Parts = m.GetSenderId(), e.Message.GetSenderName(), m.GetId(), m.GetContent(), m.GetParts()
	case *b2bv1.Event_ThreadMessage:
		m := e.ThreadMessage.GetMessage()
		i.Sender, i.SenderName, i.Message, i.Text, i.Parts = m.GetSenderId(), m.GetSenderName(), m.GetId(), m.GetContent(), m.GetParts()
		i.Quoted = m.GetReplyToMessage()
	case *b2bv1.Event_DecisionAsked:
		q := e.DecisionAsked.GetDecision()
		i.Sender, i.SenderName, i.Text = q.GetAsker().GetId(), q.GetAsker().GetName(), q.GetQuestion()
	case *b2bv1.Event_DecisionClosed:
		q := e.DecisionClosed.GetDecision()
		i.Sender, i.Text = q.GetClosedBy(), q.GetQuestion()+"\n"+b2b.EnumText(q.GetStatus())+": "+q.GetAnswer()
	case *b2bv1.Event_ThreadParticipant:
		i.Sender = e.ThreadParticipant.GetBy()
	case *b2bv1.Event_ThreadJoinRequest:
		i.Sender, i.SenderName = e.ThreadJoinRequest.GetBotId(), e.ThreadJoinRequest.GetBotName()
	}
	return i
}

// Scope is the thread or channel of an item; empty: none.
func (i *Item) Scope() string {
	if t := i.Delivery.GetThreadId(); t != "" {
		return t
	}
	return i.Delivery.GetChannelId()
}

// Decision returns the decision that the item asks for; nil: it asks for none.
func (i *Item) Decision() *b2bv1.Decision {
	if i.Delivery.GetKind() != b2bv1.DeliveryKind_DELIVERY_KIND_DECISION {
		return nil
	}
	return i.Delivery.GetEvent().GetDecisionAsked().GetDecision()
}

// JSON returns the item as the command reads it: the delivery as REST has it, with what the runner adds.
func (i *Item) JSON(session Session) ([]byte, error) {
	text, err := wire.Marshal(i.Delivery)
	if err != nil {
		return nil, fmt.Errorf("encode the delivery: %w", err)
	}
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, fmt.Errorf("encode the delivery: %w", err)
	}
	delete(keys, "lease") // the runner answers, not the command
	for name, value := range map[string]any{
		"addressed": i.Addressed, "sender_id": i.Sender, "sender_name": i.SenderName, "message_id": i.Message, "text": i.Text,
		"files": append([]File{}, i.Files...), "session": session,
	} {
		if keys[name], err = json.Marshal(value); err != nil {
			return nil, fmt.Errorf("encode the delivery: %w", err)
		}
	}
	line, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode the delivery: %w", err)
	}
	return append(line, '\n'), nil
}

// mostEnv limits a value of the environment, in bytes: systems limit all of them together.
const mostEnv = 16 << 10

// environment returns the variables that describe the item. Texts of others are in them as they are:
// a command that hands them to a shell must quote them.
func (i *Item) environment(session Session) []string {
	d := i.Delivery
	var files []string
	for _, f := range i.Files {
		files = append(files, f.Path)
	}
	var env []string
	for _, v := range [][2]string{
		{"B2B_KIND", kindText(d)}, {"B2B_DELIVERY_ID", d.GetId()}, {"B2B_ATTEMPT", strconv.Itoa(int(d.GetAttempt()))},
		{"B2B_THREAD_ID", d.GetThreadId()}, {"B2B_CHANNEL_ID", d.GetChannelId()}, {"B2B_MESSAGE_ID", i.Message},
		{"B2B_SENDER_ID", i.Sender}, {"B2B_SENDER", i.SenderName}, {"B2B_TEXT", i.Text}, {"B2B_FILES", strings.Join(files, "\n")},
		{"B2B_SESSION_ID", session.ID}, {"B2B_SESSION_RESUMED", strconv.FormatBool(session.Resumed)},
	} {
		value := strings.ReplaceAll(v[1], "\x00", "")
		env = append(env, v[0]+"="+strings.ToValidUTF8(value[:min(len(value), mostEnv)], ""))
	}
	return env
}

// FileAt returns the attachment of an address, if it was fetched; nil: it was not.
func (i *Item) FileAt(url string) *File {
	id := fileID(url)
	for n := range i.Files {
		if id != "" && i.Files[n].of == id {
			return &i.Files[n]
		}
	}
	return nil
}

// kindText returns the kind of a delivery; "message" for a message that is addressed to nobody.
func kindText(d *b2bv1.Delivery) string {
	if d.GetKind() == b2bv1.DeliveryKind_DELIVERY_KIND_UNSPECIFIED {
		return "message"
	}
	return b2b.EnumText(d.GetKind())
}
