package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// AgentCards finds the bots whose A2A cards anybody may read (B2B-A2A-003).
type AgentCards struct{ reads agentCardReads }

// agentCardReads is what AgentCards reads of the store.
type agentCardReads interface {
	settingsReader
	Org(ctx context.Context, id string) (*store.Org, error)
	BotByID(ctx context.Context, id string) (*store.Bot, error)
}

// NewAgentCards returns the cards of a server.
func NewAgentCards(s Store) *AgentCards { return &AgentCards{s} }

// Public returns an active bot whose org shows cards to anybody. The error for any other id is the same,
// so that it says nothing about which bots there are.
func (a *AgentCards) Public(ctx context.Context, id string) (*b2bv1.Bot, error) {
	none := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED, "Authentication required")
	bot, err := a.reads.BotByID(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, none
	case err != nil:
		return nil, fmt.Errorf("find the bot of a card: %w", err)
	case bot.JoinStatus != store.BotActive:
		return nil, none
	}
	settings, err := a.reads.OrgSettings(ctx, bot.OrgID)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if !settings.PublicAgentCards {
		return nil, none
	}
	org, err := a.reads.Org(ctx, bot.OrgID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && org.Status != store.OrgActive:
		return nil, none
	case err != nil:
		return nil, fmt.Errorf("find the org of a card: %w", err)
	}
	return storedBotOut(bot), nil
}
