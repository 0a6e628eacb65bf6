package ws

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// acks append the members of the ack of each operation other than `operation` (B2B-WS-021).
var acks = map[string]func(r *result, req, res proto.Message){
	"send": func(r *result, _, res proto.Message) {
		m := res.(*b2bv1.SendChannelMessageResponse)
		r.directMessage(m.ChannelId, m.Message).recipients(m.Recipients)
	},
	"send_dm": func(r *result, _, res proto.Message) {
		m := res.(*b2bv1.SendDirectMessageResponse)
		r.directMessage(m.ChannelId, m.Message).recipients(m.Recipients)
	},
	"send_thread_message": func(r *result, _, res proto.Message) {
		m := res.(*b2bv1.SendThreadMessageResponse).GetMessage()
		r.text("resource_id", m.GetId()).text("message_id", m.GetId()).text("thread_id", m.GetThreadId()).at("timestamp", m.GetCreatedAt()).
			recipients(m.GetRecipients())
	},
	"thread_create": func(r *result, _, res proto.Message) {
		t := res.(*b2bv1.CreateThreadResponse).GetThread()
		r.thread(t.GetId()).text("topic", t.GetTopic()).number("revision", t.GetRevision()).at("timestamp", t.GetCreatedAt())
	},
	"thread_update": func(r *result, _, res proto.Message) {
		m := res.(*b2bv1.UpdateThreadResponse)
		t := m.GetThread()
		r.thread(t.GetId()).texts("changes", m.GetChanges()).number("revision", t.GetRevision()).at("timestamp", t.GetUpdatedAt())
	},
	"thread_invite": func(r *result, req, res proto.Message) {
		m := res.(*b2bv1.AddParticipantResponse)
		r.thread(req.(*b2bv1.AddParticipantRequest).GetThreadId()).text("bot_id", m.GetParticipant().GetBotId()).
			flag("already_joined", m.GetAlreadyJoined()).number("timestamp", r.now)
	},
	"thread_join": func(r *result, req, res proto.Message) {
		m := res.(*b2bv1.JoinThreadResponse)
		r.thread(req.(*b2bv1.JoinThreadRequest).GetThreadId())
		switch m.GetStatus() {
		case b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_PENDING:
			r.text("status", "pending").text("request_id", m.GetRequestId())
		case b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_ALREADY_JOINED:
			r.text("status", "already_joined").number("timestamp", r.now)
		default:
			r.text("status", "joined").at("joined_at", m.GetJoinedAt()).at("timestamp", m.GetJoinedAt())
		}
	},
	"thread_leave": func(r *result, req, _ proto.Message) {
		r.thread(req.(*b2bv1.LeaveThreadRequest).GetThreadId()).number("timestamp", r.now)
	},
	"thread_remove_participant": func(r *result, req, res proto.Message) {
		r.thread(req.(*b2bv1.RemoveParticipantRequest).GetThreadId()).
			text("bot_id", res.(*b2bv1.RemoveParticipantResponse).GetBotId()).number("timestamp", r.now)
	},
	"artifact_add": func(r *result, _, res proto.Message) {
		a := res.(*b2bv1.AddArtifactResponse).GetArtifact()
		r.artifact(a).at("timestamp", a.GetCreatedAt())
	},
	"artifact_update": func(r *result, _, res proto.Message) {
		a := res.(*b2bv1.UpdateArtifactResponse).GetArtifact()
		r.artifact(a).at("timestamp", a.GetUpdatedAt())
	},
	"thread_decision_ask": func(r *result, _, res proto.Message) {
		d := res.(*b2bv1.AskThreadDecisionResponse).GetDecision()
		r.decision(d).at("timestamp", d.GetAskedAt())
	},
	"channel_decision_ask": func(r *result, _, res proto.Message) {
		d := res.(*b2bv1.AskChannelDecisionResponse).GetDecision()
		r.decision(d).at("timestamp", d.GetAskedAt())
	},
	"decision_answer": func(r *result, _, res proto.Message) {
		d := res.(*b2bv1.AnswerDecisionResponse).GetDecision()
		r.decision(d).at("timestamp", d.GetClosedAt())
	},
	"decision_withdraw": func(r *result, _, res proto.Message) {
		d := res.(*b2bv1.WithdrawDecisionResponse).GetDecision()
		r.decision(d).at("timestamp", d.GetClosedAt())
	},
	"inbox_claim": func(r *result, _, res proto.Message) {
		r.key("items")
		r.b = append(r.b, '[')
		for i, d := range res.(*b2bv1.ClaimInboxResponse).GetItems() {
			if i > 0 {
				r.b = append(r.b, ',')
			}
			r.b = wire.AppendDelivery(r.b, d)
		}
		r.b = append(r.b, ']')
	},
	"inbox_ack": func(r *result, req, _ proto.Message) {
		id := req.(*b2bv1.AckDeliveryRequest).GetId()
		r.text("resource_id", id).text("delivery_id", id).flag("settled", true)
	},
	"inbox_nack":     answered,
	"inbox_extend":   answered,
	"inbox_progress": answered,
	"inbox_wait":     answered,
}

// answered appends a delivery that was answered and is not done.
func answered(r *result, _, res proto.Message) {
	if d := res.(interface{ GetDelivery() *b2bv1.Delivery }).GetDelivery(); d != nil {
		r.text("resource_id", d.GetId()).text("delivery_id", d.GetId()).key("delivery")
		r.b = wire.AppendDelivery(r.b, d)
	}
}

// result builds the result of an ack. Each method appends members.
type result struct {
	b   []byte
	now int64 // Unix milliseconds
}

func (r *result) key(name string) {
	r.b = append(r.b, `,"`...)
	r.b = append(r.b, name...)
	r.b = append(r.b, `":`...)
}

func (r *result) text(name, v string) *result {
	r.key(name)
	r.b = wire.AppendString(r.b, v)
	return r
}

func (r *result) texts(name string, list []string) *result {
	r.key(name)
	r.b = append(r.b, '[')
	for i, v := range list {
		if i > 0 {
			r.b = append(r.b, ',')
		}
		r.b = wire.AppendString(r.b, v)
	}
	r.b = append(r.b, ']')
	return r
}

func (r *result) number(name string, v int64) *result {
	r.key(name)
	r.b = strconv.AppendInt(r.b, v, 10)
	return r
}

func (r *result) flag(name string, v bool) *result {
	r.key(name)
	r.b = strconv.AppendBool(r.b, v)
	return r
}

// at appends a time in Unix milliseconds.
func (r *result) at(name string, v *timestamppb.Timestamp) *result {
	return r.number(name, v.AsTime().UnixMilli())
}

func (r *result) thread(id string) *result { return r.text("resource_id", id).text("thread_id", id) }

func (r *result) directMessage(channel string, m *b2bv1.ChannelMessage) *result {
	return r.text("resource_id", m.GetId()).text("channel_id", channel).text("message_id", m.GetId()).at("timestamp", m.GetCreatedAt())
}

// recipients appends who a message is addressed to. The stored response to a request of an earlier
// version has none.
func (r *result) recipients(v *b2bv1.Recipients) *result {
	if v != nil {
		r.key("recipients")
		r.b = wire.AppendRecipients(r.b, v)
	}
	return r
}

func (r *result) artifact(a *b2bv1.Artifact) *result {
	return r.text("resource_id", a.GetId()).text("thread_id", a.GetThreadId()).text("artifact_key", a.GetArtifactKey()).
		number("version", int64(a.GetVersion()))
}

func (r *result) decision(d *b2bv1.Decision) *result {
	r.text("resource_id", d.GetId()).text("decision_id", d.GetId())
	if d.ThreadId != nil {
		r.text("thread_id", d.GetThreadId())
	} else {
		r.text("channel_id", d.GetChannelId())
	}
	return r.text("status", strings.ToLower(strings.TrimPrefix(d.GetStatus().String(), "DECISION_STATUS_")))
}
