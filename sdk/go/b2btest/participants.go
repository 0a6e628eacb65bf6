package b2btest

import (
	"context"
	"slices"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (h handlers) JoinThread(ctx context.Context, req *b2bv1.JoinThreadRequest) (*b2bv1.JoinThreadResponse, error) {
	i := slices.IndexFunc(h.org.threads, func(t *thread) bool { return t.about.GetId() == req.GetThreadId() })
	if i < 0 {
		return nil, missing("thread")
	}
	t := h.org.threads[i]
	if t.member(caller(ctx).GetId()) != nil {
		return &b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_ALREADY_JOINED}, nil
	}
	p := h.org.participant(caller(ctx), nil)
	t.join(p)
	err := h.org.joined(t, p, caller(ctx), nil)
	return &b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_JOINED, JoinedAt: p.GetJoinedAt()}, err
}

// join adds a participant to a thread that exists.
func (t *thread) join(p *b2bv1.ThreadParticipant) {
	t.members = append(t.members, p)
	t.change(func(about *b2bv1.Thread) { about.Revision++ })
}

func (h handlers) AddParticipant(ctx context.Context, req *b2bv1.AddParticipantRequest) (*b2bv1.AddParticipantResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	bot := h.org.named(req.GetBotId())
	if bot == nil {
		return nil, missing("bot")
	}
	p := t.member(bot.GetId())
	already := p != nil
	switch {
	case already && req.Label != nil:
		return nil, refuse(b2bv1.ErrorCode_ERROR_CODE_CONFLICT, "the bot is a participant, and its label cannot be changed")
	case !already:
		p = h.org.participant(bot, req.Label)
		t.join(p)
		if err := h.org.joined(t, p, caller(ctx), &b2bv1.LabelValue{Value: req.Label}); err != nil {
			return nil, err
		}
	}
	return &b2bv1.AddParticipantResponse{AlreadyJoined: already, Participant: &b2bv1.Participant{
		ThreadId: t.about.GetId(), BotId: p.GetBotId(), Label: p.Label, JoinedAt: p.GetJoinedAt(),
	}}, nil
}

func (h handlers) RemoveParticipant(ctx context.Context, req *b2bv1.RemoveParticipantRequest) (*b2bv1.RemoveParticipantResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	bot := h.org.named(req.GetBot())
	if bot == nil {
		return nil, missing("bot")
	}
	return &b2bv1.RemoveParticipantResponse{Ok: true, BotId: bot.GetId()}, h.org.remove(t, bot, caller(ctx))
}

func (h handlers) LeaveThread(ctx context.Context, req *b2bv1.LeaveThreadRequest) (*b2bv1.LeaveThreadResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	return &b2bv1.LeaveThreadResponse{Ok: true}, h.org.remove(t, caller(ctx), caller(ctx))
}

// remove removes a bot from a thread, which receives that as the last event.
func (o *org) remove(t *thread, bot, by *b2bv1.Bot) error {
	p := t.member(bot.GetId())
	if p == nil {
		return missing("participant")
	}
	if err := o.tell(t, participantEvent(t, p, b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT, by, nil)); err != nil {
		return err
	}
	t.change(func(about *b2bv1.Thread) { about.Revision++ })
	t.members = slices.DeleteFunc(slices.Clone(t.members), func(one *b2bv1.ThreadParticipant) bool { return one == p })
	return nil
}
