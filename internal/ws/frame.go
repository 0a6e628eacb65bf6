package ws

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var (
	pong = []byte(`{"type":"pong"}`)
	// badFrame is the reply to invalid JSON. It has no ref, since that cannot be read.
	badFrame = []byte(`{"type":"error","message":"Invalid message format","code":"VALIDATION_ERROR"}`)
)

// The keys that are read before the operation of a frame is known.
const (
	keyType = iota
	keyRef
	keyContent
	keyParts
	keyArtifactType
	keyThread
	keyChannel
	keyTraceparent
	keyTracestate
)

// handle handles one frame (B2B-WS-010 to 016).
func (c *client) handle(frame []byte, reservation *intake.Reservation) {
	keys, object, err := wire.Peek(frame, "type", "ref", "content", "parts", "artifact_type", "thread_id", "channel_id", "traceparent", "tracestate")
	switch {
	case err != nil, !object && bytes.TrimSpace(frame)[0] == 'n': // null
		c.answer(badFrame)
		return
	case !object:
		return
	}
	kind, _ := wire.Text(keys[keyType])
	switch kind {
	case "ping":
		c.answerSoon(pong)
		return
	case "subscribe", "unsubscribe":
		c.watch(kind == "subscribe", keys)
		return
	}
	op := c.server.ops[kind]
	if op == nil || c.bot == "" {
		return
	}
	c.do(op, frame, keys, reservation)
}

// watch handles subscribe and unsubscribe (B2B-WS-018).
func (c *client) watch(begin bool, keys [][]byte) {
	var threads, channels []string
	if id, ok := wire.Text(keys[keyThread]); ok && id != "" {
		threads = []string{id}
	}
	if id, ok := wire.Text(keys[keyChannel]); ok && id != "" {
		channels = []string{id}
	}
	switch {
	case c.bot != "":
		c.answer(appendError(nil, nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only org admins subscribe to threads and channels")))
	case begin:
		if err := c.sub.Watch(threads, channels); err != nil {
			e, _ := call.AsError(err)
			c.answer(appendError(nil, nil, e))
		}
	default:
		c.sub.Unwatch(threads, channels)
	}
}

// run runs an operation when its org may (B2B-LIM-022).
func (c *client) run(info *call.Info, req proto.Message, malformed error) (proto.Message, error) {
	permit, err := c.server.Intake.Run(c.ctx, info)
	if err != nil {
		c.server.Pipeline.Refused(c.ctx, info, err)
		return nil, err
	}
	defer permit.End()
	return c.server.Pipeline.Do(c.ctx, info, req, malformed, func(ctx context.Context) (proto.Message, error) {
		return info.Operation.Invoke(ctx, req)
	})
}

// do calls an operation and sends an ack or an error.
func (c *client) do(op *operation, frame []byte, keys [][]byte, reservation *intake.Reservation) {
	s := c.server
	s.stats.ops.Add(1)
	req := op.NewRequest()
	info := &call.Info{
		Operation: op.Operation, Credentials: c.creds, Caller: &call.Caller{}, Via: "ws",
		RemoteIP: c.ip, UserAgent: c.agent, BaseURL: c.base, Trace: traceOf(keys),
	}
	if s.AccessLog != nil {
		info.Access = &call.Access{Info: info}
	}
	began, reply := time.Now(), []byte(nil)
	defer func() {
		if s.AccessLog != nil {
			s.AccessLog.Call(c.ctx, info.Access, len(frame), len(reply), began)
		}
	}()
	var res proto.Message
	err := s.Pipeline.Admit(c.ctx, info)
	if err == nil {
		malformed := op.decode(req, frame, keys)
		reservation.Decoded()
		res, err = c.run(info, req, malformed)
	}
	ref := keys[keyRef]
	if !truthy(ref) {
		ref = nil
	}
	if err != nil {
		e, _ := call.AsError(err)
		s.stats.failed(e.Code)
		reply = appendError(nil, ref, e)
		c.answer(reply)
		return
	}
	s.stats.acks.Add(1)
	if ref == nil {
		return
	}
	b := append(make([]byte, 0, 256+len(ref)), `{"type":"ack","ref":`...)
	b = append(b, ref...)
	b = append(b, `,"result":{"operation":`...)
	r := result{b: wire.AppendString(b, op.WebSocket), now: time.Now().UnixMilli()}
	op.ack(&r, req, res)
	reply = append(r.b, "}}"...)
	c.answer(reply)
}

// traceOf returns the position in a trace that a frame names (B2B-MSG-060).
func traceOf(keys [][]byte) tracecontext.Context {
	parent, ok := wire.Text(keys[keyTraceparent])
	if !ok {
		return tracecontext.Context{}
	}
	state, _ := wire.Text(keys[keyTracestate]) // another type counts as absent
	return tracecontext.Parse(parent, state)
}

// truthy reports whether a ref is true in JavaScript (B2B-WS-012).
func truthy(ref []byte) bool {
	if len(ref) == 0 {
		return false
	}
	switch ref[0] {
	case '"':
		return len(ref) > 2
	case 'n', 'f':
		return false
	case 't', '{', '[':
		return true
	}
	n, err := strconv.ParseFloat(string(ref), 64)
	return err != nil || n != 0 // a number out of range is Infinity, which is true
}

// appendError appends an error frame. A nil ref is left out.
func appendError(b, ref []byte, e *call.Error) []byte {
	b = append(b, `{"type":"error","message":`...)
	b = wire.AppendString(b, e.Message)
	if ref != nil {
		b = append(b, `,"ref":`...)
		b = append(b, ref...)
	}
	b = append(b, `,"code":"`...)
	b = append(b, call.CodeText(e.Code)...)
	b = append(b, '"')
	if e.RetryAfter > 0 {
		b = append(b, `,"retry_after":`...)
		b = strconv.AppendInt(b, int64(e.RetryAfter), 10)
	}
	if e.Hint != "" {
		b = append(b, `,"hint":`...)
		b = wire.AppendString(b, e.Hint)
	}
	return append(b, '}')
}
