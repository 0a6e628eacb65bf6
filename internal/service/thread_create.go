package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// CreateThread creates a thread with the caller and other participants (B2B-THR-002,
// B2B-THR-012).
func (s *threadService) CreateThread(ctx context.Context, req *b2bv1.CreateThreadRequest) (*b2bv1.CreateThreadResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.CreateThreadResponse, error) {
		t, tags, bots, err := s.newThread(ctx, tx, req)
		if err != nil {
			return nil, err
		}
		settings, err := tx.OrgSettings(ctx, caller.OrgID)
		if err != nil {
			return nil, fmt.Errorf("read the org's settings: %w", err)
		}
		if err := s.takeThread(ctx, tx, settings); err != nil {
			return nil, err
		}
		participants := make([]store.Participant, len(bots))
		for i, bot := range bots {
			participants[i] = store.Participant{ThreadID: t.ID, BotID: bot.Id, JoinedAt: t.CreatedAt}
		}
		if err := tx.CreateThread(ctx, t, participants); err != nil {
			return nil, fmt.Errorf("create a thread: %w", err)
		}
		details := detail{"topic": t.Topic, "tags": tags}.via(ctx)
		if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.create", "thread", t.ID, details); err != nil {
			return nil, err
		}
		out := threadOut(t)
		if err := s.emitCreated(ctx, tx, out, bots); err != nil {
			return nil, err
		}
		return &b2bv1.CreateThreadResponse{Thread: out}, nil
	})
}

// emitCreated emits the events of a new thread to its participants: the thread first, then each
// participant, the initiator before the others. Package eventlog delivers thread_created to all org
// admins as well.
func (s *threadService) emitCreated(ctx context.Context, tx threadTx, t *b2bv1.Thread, bots []*b2bv1.BotBrief) error {
	err := s.emit(ctx, tx, toThread(t.Id), &b2bv1.Event{Event: &b2bv1.Event_ThreadCreated{
		ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: t},
	}})
	for _, bot := range bots {
		if err == nil {
			err = s.emitParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
				ThreadId: t.Id, BotId: bot.Id, BotName: bot.Name,
				Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED, By: t.GetInitiatorId(),
			})
		}
	}
	return err
}

// newThread checks a request (B2B-THR-003 to 011) and returns the thread, its tags, and its
// participants, the initiator first.
func (s *threadService) newThread(ctx context.Context, tx threadTx, req *b2bv1.CreateThreadRequest) (*store.Thread, []string, []*b2bv1.BotBrief, error) {
	caller := call.CallerOf(ctx)
	now := s.nowMS()
	t := &store.Thread{
		ID: newID(), OrgID: caller.OrgID, Status: string(thread.Active), InitiatorID: &caller.BotID,
		ChannelID: req.ChannelId, Context: req.Context, Revision: 1,
		CreatedAt: now, UpdatedAt: now, LastActivityAt: now,
	}
	var err error
	if t.Topic, err = limits.Topic(req.GetTopic()); err != nil {
		return nil, nil, nil, ruleError(err)
	}
	tags, err := newTags(req.Tags, t)
	if err != nil {
		return nil, nil, nil, err
	}
	bots, err := s.initialParticipants(ctx, tx, req.GetParticipants().GetValues())
	if err != nil {
		return nil, nil, nil, err
	}
	if err := checkOrigin(ctx, tx, req.ChannelId); err != nil {
		return nil, nil, nil, err
	}
	if req.PermissionPolicy != nil {
		if t.PermissionPolicy, err = policyText(req.GetPermissionPolicy()); err != nil {
			return nil, nil, nil, err
		}
	}
	settings, err := newSettings(thread.DefaultSettings(), req.Visibility, req.JoinPolicy)
	if err != nil {
		return nil, nil, nil, err
	}
	t.Visibility, t.JoinPolicy = string(settings.Visibility), string(settings.JoinPolicy)
	return t, tags, bots, nil
}

// newTags sets the tags of a thread and returns them. null and [] stay distinct.
func newTags(sent *b2bv1.StringList, t *store.Thread) ([]string, error) {
	if sent == nil {
		return nil, nil
	}
	values := sent.Values
	if values == nil {
		values = []string{}
	}
	tags := limits.ThreadTags(values)
	t.Tags = jsonText(tags)
	return tags, nil
}

// initialParticipants finds the first participants of a thread, without duplicates and with the
// caller first.
func (s *threadService) initialParticipants(ctx context.Context, tx threadTx, refs []string) ([]*b2bv1.BotBrief, error) {
	caller := call.CallerOf(ctx)
	bots := []*b2bv1.BotBrief{{Id: caller.BotID, Name: caller.BotName}}
	known := map[string]bool{caller.BotID: true}
	for i, ref := range refs {
		bot, err := tx.ResolveBot(ctx, caller.OrgID, ref)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, call.Invalid("participants[%d]: Bot not found: no bot of this org has this id or name", i)
		case err != nil:
			return nil, fmt.Errorf("resolve a participant: %w", err)
		case known[bot.ID]:
			continue
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive(fmt.Sprintf("participants[%d]", i), bot)
		}
		known[bot.ID] = true
		bots = append(bots, &b2bv1.BotBrief{Id: bot.ID, Name: bot.Name})
	}
	return bots, nil
}

// errBotNotActive is the error about a named bot that is not active. Its status is 400, because the
// bot is not the caller.
func errBotNotActive(field string, bot *store.Bot) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "%s: this bot is %s", field, bot.JoinStatus).WithStatus(400)
}

// checkOrigin checks the channel that a thread originates from. The caller must be a member of
// it.
func checkOrigin(ctx context.Context, tx threadTx, channel *string) error {
	if channel == nil {
		return nil
	}
	member, err := isMember(ctx, tx, *channel, call.CallerOf(ctx).BotID)
	switch {
	case err != nil:
		return err
	case !member:
		return call.Invalid("channel_id: must be a channel that you are a member of")
	}
	return nil
}

// policyText returns the text of a permission policy to store; nil: no policy.
func policyText(raw string) (*string, error) {
	text, err := thread.ParsePolicy([]byte(raw))
	var refused *thread.PolicyError
	if errors.As(err, &refused) {
		return nil, call.Invalid("permission_policy: %s", refused.Problem)
	}
	return text, err
}

// newSettings returns settings with new values; an absent value keeps the current one.
func newSettings(now thread.Settings, visibility *b2bv1.Visibility, policy *b2bv1.JoinPolicy) (thread.Settings, error) {
	var v thread.Visibility
	if visibility != nil {
		var ok bool
		if v, ok = thread.ParseVisibility(textOf(*visibility, "VISIBILITY_")); !ok {
			return now, call.Invalid("visibility: must be public, members or private")
		}
	}
	var p thread.JoinPolicy
	if policy != nil {
		var ok bool
		if p, ok = thread.ParseJoinPolicy(textOf(*policy, "JOIN_POLICY_")); !ok {
			return now, call.Invalid("join_policy: must be open, approval or invite_only")
		}
	}
	return now.With(v, p), nil
}
