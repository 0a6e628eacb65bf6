package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/decision"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// asking is a request to ask for a decision.
type asking interface {
	request
	GetKind() b2bv1.DecisionKind
	GetQuestion() string
	GetChoices() *b2bv1.StringList
	GetBots() *b2bv1.StringList
	GetHumans() bool
	GetDefault() string
	GetExpiresIn() int32
}

// AskThreadDecision asks participants of a thread, or people (B2B-DEC-001).
func (s *decisionService) AskThreadDecision(ctx context.Context, req *b2bv1.AskThreadDecisionRequest) (*b2bv1.AskThreadDecisionResponse, error) {
	caller := call.CallerOf(ctx)
	return guarded(ctx, s.core, req, func(tx decisionTx) (*b2bv1.AskThreadDecisionResponse, error) {
		now, err := s.settleNow(ctx, tx)
		if err != nil {
			return nil, err
		}
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		switch ok, err := s.permitted(ctx, tx, t, p, thread.ActionWrite); {
		case err != nil:
			return nil, err
		case !ok:
			return nil, errWriteDenied(t)
		}
		d, err := newDecision(caller, req, now)
		if err != nil {
			return nil, err
		}
		d.ThreadID, d.Blocks = &t.ID, req.GetBlocks()
		asked, err := s.askedInThread(ctx, tx, req)
		if err != nil {
			return nil, err
		}
		if d.Blocks {
			if err := setGivesBack(ctx, tx, d, t); err != nil {
				return nil, err
			}
		}
		out, err := s.putDecision(ctx, tx, d, asked)
		if err != nil {
			return nil, err
		}
		if err := tx.TouchThread(ctx, t.ID, s.nowMS()); err != nil {
			return nil, fmt.Errorf("update the last activity of a thread: %w", err)
		}
		if d.Blocks && thread.Status(t.Status) != thread.Blocked {
			if err := s.setThreadStatus(ctx, tx, t, thread.Blocked, caller.Actor(), d); err != nil {
				return nil, err
			}
		}
		return &b2bv1.AskThreadDecisionResponse{Decision: out}, nil
	})
}

// AskChannelDecision asks the other bot of a channel, or people (B2B-DEC-002).
func (s *decisionService) AskChannelDecision(ctx context.Context, req *b2bv1.AskChannelDecisionRequest) (*b2bv1.AskChannelDecisionResponse, error) {
	caller := call.CallerOf(ctx)
	if caller.ViaSession() {
		return nil, errDirectOfSession()
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx decisionTx) (*b2bv1.AskChannelDecisionResponse, error) {
		now, err := s.settleNow(ctx, tx)
		if err != nil {
			return nil, err
		}
		switch member, err := isMember(ctx, tx, req.GetChannelId(), caller.BotID); {
		case err != nil:
			return nil, err
		case !member:
			return nil, errNotMember()
		}
		d, err := newDecision(caller, req, now)
		if err != nil {
			return nil, err
		}
		d.ChannelID = &req.ChannelId
		asked, err := s.askedInChannel(ctx, tx, req)
		if err != nil {
			return nil, err
		}
		out, err := s.putDecision(ctx, tx, d, asked)
		return &b2bv1.AskChannelDecisionResponse{Decision: out}, err
	})
}

// newDecision reads a request, apart from its place and who is asked.
func newDecision(caller *call.Caller, req asking, now int64) (*store.Decision, error) {
	kind := decision.Kind(textOf(req.GetKind(), "DECISION_KIND_"))
	choices, err := decision.Choices(kind, req.GetChoices().GetValues())
	switch {
	case err != nil:
		return nil, call.Invalid("%s", err)
	case req.GetQuestion() == "":
		return nil, call.Invalid("question: is required")
	}
	text, err := json.Marshal(append([]string{}, choices...))
	if err != nil {
		return nil, fmt.Errorf("marshal the choices of a decision: %w", err)
	}
	d := &store.Decision{
		ID: newID(), OrgID: caller.OrgID, AskerID: caller.BotID, AskerName: caller.BotName, Kind: string(kind), Question: req.GetQuestion(),
		Choices: string(text), Humans: req.GetHumans(), Status: store.DecisionOpen, AskedAt: now,
	}
	if in := req.GetExpiresIn(); in > 0 {
		at := now + int64(in)*1000
		d.ExpiresAt = &at
	}
	if answer := req.GetDefault(); answer != "" {
		switch {
		case d.ExpiresAt == nil:
			return nil, call.Invalid("default: is allowed only together with expires_in")
		case !decision.Allows(choices, answer):
			return nil, call.Invalid("default: must be one of %s", quoted(choices))
		}
		d.Default = &answer
	}
	return d, nil
}

// quoted lists choices for an error.
func quoted(choices []string) string {
	all := make([]string, len(choices))
	for i, c := range choices {
		all[i] = strconv.Quote(c)
	}
	return strings.Join(all, ", ")
}

// askedInThread finds the participants that a request names, and those with its label.
func (s *decisionService) askedInThread(ctx context.Context, tx decisionTx, req *b2bv1.AskThreadDecisionRequest) ([]askedBot, error) {
	asked, err := namedBots(ctx, tx, req, func(bot *store.Bot) (bool, error) {
		p, err := participation(ctx, tx, req.GetThreadId(), bot.ID)
		return p != nil, err
	})
	if err != nil {
		return nil, err
	}
	if req.GetLabel() != "" {
		labelled, err := labelledBots(ctx, tx, req)
		if err != nil {
			return nil, err
		}
		if len(labelled) == 0 {
			return nil, call.Invalid("label: no other active participant has this label")
		}
		for _, b := range labelled {
			asked = withBot(asked, b)
		}
	}
	switch {
	case len(asked) == 0 && !req.GetHumans():
		return nil, call.Invalid("bots: name bots, a label, or humans")
	case len(asked) > limits.MaxDecisionBots:
		return nil, call.Invalid("label: more than %d participants would be asked", limits.MaxDecisionBots).
			WithHint("Name some of them in bots.")
	}
	return asked, nil
}

// askedInChannel finds the other bot of a channel, unless only people are asked.
func (s *decisionService) askedInChannel(ctx context.Context, tx decisionTx, req *b2bv1.AskChannelDecisionRequest) ([]askedBot, error) {
	members, err := tx.ChannelMembers(ctx, req.GetChannelId())
	if err != nil {
		return nil, fmt.Errorf("list a channel's members: %w", err)
	}
	asked, err := namedBots(ctx, tx, req, func(bot *store.Bot) (bool, error) {
		return slices.ContainsFunc(members, func(m store.ChannelMember) bool { return m.BotID == bot.ID }), nil
	})
	if err != nil || len(asked) > 0 || req.GetHumans() {
		return asked, err
	}
	me := call.CallerOf(ctx)
	for i := range members {
		if id := members[i].BotID; id != me.BotID {
			others, err := activeBots(ctx, tx, me.OrgID, []string{id})
			if err != nil || len(others) > 0 {
				return others, err
			}
		}
	}
	return nil, call.Invalid("bots: the other bot of this channel was deleted or is not active").WithHint("Ask people with humans.")
}

// namedBots finds the bots that a request names. inside reports whether a bot is in the thread or
// channel.
func namedBots(ctx context.Context, tx decisionTx, req asking, inside func(*store.Bot) (bool, error)) (asked []askedBot, err error) {
	caller := call.CallerOf(ctx)
	for i, ref := range req.GetBots().GetValues() {
		bot, err := tx.ResolveBot(ctx, caller.OrgID, ref)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, call.Invalid("bots[%d]: Bot not found: no bot of this org has this id or name", i)
		case err != nil:
			return nil, fmt.Errorf("resolve a bot that is asked: %w", err)
		case bot.ID == caller.BotID:
			return nil, call.Invalid("bots[%d]: Cannot ask yourself", i)
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive(fmt.Sprintf("bots[%d]", i), bot)
		}
		switch there, err := inside(bot); {
		case err != nil:
			return nil, err
		case !there:
			return nil, call.Invalid("bots[%d]: this bot is not a participant here, and could not see the question", i).
				WithHint("Add it to the thread first.")
		}
		asked = withBot(asked, askedBot{bot.ID, bot.Name})
	}
	return asked, nil
}

// labelledBots finds the active participants with the label of a request, without the caller.
func labelledBots(ctx context.Context, tx decisionTx, req *b2bv1.AskThreadDecisionRequest) ([]askedBot, error) {
	caller := call.CallerOf(ctx)
	rows, err := tx.Participants(ctx, req.GetThreadId(), limits.MaxParticipants)
	if err != nil {
		return nil, fmt.Errorf("list participants: %w", err)
	}
	var ids []string
	for i := range rows {
		if p := &rows[i]; p.BotID != caller.BotID && p.Label != nil && *p.Label == req.GetLabel() {
			ids = append(ids, p.BotID)
		}
	}
	return activeBots(ctx, tx, caller.OrgID, ids)
}

// activeBots returns those of some bots that are active.
func activeBots(ctx context.Context, r botsReader, org string, ids []string) (active []askedBot, err error) {
	bots, err := r.BotsByID(ctx, org, ids)
	if err != nil {
		return nil, fmt.Errorf("read the bots that are asked: %w", err)
	}
	for i := range bots {
		if bots[i].JoinStatus == store.BotActive {
			active = append(active, askedBot{bots[i].ID, bots[i].Name})
		}
	}
	return active, nil
}

// withBot adds a bot unless it is there.
func withBot(bots []askedBot, b askedBot) []askedBot {
	if slices.ContainsFunc(bots, func(have askedBot) bool { return have.ID == b.ID }) {
		return bots
	}
	return append(bots, b)
}

// setGivesBack sets the status that the thread of a decision that blocks gets back.
func setGivesBack(ctx context.Context, tx closingTx, d *store.Decision, t *store.Thread) error {
	open, err := blocking(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	var others []thread.Status
	for i := range open {
		others = append(others, thread.Status(textOr(open[i].GivesBack, t.Status)))
	}
	status := string(decision.GivesBack(thread.Status(t.Status), others))
	d.GivesBack = &status
	return nil
}

// putDecision counts a decision against the limits, stores it, and audits and emits it.
func (s *decisionService) putDecision(ctx context.Context, tx decisionTx, d *store.Decision, asked []askedBot) (*b2bv1.Decision, error) {
	if err := checkDecisionQuota(ctx, tx, d); err != nil {
		return nil, err
	}
	settings, err := tx.OrgSettings(ctx, d.OrgID)
	if err != nil {
		return nil, fmt.Errorf("read the org's settings: %w", err)
	}
	if err := s.takeMessage(ctx, tx, settings); err != nil {
		return nil, err
	}
	if err := setBots(d, asked); err != nil {
		return nil, err
	}
	ids := make([]string, len(asked))
	for i := range asked {
		ids[i] = asked[i].ID
	}
	if err := tx.PutDecision(ctx, d, ids); err != nil {
		return nil, fmt.Errorf("store a decision: %w", err)
	}
	details := detail{"kind": d.Kind, "blocks": d.Blocks, "bots": ids, "humans": d.Humans}.via(ctx)
	if err := s.auditDecision(ctx, tx, d, "decision.ask", details); err != nil {
		return nil, err
	}
	out, err := decisionOut(d)
	if err != nil {
		return nil, err
	}
	return out, s.emit(ctx, tx, toDecision(d), &b2bv1.Event{Event: &b2bv1.Event_DecisionAsked{
		DecisionAsked: &b2bv1.DecisionAskedEvent{Decision: out},
	}})
}

// setBots sets the bots that may answer a decision.
func setBots(d *store.Decision, bots []askedBot) error {
	text, err := json.Marshal(append([]askedBot{}, bots...))
	if err != nil {
		return fmt.Errorf("marshal the bots of a decision: %w", err)
	}
	d.Bots = string(text)
	return nil
}

// checkDecisionQuota refuses a decision of an org, bot, thread or channel that has too many open ones
// (B2B-DEC-040).
func checkDecisionQuota(ctx context.Context, tx decisionTx, d *store.Decision) error {
	_, place := placeOf(d)
	ofOrg, ofAsker, ofPlace, err := tx.CountOpenDecisions(ctx, d.OrgID, d.AskerID, place)
	if err != nil {
		return fmt.Errorf("count open decisions: %w", err)
	}
	for _, quota := range []struct {
		of         string
		have, most int64
	}{
		{"thread or channel", ofPlace, limits.DecisionsOfPlace}, {"bot", ofAsker, limits.DecisionsOfBot}, {"org", ofOrg, limits.DecisionsOfOrg},
	} {
		if quota.have >= quota.most {
			return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "The %s has %d open decisions, the most that it may have", quota.of, quota.most).
				WithHint("Withdraw decisions that are not needed, and let others expire with expires_in.")
		}
	}
	return nil
}
