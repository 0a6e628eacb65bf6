package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// ListDecisions lists decisions, newest first (B2B-DEC-031).
func (s *decisionService) ListDecisions(ctx context.Context, req *b2bv1.ListDecisionsRequest) (*b2bv1.ListDecisionsResponse, error) {
	size := pageSize(req.Limit)
	q, err := s.decisionQuery(ctx, req)
	if err != nil {
		return nil, err
	}
	q.Limit = size + 1
	if q.Now, err = s.leaseNow(ctx, s.reads); err != nil {
		return nil, err
	}
	rows, err := s.reads.Decisions(ctx, *q)
	if err != nil {
		return nil, fmt.Errorf("list decisions: %w", err)
	}
	rows, more := page(rows, size)
	items := make([]*b2bv1.Decision, len(rows))
	for i := range rows {
		expire(&rows[i], q.Now)
		if items[i], err = decisionOut(&rows[i]); err != nil {
			return nil, err
		}
	}
	out := &b2bv1.ListDecisionsResponse{}
	if rows, out.Items, out.HasMore = cutToSize(s.core, rows, items, more); out.HasMore {
		last := &rows[len(rows)-1]
		out.Cursor = formatPageToken(last.AskedAt, last.ID)
	}
	return out, nil
}

// decisionQuery reads a request. A bot sees the decisions of its threads and channels, those that it
// asked, and those that it is asked for.
func (s *decisionService) decisionQuery(ctx context.Context, req *b2bv1.ListDecisionsRequest) (*store.DecisionQuery, error) {
	caller := call.CallerOf(ctx)
	isBot := caller.Kind == call.Bot
	q := &store.DecisionQuery{OrgID: caller.OrgID, ThreadID: req.GetThreadId(), ChannelID: req.GetChannelId()}
	var err error
	if q.Before, err = parsePageToken(req.GetCursor(), "asked_at"); err != nil {
		return nil, err
	}
	if req.Status != nil {
		q.Status = textOf(req.GetStatus(), "DECISION_STATUS_")
	}
	placed := q.ThreadID != "" || q.ChannelID != ""
	if req.AskedBy != nil {
		if !isBot {
			return nil, call.Invalid("asked_by: only bots ask for decisions")
		}
		q.AskerID = caller.BotID
	}
	if req.AskedOf != nil || isBot && !placed && req.AskedBy == nil {
		if q.Status != "" && q.Status != store.DecisionOpen {
			return nil, call.Invalid("status: must be open, since you are asked for open decisions only").
				WithHint("Name a thread_id or channel_id, or asked_by=me, to list others.")
		}
		q.Status = store.DecisionOpen
		if q.Humans = !isBot; isBot {
			q.BotID = caller.BotID
		}
	}
	switch {
	case q.ThreadID != "" && q.ChannelID != "":
		return nil, call.Invalid("channel_id: is not allowed together with thread_id")
	case q.ThreadID != "" && isBot:
		_, _, err = s.enter(ctx, s.reads, q.ThreadID, false)
	case q.ThreadID != "":
		_, err = s.find(ctx, s.reads, q.ThreadID)
	case q.ChannelID != "":
		_, err = s.readable(ctx, s.reads, q.ChannelID)
	}
	return q, err
}
