package a2a

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	mostID    = 128 // bytes of the ids that a client makes up
	mostTopic = 120 // characters of the topic that is taken from the text
	// sendTime is how long a message may take, also after its client has gone.
	sendTime = 30 * time.Second
)

// send gives the message of a client to the agent: in a new task, or in the one that it names. It
// returns the thread. What can be refused without a call is refused before one, so that nothing is left
// of it.
func (h *Handler) send(ctx context.Context, c *caller, req *a2a.SendMessageRequest) (*b2bv1.Thread, error) {
	m := req.Message
	if err := checkMessage(m); err != nil {
		return nil, err
	}
	if c.id == c.agent {
		return nil, invalid("an agent cannot give itself a task")
	}
	content, err := received(m.Parts)
	if err != nil {
		return nil, err
	}
	if req.Config != nil && req.Config.PushConfig != nil {
		content.push = req.Config.PushConfig
		err := h.checkPush(content.push)
		if err == nil {
			err = errorOf(h.pushes.CheckURL(ctx, content.push.URL))
		}
		if err != nil {
			return nil, err
		}
	}
	// A client that gives up in the middle gets what it has begun when it repeats the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	if m.TaskID == "" {
		return h.begin(ctx, c, m, content)
	}
	return h.continued(ctx, c, m, content)
}

func checkMessage(m *a2a.Message) error {
	switch {
	case m == nil:
		return invalid("message: is missing")
	case m.ID == "" || len(m.ID) > mostID:
		return invalid("message.messageId: must have 1 to %d bytes", mostID)
	case m.Role != a2a.MessageRoleUser && m.Role != a2a.MessageRoleUnspecified:
		return invalid("message.role: must be %s", a2a.MessageRoleUser)
	case !isID(m.ContextID):
		return invalid("message.contextId: must have at most %d bytes, without white space and control characters", mostID)
	}
	return nil
}

func isID(s string) bool {
	hidden := func(r rune) bool { return isBlank(r) || unicode.IsControl(r) }
	return len(s) <= mostID && utf8.ValidString(s) && !strings.ContainsFunc(s, hidden)
}

// isBlank reports whether the server trims a character (B2B-LIM-005).
func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// begin opens the thread of a new task, with the message in it. For a repeated message the thread is
// there already, and it has the message unless the first attempt ended before that.
func (h *Handler) begin(ctx context.Context, c *caller, m *a2a.Message, content sent) (*b2bv1.Thread, error) {
	tags := []string{tagTask, tagAgent + c.agent}
	if m.ContextID != "" {
		tags = append(tags, tagContext+m.ContextID)
	}
	res, err := h.client.Threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{
		Topic: proto.String(topicOf(content.text)), Tags: &b2bv1.StringList{Values: tags},
		Participants: &b2bv1.StringList{Values: []string{c.agent}},
		Visibility:   b2bv1.Visibility_VISIBILITY_PRIVATE.Enum(), RequestId: c.requestID(m, "task"),
	})
	if err != nil {
		return nil, errorOf(err)
	}
	v, err := h.read(ctx, c, a2a.TaskID(res.GetThread().GetId()), enough)
	if err != nil {
		return nil, err
	}
	switch said := v.find(c, m.ID); {
	case said != nil:
		return v.thread, sameText(said, content)
	case len(v.messages) > 0:
		return v.thread, nil // so long ago that it is not among the newest
	case v.task.Status.State.Terminal(): // an attempt that was refused has closed it
		if err := h.setStatus(ctx, v.thread, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, nil); err != nil {
			return nil, errorOf(err)
		}
	}
	if err := h.pushFirst(ctx, c, v.thread, content.push); err != nil {
		if r := (*refusal)(nil); errors.As(err, &r) && r.code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
			h.abandon(ctx, v.thread)
		}
		return nil, err
	}
	if err := h.post(ctx, c, v.thread, m, content, ""); err != nil {
		if refusedForGood(err) {
			h.abandon(ctx, v.thread)
		}
		return nil, err
	}
	return v.thread, nil
}

// abandon closes the thread of a task whose first message was refused: nobody would ever work on it.
func (h *Handler) abandon(ctx context.Context, t *b2bv1.Thread) {
	if err := h.setStatus(ctx, t, b2bv1.ThreadStatus_THREAD_STATUS_CLOSED, b2bv1.CloseReason_CLOSE_REASON_ERROR.Enum()); err != nil {
		h.log.WarnContext(ctx, "the thread of an A2A task without a message could not be closed",
			"thread", t.GetId(), "code", b2b.EnumText(b2b.CodeOf(err)))
	}
}

func (h *Handler) setStatus(ctx context.Context, t *b2bv1.Thread, status b2bv1.ThreadStatus, reason *b2bv1.CloseReason) error {
	_, err := h.client.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{
		ThreadId: t.GetId(), Status: &status, CloseReason: reason,
	})
	return err
}

// continued sends a message to a task that goes on.
func (h *Handler) continued(ctx context.Context, c *caller, m *a2a.Message, content sent) (*b2bv1.Thread, error) {
	v, err := h.read(ctx, c, m.TaskID, mostHistory)
	if err != nil {
		return nil, err
	}
	said := v.find(c, m.ID)
	switch state := v.task.Status.State; {
	case m.ContextID != "" && m.ContextID != v.task.ContextID && m.ContextID != v.thread.GetId():
		return nil, invalid("message.contextId: the task is of another context")
	case said != nil && v.messages[0] != said:
		return v.thread, sameText(said, content)
	case said == nil && state.Terminal():
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation,
			fmt.Sprintf("the task has ended (%s): send the message without taskId and with contextId %q", state, v.task.ContextID))
	case said == nil:
		if err = h.pushFirst(ctx, c, v.thread, content.push); err == nil {
			err = h.post(ctx, c, v.thread, m, content, v.newestOf(c.agent))
		}
	default:
		err = sameText(said, content)
	}
	if err != nil || v.thread.GetStatus() != b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED {
		return v.thread, err
	}
	err = h.setStatus(ctx, v.thread, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, nil)
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN, b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION:
		err = nil // a decision blocks it, or it is not blocked any more
	}
	return v.thread, errorOf(err)
}

// find returns the message of the client with an id, if it is among the newest; nil: it is not.
func (v *view) find(c *caller, id string) *b2bv1.ThreadMessage {
	for _, m := range v.messages {
		if c.turnOf(m) == turnCaller && originOf(m).ID == id {
			return m
		}
	}
	return nil
}

// sameText returns an error if a message that is repeated has another text.
func sameText(said *b2bv1.ThreadMessage, content sent) error {
	if o := originOf(said); o.textOf(said) != content.text {
		return invalid("message.messageId: another message of this task has this id")
	}
	return nil
}

// newestOf returns the id of the newest message of a bot; empty: there is none.
func (v *view) newestOf(bot string) string {
	for _, m := range v.messages {
		if m.GetSenderId() == bot {
			return m.GetId()
		}
	}
	return ""
}

// post sends a message to the thread of a task. answers is the message of the agent that it replies to,
// which addresses the agent; without one, the agent is mentioned.
func (h *Handler) post(ctx context.Context, c *caller, t *b2bv1.Thread, m *a2a.Message, content sent, answers string) error {
	o := origin{ID: m.ID, References: m.ReferenceTasks, Extensions: m.Extensions, Metadata: m.Metadata, NoText: content.text == ""}
	if answers == "" {
		o.Addressed = "@" + c.name + " "
	}
	meta, err := o.encode()
	if err != nil {
		return err
	}
	for i, f := range content.files {
		file, err := h.client.UploadFile(ctx, &b2bv1.UploadFileRequest{
			Name: &f.name, MimeType: optional(f.mime), RequestId: c.requestID(m, fmt.Sprint("file-", i)),
		}, bytes.NewReader(f.content))
		if err != nil {
			return errorOf(err)
		}
		content.parts[f.at] = &b2bv1.Part{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{
			Url: proto.String(file.GetUrl()), Name: &f.name, MimeType: proto.String(file.GetMimeType()), Size: proto.Int64(file.GetSize()),
		}}}
	}
	req := &b2bv1.SendThreadMessageRequest{
		ThreadId: t.GetId(), Content: proto.String(o.Addressed + content.text), Metadata: meta, RequestId: c.requestID(m, "message"),
		ReplyTo: optional(answers),
	}
	if content.text == "" && answers != "" {
		req.Content = nil // derived from the parts
	}
	if len(content.parts) > 0 {
		req.Parts = &b2bv1.PartList{Values: content.parts}
	}
	_, err = h.client.Threads.SendThreadMessage(ctx, req)
	return errorOf(err)
}

// requestID makes a call that serves a message of a client happen once, however often it is sent.
func (c *caller) requestID(m *a2a.Message, step string) *string {
	sum := sha256.Sum256([]byte(c.agent + "\x00" + string(m.TaskID) + "\x00" + m.ID))
	return proto.String("a2a-" + hex.EncodeToString(sum[:16]) + "-" + step)
}

// topicOf returns the topic of a task: the beginning of the first line that has any text.
func topicOf(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimFunc(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(line, "")), isBlank)
		if line == "" {
			continue
		}
		if r := []rune(line); len(r) > mostTopic {
			line = strings.TrimSpace(string(r[:mostTopic-1])) + "…"
		}
		return line
	}
	return "A2A task"
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
