package service

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/decision"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// decisionService serves questions of bots to bots and people (B2B-DEC).
type decisionService struct {
	*core
	reads decisionReads
}

// decisionReads is what decisionService reads of the store.
type decisionReads interface {
	placeReader
	LeaseClock(ctx context.Context, local int64) (int64, error)
	Decision(ctx context.Context, org, id string) (*store.Decision, error)
	Decisions(ctx context.Context, q store.DecisionQuery) ([]store.Decision, error)
}

// placeReader finds the threads and channels of a caller.
type placeReader interface {
	entryReader
	channelFinder
}

// decisionTx is what its changes need.
type decisionTx interface {
	closingTx
	placeReader
	botsReader
	rateTx
	settingsReader
	ResolveBot(ctx context.Context, org, ref string) (*store.Bot, error)
	ChannelMembers(ctx context.Context, channel string) ([]store.ChannelMember, error)
	Participants(ctx context.Context, thread string, limit int) ([]store.ParticipantRow, error)
	TouchThread(ctx context.Context, id string, at int64) error
	Decision(ctx context.Context, org, id string) (*store.Decision, error)
	CountOpenDecisions(ctx context.Context, org, asker, place string) (ofOrg, ofAsker, ofPlace int64, err error)
	PutDecision(ctx context.Context, d *store.Decision, bots []string) error
}

// AnswerDecision closes a decision with an answer (B2B-DEC-020).
func (s *decisionService) AnswerDecision(ctx context.Context, req *b2bv1.AnswerDecisionRequest) (*b2bv1.AnswerDecisionResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx decisionTx) (*b2bv1.AnswerDecisionResponse, error) {
		d, now, err := s.visibleDecision(ctx, tx, tx, req.GetId())
		if err != nil {
			return nil, err
		}
		asked, err := mayAnswer(caller, d)
		switch {
		case err != nil:
			return nil, err
		case !asked:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NOT_ASKED, "Others are asked for this decision").
				WithHint("Leave it to the bots that it names, or to people if humans is true.")
		case d.Status != store.DecisionOpen:
			return nil, errDecisionClosed(d)
		}
		choices, err := choicesOf(d)
		if err != nil {
			return nil, err
		}
		switch answer := req.GetAnswer(); {
		case answer == "":
			return nil, call.Invalid("answer: is required")
		case !decision.Allows(choices, answer):
			return nil, call.Invalid("answer: must be one of %s", quoted(choices))
		}
		end := decisionEnd{status: decision.Answered, answer: req.Answer, comment: req.Comment, by: caller.Actor(), at: now}
		if err := s.closeDecision(ctx, tx, d, end, nil); err != nil {
			return nil, err
		}
		out, err := decisionOut(d)
		return &b2bv1.AnswerDecisionResponse{Decision: out}, err
	})
}

// WithdrawDecision closes a decision without an answer: the caller's, or for a person any
// (B2B-DEC-022).
func (s *decisionService) WithdrawDecision(ctx context.Context, req *b2bv1.WithdrawDecisionRequest) (*b2bv1.WithdrawDecisionResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx decisionTx) (*b2bv1.WithdrawDecisionResponse, error) {
		d, now, err := s.visibleDecision(ctx, tx, tx, req.GetId())
		if err != nil {
			return nil, err
		}
		why := decision.ByAdmin
		if caller.Kind == call.Bot {
			why = decision.ByAsker
		}
		switch {
		case caller.Kind == call.Bot && d.AskerID != caller.BotID:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Another bot asked for this decision")
		case d.Status != store.DecisionOpen:
			return nil, errDecisionClosed(d)
		}
		if err := s.closeDecision(ctx, tx, d, withdrawn(why, caller.Actor(), now), nil); err != nil {
			return nil, err
		}
		out, err := decisionOut(d)
		return &b2bv1.WithdrawDecisionResponse{Decision: out}, err
	})
}

// GetDecision returns a decision (B2B-DEC-030).
func (s *decisionService) GetDecision(ctx context.Context, req *b2bv1.GetDecisionRequest) (*b2bv1.GetDecisionResponse, error) {
	d, _, err := s.visibleDecision(ctx, s.reads, s.reads, req.GetId())
	if err != nil {
		return nil, err
	}
	out, err := decisionOut(d)
	return &b2bv1.GetDecisionResponse{Decision: out}, err
}

// visibleDecision finds a decision that the caller may see: as an org admin, or as a bot in its thread
// or channel. It returns it as it is at the time by the clock of leases, which it returns, too.
func (s *decisionService) visibleDecision(ctx context.Context, places placeReader, r interface {
	LeaseClock(ctx context.Context, local int64) (int64, error)
	Decision(ctx context.Context, org, id string) (*store.Decision, error)
}, id string) (*store.Decision, int64, error) {
	caller := call.CallerOf(ctx)
	now, err := s.leaseNow(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	d, err := r.Decision(ctx, caller.OrgID, id)
	if err != nil {
		return nil, 0, notFound(err, "decision")
	}
	expire(d, now)
	if caller.Kind != call.Bot {
		return d, now, nil
	}
	kind, scope := placeOf(d)
	seen, err := isInside(ctx, places, kind, scope, caller.BotID)
	switch {
	case err != nil:
		return nil, 0, err
	case !seen:
		return nil, 0, call.NotFound("decision")
	}
	return d, now, nil
}

// placeOf returns the thread or channel of a decision.
func placeOf(d *store.Decision) (kind store.MembershipKind, id string) {
	if d.ThreadID != nil {
		return store.MemberOfThread, *d.ThreadID
	}
	return store.MemberOfChannel, textOr(d.ChannelID, "")
}

// mayAnswer reports whether a caller is asked for a decision, or was.
func mayAnswer(caller *call.Caller, d *store.Decision) (bool, error) {
	if caller.Kind != call.Bot {
		return d.Humans, nil
	}
	bots, err := botsOf(d)
	return slices.ContainsFunc(bots, func(b askedBot) bool { return b.ID == caller.BotID }), err
}

func errDecisionClosed(d *store.Decision) error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_DECISION_CLOSED, "This decision is %s", d.Status).
		With("decision_id", d.ID).With("status", d.Status)
	if d.Answer != nil {
		e = e.With("answer", *d.Answer)
	}
	if d.ClosedBy != nil {
		e = e.With("closed_by", *d.ClosedBy)
	}
	return e
}

// askedBot is the stored form of a bot that may answer.
type askedBot struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func botsOf(d *store.Decision) (bots []askedBot, err error) {
	if err = json.Unmarshal([]byte(d.Bots), &bots); err != nil {
		err = fmt.Errorf("read the bots of decision %s: %w", d.ID, err)
	}
	return bots, err
}

func choicesOf(d *store.Decision) (choices []string, err error) {
	if err = json.Unmarshal([]byte(d.Choices), &choices); err != nil {
		err = fmt.Errorf("read the choices of decision %s: %w", d.ID, err)
	}
	return choices, err
}

// decisionOut returns the message of a decision.
func decisionOut(d *store.Decision) (*b2bv1.Decision, error) {
	choices, err := choicesOf(d)
	if err != nil {
		return nil, err
	}
	bots, err := botsOf(d)
	if err != nil {
		return nil, err
	}
	out := &b2bv1.Decision{
		Id: d.ID, ThreadId: d.ThreadID, ChannelId: d.ChannelID, Asker: &b2bv1.DecisionBot{Id: d.AskerID, Name: d.AskerName},
		Kind: enumOf[b2bv1.DecisionKind](b2bv1.DecisionKind_value, "DECISION_KIND_", d.Kind), Question: d.Question, Choices: choices,
		Default: d.Default, Humans: d.Humans, Blocks: d.Blocks, Answer: d.Answer, Comment: d.Comment, ClosedBy: d.ClosedBy,
		Status:  enumOf[b2bv1.DecisionStatus](b2bv1.DecisionStatus_value, "DECISION_STATUS_", d.Status),
		AskedAt: stamp(d.AskedAt), ExpiresAt: stampOf(d.ExpiresAt), ClosedAt: stampOf(d.ClosedAt),
	}
	if d.Reason != nil {
		out.Reason = enumOf[b2bv1.WithdrawReason](b2bv1.WithdrawReason_value, "WITHDRAW_REASON_", *d.Reason).Enum()
	}
	for _, b := range bots {
		out.Bots = append(out.Bots, &b2bv1.DecisionBot{Id: b.ID, Name: b.Name})
	}
	return out, nil
}
