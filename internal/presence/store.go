package presence

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what a Tracker needs of the store.
type Store interface {
	OnlineAbsent(ctx context.Context, live store.Live, afterBot string, limit int) ([]store.BotRef, error)
	WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the changes of a Tracker need.
type Tx interface {
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	TouchBots(ctx context.Context, seen map[string]int64) error
	SetBotOnline(ctx context.Context, id string, online bool) error
	Present(ctx context.Context, bot string, live store.Live) (bool, error)
	AddPresence(ctx context.Context, bot, node string) error
	RemovePresence(ctx context.Context, bot, node string) error
	AddStreaming(ctx context.Context, bot, node string) error
	RemoveStreaming(ctx context.Context, bot, node string) error
	Append(ctx context.Context, e store.Event) (seq int64, err error)
	WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error)
	PutWebhookStatus(ctx context.Context, s *store.WebhookStatus) error
}
