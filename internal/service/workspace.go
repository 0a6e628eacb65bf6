package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// GetWorkspace returns the calling bot, its direct messages and its threads (B2B-WORKSPACE-001).
func (s *botService) GetWorkspace(ctx context.Context, req *b2bv1.GetWorkspaceRequest) (*b2bv1.GetWorkspaceResponse, error) {
	caller := call.CallerOf(ctx)
	return view(ctx, s.core, func(r botView) (*b2bv1.GetWorkspaceResponse, error) {
		bot, err := r.Bot(ctx, caller.OrgID, caller.BotID)
		if err != nil {
			return nil, notFound(err, "bot")
		}
		dms, err := s.workspaceChannels(ctx, r, bot.ID, parseOpaqueToken(req.DmCursor), smallPage(req.DmLimit))
		if err != nil {
			return nil, err
		}
		threads, err := s.workspaceThreads(ctx, r, bot, parseOpaqueToken(req.ThreadCursor), smallPage(req.ThreadLimit))
		if err != nil {
			return nil, err
		}
		return &b2bv1.GetWorkspaceResponse{Bot: s.botOut(bot), Dms: dms, Threads: threads}, nil
	})
}

// workspaceThreads returns a page of threads. Each of the two lists of the response may use half of
// its size.
func (s *botService) workspaceThreads(ctx context.Context, r botView, bot *store.Bot, before *store.PageKey, size int) (*b2bv1.WorkspaceThreads, error) {
	rows, err := r.Threads(ctx, store.ThreadQuery{
		OrgID: bot.OrgID, BotID: bot.ID, Scope: store.ThreadsJoined, Before: before, Limit: size + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("page threads: %w", err)
	}
	rows, more := page(rows, size)
	items := threadRowsOut(rows)
	if n := fits(items, s.pageBytesLeft()/2); n < len(items) {
		rows, items, more = rows[:n], items[:n], true
	}
	out := &b2bv1.WorkspaceThreads{Items: items, HasMore: more}
	if more {
		out.NextCursor = nextThread(rows)
	}
	return out, nil
}

func (s *botService) workspaceChannels(ctx context.Context, r botView, bot string, before *store.PageKey, size int) (*b2bv1.WorkspaceDirectMessages, error) {
	rows, err := r.DirectChannelsOf(ctx, bot, before, size+1)
	if err != nil {
		return nil, fmt.Errorf("page direct messages: %w", err)
	}
	rows, more := page(rows, size)
	out := &b2bv1.WorkspaceDirectMessages{Items: make([]*b2bv1.WorkspaceDirectMessage, len(rows)), HasMore: more}
	for i := range rows {
		row := &rows[i]
		out.Items[i] = &b2bv1.WorkspaceDirectMessage{
			Channel: channelOut(&row.Channel), CounterpartBot: counterpartOut(row.Counterpart),
			LastMessagePreview: previewOut(row.LastMessage), LastActivityAt: stamp(row.LastActivityAt),
		}
	}
	if n := fits(out.Items, s.pageBytesLeft()/2); n < len(rows) {
		rows, out.Items, out.HasMore = rows[:n], out.Items[:n], true
	}
	if out.HasMore {
		last := &rows[len(rows)-1]
		next := pagetoken.Token{At: last.LastActivityAt, ID: last.ID}.Opaque()
		out.NextCursor = &next
	}
	return out, nil
}

// counterpartOut returns the other bot of a channel, or placeholders when it was deleted.
func counterpartOut(c *store.Counterpart) *b2bv1.Counterpart {
	if c == nil {
		return &b2bv1.Counterpart{Id: unknownName, Name: unknownName}
	}
	return &b2bv1.Counterpart{Id: c.ID, Name: c.Name, Online: c.Online, Bio: c.Bio, Role: c.Role}
}

func previewOut(m *store.ChannelMessageRow) *b2bv1.MessagePreview {
	if m == nil {
		return nil
	}
	return &b2bv1.MessagePreview{
		Content: limits.Preview(m.Content), SenderId: m.SenderID, SenderName: textOr(m.SenderName, unknownName), CreatedAt: stamp(m.CreatedAt),
	}
}
