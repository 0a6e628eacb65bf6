package ws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// operation is an operation with a WebSocket name, and how it differs from REST: the names of
// fields in its frames, and the members of its ack (B2B-WS-020, B2B-WS-021).
type operation struct {
	*call.Operation
	frame
	ack func(r *result, req, res proto.Message)
}

// frame describes how the frames of an operation are decoded.
type frame struct {
	skip      []string          // keys that are ignored
	rename    map[string]string // keys in the frame, by the name in the request
	coerce    bool              // content that is an object becomes text (B2B-WS-031)
	anyParts  bool              // parts that are not an array are ignored (B2B-WS-032)
	onThread  bool              // thread_id is required
	needs     func(req proto.Message) error
	kindNamed bool // artifact_type must not be null
}

// frames are the operations with a WebSocket name.
var frames = map[string]frame{
	"send":                      {anyParts: true},
	"send_dm":                   {coerce: true},
	"send_thread_message":       {onThread: true, coerce: true},
	"thread_create":             {skip: []string{"permission_policy", "visibility", "join_policy"}},
	"thread_update":             {onThread: true, skip: []string{"permission_policy", "visibility", "join_policy", "turn_limit"}, needs: positiveRevision},
	"thread_invite":             {onThread: true},
	"thread_join":               {onThread: true},
	"thread_leave":              {onThread: true},
	"thread_remove_participant": {onThread: true, rename: map[string]string{"bot_id": "bot"}, skip: []string{"bot"}, needs: removedBot},
	"artifact_add":              {onThread: true, rename: map[string]string{"artifact_type": "type"}, kindNamed: true},
	"artifact_update":           {onThread: true},
	"thread_decision_ask":       {onThread: true},
	"channel_decision_ask":      {needs: channelNamed},
	"decision_answer":           {rename: map[string]string{"decision_id": "id"}, needs: decisionNamed},
	"decision_withdraw":         {rename: map[string]string{"decision_id": "id"}, needs: decisionNamed},
	"inbox_claim":               {needs: noWait},
	"inbox_ack":                 {rename: deliveryID, needs: deliveryNamed},
	"inbox_nack":                {rename: deliveryID, needs: deliveryNamed},
	"inbox_extend":              {rename: deliveryID, needs: deliveryNamed},
	"inbox_progress":            {rename: deliveryID, needs: deliveryNamed},
	"inbox_wait":                {rename: deliveryID, needs: deliveryNamed},
}

var deliveryID = map[string]string{"delivery_id": "id"}

func newOperations(all []*call.Operation) map[string]*operation {
	ops := map[string]*operation{}
	for _, op := range all {
		if op.WebSocket == "" {
			continue
		}
		f, known := frames[op.WebSocket]
		if !known || acks[op.WebSocket] == nil {
			panic(fmt.Sprintf("ws: %s has no entry in frames or acks", op.WebSocket))
		}
		ops[op.WebSocket] = &operation{Operation: op, frame: f, ack: acks[op.WebSocket]}
	}
	return ops
}

// decode decodes a frame into a request, and returns what is wrong with it.
func (op *operation) decode(req proto.Message, data []byte, keys [][]byte) error {
	o := wire.DecodeOptions{Skip: map[string]bool{"type": true, "ref": true}, Rename: op.rename, HeaderKeys: true}
	for _, key := range op.skip {
		o.Skip[key] = true
	}
	content := keys[keyContent]
	coerce := op.coerce && len(content) > 0 && (content[0] == '{' || content[0] == '[')
	if coerce {
		o.Skip["content"] = true
	}
	if parts := keys[keyParts]; op.anyParts && len(parts) > 0 && parts[0] != '[' {
		o.Skip["parts"] = true
	}
	if err := o.Decode(data, req); err != nil {
		var fault *wire.FieldError
		if errors.As(err, &fault) {
			return call.Invalid("%s", fault.Error())
		}
		return err
	}
	if coerce {
		if err := setContent(req, content); err != nil {
			return err
		}
	}
	if kind := keys[keyArtifactType]; op.kindNamed && len(kind) > 0 && kind[0] == 'n' {
		return call.Invalid("artifact_type: must not be null")
	}
	if t, ok := req.(interface{ GetThreadId() string }); op.onThread && ok && t.GetThreadId() == "" {
		return call.Invalid("thread_id: is required")
	}
	if op.needs != nil {
		return op.needs(req)
	}
	return nil
}

// setContent sets the content of a message that was sent as an object or array: its "text" if it
// has one, else its JSON without white space between tokens (B2B-WS-031). raw must be valid JSON.
func setContent(req proto.Message, raw []byte) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return call.Invalid("content: must be JSON")
	}
	text := compact.String()
	if values, object, err := wire.Peek(raw, "text"); err == nil && object {
		if t, ok := wire.Text(values[0]); ok {
			text = t
		}
	}
	switch m := req.(type) {
	case *b2bv1.SendDirectMessageRequest:
		m.Content = &text
	case *b2bv1.SendThreadMessageRequest:
		m.Content = &text
	}
	return nil
}

func positiveRevision(req proto.Message) error {
	if m, ok := req.(*b2bv1.UpdateThreadRequest); ok && m.ExpectedRevision != nil && m.GetExpectedRevision() < 1 {
		return call.Invalid("expected_revision: must be an integer of at least 1")
	}
	return nil
}

func channelNamed(req proto.Message) error {
	if m, ok := req.(*b2bv1.AskChannelDecisionRequest); ok && m.GetChannelId() == "" {
		return call.Invalid("channel_id: is required")
	}
	return nil
}

func decisionNamed(req proto.Message) error { return idNamed(req, "decision_id") }

func deliveryNamed(req proto.Message) error { return idNamed(req, "delivery_id") }

func idNamed(req proto.Message, key string) error {
	if m, ok := req.(interface{ GetId() string }); ok && m.GetId() == "" {
		return call.Invalid("%s: is required", key)
	}
	return nil
}

// noWait refuses a claim that would wait: the frames behind it would wait as long (B2B-WS-034).
func noWait(req proto.Message) error {
	if m, ok := req.(*b2bv1.ClaimInboxRequest); ok && m.GetWaitSeconds() > 0 {
		return call.Invalid("wait_seconds: must be 0 here; claim again after an event that is addressed to the bot")
	}
	return nil
}

func removedBot(req proto.Message) error {
	if m, ok := req.(*b2bv1.RemoveParticipantRequest); ok && m.GetBot() == "" {
		return call.Invalid("bot_id: is required")
	}
	return nil
}
