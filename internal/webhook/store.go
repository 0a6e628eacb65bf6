package webhook

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what a Dispatcher needs of the store.
type Store interface {
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error)
	WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error)
	WebhookPosition(ctx context.Context, bot string) (int64, error)
	FreeWebhooks(ctx context.Context, live store.Live, limit int) ([]store.HookRef, error)
	HeldWebhooks(ctx context.Context, node string) ([]string, error)
	WebhookShare(ctx context.Context, node string, live store.Live) (store.WebhookShare, error)
	WaitingDeliveries(ctx context.Context, bot string, limit int) ([]store.WebhookDelivery, error)
	PushConfig(ctx context.Context, id string) (*store.PushConfig, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
	OnCommit(fn func(org string, events []store.Event)) (remove func())
}

// Tx is what the changes of a Dispatcher need.
type Tx interface {
	WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error)
	WebhookHeld(ctx context.Context, bot, node string) (bool, error)
	PutWebhookStatus(ctx context.Context, s *store.WebhookStatus) error
	MoveWebhook(ctx context.Context, bot string, seq int64) error
	TakeWebhook(ctx context.Context, ref store.HookRef, node string, live store.Live) (bool, error)
	ReleaseWebhook(ctx context.Context, id, node string) error
	PutDelivery(ctx context.Context, d *store.WebhookDelivery) error
	DeleteDelivery(ctx context.Context, bot string, seq int64) error
	TrimDeadLetters(ctx context.Context, bot string, keep int) error
	SavePush(ctx context.Context, id, node string, s store.PushState) (bool, error)
	DeletePushConfig(ctx context.Context, id string) error
}
