package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/botlist"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/jstext"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// botService serves the bots of an org, and the profile and workspace of the calling bot.
type botService struct {
	*core
	reads botReads
	lists *botlist.Cache
}

// botReads is what botService reads of the store.
type botReads interface {
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	BotByName(ctx context.Context, org, name string) (*store.Bot, error)
	Bots(ctx context.Context, q store.BotQuery) ([]store.Bot, error)
	BotsPage(ctx context.Context, org, search, afterID string, limit int) ([]store.Bot, error)
	WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error)
}

// botView is what it reads on one snapshot.
type botView interface {
	botlist.Reader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	DirectChannelsOf(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.DirectChannel, error)
	Threads(ctx context.Context, q store.ThreadQuery) ([]store.ThreadRow, error)
}

// botTx is what its changes need.
type botTx interface {
	deletionTx
	leaseTx
	nameReader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	UpdateBotProfile(ctx context.Context, b *store.Bot, fields ...store.BotField) error
	RenameBot(ctx context.Context, id, name string) error
	DeleteBot(ctx context.Context, org, id, deletedBy string, at int64) (*store.BotDeletion, error)
}

func (s *botService) ListBots(ctx context.Context, req *b2bv1.ListBotsRequest) (*b2bv1.ListBotsResponse, error) {
	caller := call.CallerOf(ctx)
	if caller.Kind == call.OrgAdmin {
		search := jstext.Trim(req.GetSearch())
		after := jstext.Trim(req.GetCursor())
		if (req.Limit != nil || after != "" || search != "") && !strings.HasPrefix(after, byName) {
			return s.pageBots(ctx, caller.OrgID, search, after, pageSize(req.Limit))
		}
	}
	q := store.BotQuery{OrgID: caller.OrgID, ActiveOnly: !caller.IsAdmin(), Limit: limits.MaxRows + 1}
	if name, ok := strings.CutPrefix(req.GetCursor(), byName); ok {
		q.AfterName = name
	}
	if caller.Kind == call.Bot {
		q.Role, q.Tag, q.Status, q.Text = req.GetRole(), req.GetTag(), req.GetStatus(), req.GetQ()
	}
	if q.Role == "" && q.Tag == "" && q.Status == "" && q.Text == "" {
		out := &b2bv1.ListBotsResponse{}
		next, ok, err := s.listKept(ctx, q, &out.Items)
		if err != nil {
			return nil, err
		}
		if ok {
			if out.HasMore = next != ""; out.HasMore {
				next = byName + next
				out.NextCursor = &next
			}
			return out, nil
		}
	}
	bots, err := s.reads.Bots(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list bots: %w", err)
	}
	bots, more := page(bots, limits.MaxRows)
	bots, items, more := cutToSize(s.core, bots, s.botsOut(bots), more)
	out := &b2bv1.ListBotsResponse{Items: items, HasMore: more}
	if more {
		next := byName + bots[len(bots)-1].Name
		out.NextCursor = &next
	}
	return out, nil
}

// byName is the prefix of page tokens of lists ordered by name. Tokens of lists ordered by id have
// no such prefix.
const byName = "name:"

func (s *botService) pageBots(ctx context.Context, org, search, after string, size int) (*b2bv1.ListBotsResponse, error) {
	rows, err := s.reads.BotsPage(ctx, org, search, after, size+1)
	if err != nil {
		return nil, fmt.Errorf("list a page of bots: %w", err)
	}
	bots, more := page(rows, size)
	bots, items, more := cutToSize(s.core, bots, s.botsOut(bots), more)
	out := &b2bv1.ListBotsResponse{Items: items, HasMore: more, Paged: true}
	if more {
		out.NextCursor = &bots[len(bots)-1].ID
	}
	return out, nil
}

// visible returns a bot that the caller may see. Only admins see bots that are not active. err is
// the error of finding the bot.
func visible(caller *call.Caller, bot *store.Bot, err error) (*store.Bot, error) {
	if err != nil {
		return nil, notFound(err, "Bot")
	}
	if bot.JoinStatus != store.BotActive && !caller.IsAdmin() {
		return nil, call.NotFound("Bot")
	}
	return bot, nil
}

func (s *botService) GetBot(ctx context.Context, req *b2bv1.GetBotRequest) (*b2bv1.GetBotResponse, error) {
	caller := call.CallerOf(ctx)
	bot, err := s.reads.Bot(ctx, caller.OrgID, req.GetId())
	if bot, err = visible(caller, bot, err); err != nil {
		return nil, err
	}
	return &b2bv1.GetBotResponse{Bot: s.botOut(bot)}, nil
}

func (s *botService) GetBotProfile(ctx context.Context, req *b2bv1.GetBotProfileRequest) (*b2bv1.GetBotProfileResponse, error) {
	caller := call.CallerOf(ctx)
	bot, err := s.reads.BotByName(ctx, caller.OrgID, req.GetName())
	if bot, err = visible(caller, bot, err); err != nil {
		return nil, err
	}
	return &b2bv1.GetBotProfileResponse{Bot: s.botOut(bot)}, nil
}

func (s *botService) GetWebhookHealth(ctx context.Context, req *b2bv1.GetWebhookHealthRequest) (*b2bv1.GetWebhookHealthResponse, error) {
	caller := call.CallerOf(ctx)
	bot, err := s.reads.BotByName(ctx, caller.OrgID, req.GetName())
	if bot, err = visible(caller, bot, err); err != nil {
		return nil, err
	}
	status, err := s.reads.WebhookStatus(ctx, bot.ID)
	if err != nil {
		return nil, fmt.Errorf("read a webhook's health: %w", err)
	}
	return &b2bv1.GetWebhookHealthResponse{
		Healthy:             status.ConsecutiveFailures == 0,
		LastSuccess:         stampOf(status.LastSuccess),
		LastFailure:         stampOf(status.LastFailure),
		ConsecutiveFailures: int32(status.ConsecutiveFailures),
		Degraded:            status.Degraded,
	}, nil
}

func (s *botService) GetMe(ctx context.Context, _ *b2bv1.GetMeRequest) (*b2bv1.GetMeResponse, error) {
	caller := call.CallerOf(ctx)
	bot, err := s.reads.Bot(ctx, caller.OrgID, caller.BotID)
	if err != nil {
		return nil, notFound(err, "Bot")
	}
	return &b2bv1.GetMeResponse{Bot: s.botOut(bot)}, nil
}

func (s *botService) ListPeers(ctx context.Context, req *b2bv1.ListPeersRequest) (*b2bv1.ListPeersResponse, error) {
	caller := call.CallerOf(ctx)
	size := wholePage(req.Limit)
	q := store.BotQuery{
		OrgID: caller.OrgID, ExceptID: caller.BotID, ActiveOnly: !caller.IsAdmin(),
		AfterName: req.GetCursor(), Limit: size + 1,
	}
	kept := &b2bv1.ListPeersResponse{}
	next, ok, err := s.listKept(ctx, q, &kept.Bots)
	if err != nil {
		return nil, err
	}
	if ok {
		if next != "" {
			kept.NextCursor = &next
		}
		return kept, nil
	}
	bots, err := s.reads.Bots(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list peers: %w", err)
	}
	bots, more := page(bots, size)
	bots, items, more := cutToSize(s.core, bots, s.botsOut(bots), more)
	out := &b2bv1.ListPeersResponse{Bots: items}
	if more {
		out.NextCursor = &bots[len(bots)-1].Name
	}
	return out, nil
}
