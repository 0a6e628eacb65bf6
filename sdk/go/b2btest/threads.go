package b2btest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	active    = b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE
	blocked   = b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED
	reviewing = b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING
	resolved  = b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED
	closed    = b2bv1.ThreadStatus_THREAD_STATUS_CLOSED
)

// following has the statuses that a thread can be set to, by its status.
var following = map[b2bv1.ThreadStatus][]b2bv1.ThreadStatus{
	active:    {blocked, reviewing, resolved, closed},
	blocked:   {active},
	reviewing: {active, resolved, closed},
	resolved:  {active},
	closed:    {active},
}

// thread is a thread with its contents.
type thread struct {
	about     *b2bv1.Thread
	members   []*b2bv1.ThreadParticipant
	messages  []*b2bv1.ThreadMessage
	artifacts []versions
	turns     int64 // messages since the last progress
}

func (t *thread) member(bot string) *b2bv1.ThreadParticipant {
	for _, p := range t.members {
		if p.GetBotId() == bot {
			return p
		}
	}
	return nil
}

// change replaces what is known about a thread.
func (t *thread) change(set func(*b2bv1.Thread)) {
	t.about = proto.CloneOf(t.about)
	set(t.about)
}

// threadOf returns a thread of the caller. To change it, it must not be at its end.
func (o *org) threadOf(ctx context.Context, id string, change bool) (*thread, error) {
	i := slices.IndexFunc(o.threads, func(t *thread) bool { return t.about.GetId() == id })
	if i < 0 {
		return nil, missing("thread")
	}
	t := o.threads[i]
	if t.member(caller(ctx).GetId()) == nil {
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, "the bot is not in the thread")
	}
	if change && (t.about.GetStatus() == resolved || t.about.GetStatus() == closed) {
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, "the thread is terminal")
	}
	return t, nil
}

// tell emits an event to the members of a thread.
func (o *org) tell(t *thread, event *b2bv1.Event) error {
	var ids []string
	for _, p := range t.members {
		ids = append(ids, p.GetBotId())
	}
	return o.emit(ids, event)
}

func (h handlers) CreateThread(ctx context.Context, req *b2bv1.CreateThreadRequest) (*b2bv1.CreateThreadResponse, error) {
	if req.GetTopic() == "" {
		return nil, invalid("topic: is required")
	}
	bots := []*b2bv1.Bot{caller(ctx)}
	for _, name := range req.GetParticipants().GetValues() {
		bot := h.org.named(name)
		if bot == nil {
			return nil, missing("bot")
		}
		bots = append(bots, bot)
	}
	now := h.org.timestamp()
	t := &thread{about: &b2bv1.Thread{
		Id: h.org.newID("thread"), OrgId: caller(ctx).GetOrgId(), Topic: req.GetTopic(), Status: active,
		InitiatorId: proto.String(caller(ctx).GetId()), ChannelId: req.ChannelId, Context: req.Context, PermissionPolicy: req.PermissionPolicy,
		Visibility: cmp.Or(req.GetVisibility(), b2bv1.Visibility_VISIBILITY_PUBLIC),
		JoinPolicy: cmp.Or(req.GetJoinPolicy(), b2bv1.JoinPolicy_JOIN_POLICY_OPEN),
		Revision:   1, CreatedAt: now, UpdatedAt: now, LastActivityAt: now,
	}}
	if len(req.GetTags().GetValues()) > 0 {
		t.about.Tags = req.Tags
	}
	h.org.threads = append(h.org.threads, t)
	for _, bot := range bots {
		if t.member(bot.GetId()) == nil {
			t.members = append(t.members, h.org.participant(bot, nil))
		}
	}
	if err := h.org.tell(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadCreated{ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: t.about}}}); err != nil {
		return nil, err
	}
	for _, p := range t.members {
		if err := h.org.joined(t, p, caller(ctx), nil); err != nil {
			return nil, err
		}
	}
	return &b2bv1.CreateThreadResponse{Thread: t.about}, nil
}

func (o *org) participant(bot *b2bv1.Bot, label *string) *b2bv1.ThreadParticipant {
	return &b2bv1.ThreadParticipant{BotId: bot.GetId(), Name: bot.GetName(), Label: label, JoinedAt: o.timestamp()}
}

func (o *org) joined(t *thread, p *b2bv1.ThreadParticipant, by *b2bv1.Bot, label *b2bv1.LabelValue) error {
	return o.tell(t, participantEvent(t, p, b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED, by, label))
}

func participantEvent(t *thread, p *b2bv1.ThreadParticipant, action b2bv1.ParticipantAction, by *b2bv1.Bot, label *b2bv1.LabelValue) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{
		ThreadId: t.about.GetId(), BotId: p.GetBotId(), BotName: p.GetName(), Action: action, By: by.GetId(), Label: label,
	}}}
}

func (h handlers) ListThreads(ctx context.Context, req *b2bv1.ListThreadsRequest) (*b2bv1.ListThreadsResponse, error) {
	var own []*thread
	for _, t := range slices.Backward(h.org.threads) {
		if t.member(caller(ctx).GetId()) != nil && (req.Status == nil || req.GetStatus() == t.about.GetStatus()) &&
			(req.GetCursor() == "" || t.about.GetId() < req.GetCursor()) {
			own = append(own, t)
		}
	}
	res := &b2bv1.ListThreadsResponse{Paged: req.Cursor != nil || req.Limit != nil}
	limit := int(req.GetLimit())
	if limit <= 0 {
		limit = defaultPage
	}
	if res.Paged && len(own) > limit {
		own = own[:limit]
		res.HasMore, res.NextCursor = true, proto.String(own[limit-1].about.GetId())
	}
	for _, t := range own {
		about := proto.CloneOf(t.about)
		about.ParticipantCount, about.Turns = proto.Int32(int32(len(t.members))), proto.Int64(t.turns)
		res.Items = append(res.Items, about)
	}
	return res, nil
}

func (h handlers) GetThread(ctx context.Context, req *b2bv1.GetThreadRequest) (*b2bv1.GetThreadResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	about := proto.CloneOf(t.about)
	about.ParticipantCount, about.Turns = proto.Int32(int32(len(t.members))), proto.Int64(t.turns)
	about.Participants = &b2bv1.ThreadParticipants{Values: slices.Clone(t.members)}
	return &b2bv1.GetThreadResponse{Thread: about}, nil
}

func (h handlers) UpdateThread(ctx context.Context, req *b2bv1.UpdateThreadRequest) (*b2bv1.UpdateThreadResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), req.Status == nil)
	if err != nil {
		return nil, err
	}
	from, to := t.about.GetStatus(), cmp.Or(req.GetStatus(), t.about.GetStatus())
	if to != from && !slices.Contains(following[from], to) {
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, fmt.Sprintf("a thread that is %s cannot become %s", b2b.EnumText(from), b2b.EnumText(to)))
	}
	expected := req.GetExpectedRevisions()
	if req.ExpectedRevision != nil {
		expected = append(slices.Clone(expected), req.GetExpectedRevision())
	}
	if len(expected) > 0 && !slices.Contains(expected, t.about.GetRevision()) {
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT, fmt.Sprintf("the thread has revision %d", t.about.GetRevision()))
	}
	var changes []string
	now := h.org.timestamp()
	t.change(func(about *b2bv1.Thread) {
		set := func(name string, given bool, change func()) {
			if given {
				changes = append(changes, name)
				change()
			}
		}
		set("status", req.Status != nil, func() { about.Status = to })
		set("close_reason", req.CloseReason != nil, func() { about.CloseReason = req.CloseReason })
		set("context", req.Context != nil, func() { about.Context = req.Context })
		set("topic", req.Topic != nil, func() { about.Topic = req.GetTopic() })
		set("permission_policy", req.PermissionPolicy != nil, func() { about.PermissionPolicy = req.PermissionPolicy })
		about.UpdatedAt = now
		about.Revision += int64(max(1, len(changes)))
		if to != from {
			about.ResolvedAt = nil
			if to == resolved {
				about.ResolvedAt = now
			}
		}
	})
	if to != from {
		t.turns = 0
		err := h.org.tell(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
			ThreadId: t.about.GetId(), Topic: t.about.GetTopic(), From: from, To: to, By: caller(ctx).GetId(),
		}}})
		if err != nil {
			return nil, err
		}
	}
	if req.GetStatus() == resolved {
		changes = slices.Insert(changes, 1, "resolved_at")
	}
	err = h.org.tell(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadUpdated{ThreadUpdated: &b2bv1.ThreadUpdatedEvent{Thread: t.about, Changes: changes}}})
	return &b2bv1.UpdateThreadResponse{Thread: t.about, Changes: changes}, err
}
