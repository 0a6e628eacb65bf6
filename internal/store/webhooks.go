package store

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/eventtype"
)

// WebhookStatus is the health of the deliveries to the webhook of a bot.
type WebhookStatus struct {
	BotID               string `bun:"bot_id,pk"`
	LastSuccess         *int64 `bun:"last_success"`
	LastFailure         *int64 `bun:"last_failure"`
	ConsecutiveFailures int64  `bun:"consecutive_failures"`
	Degraded            bool   `bun:"degraded"`
}

// WebhookDelivery is an event whose first delivery to a bot's webhook failed. It waits for the
// next attempt, or is a dead letter after the last one. The event itself stays in the log.
type WebhookDelivery struct {
	ID        string `bun:"id"` // of the event and the bot: the same at every attempt
	OrgID     string `bun:"org_id"`
	BotID     string `bun:"bot_id,pk"`
	Seq       int64  `bun:"seq,pk"` // of the event
	EventType string `bun:"event_type"`
	Attempts  int64  `bun:"attempts"`   // made since it began to wait
	NextAt    *int64 `bun:"next_at"`    // of the next attempt; nil: a dead letter
	UpdatedAt int64  `bun:"updated_at"` // of the last attempt, or when it was given up
	Status    *int64 `bun:"status"`     // HTTP status of the last attempt, if there was an answer
	Reason    string `bun:"reason"`     // why it failed, in words
}

// WebhookShare is the input for dividing the webhooks evenly between the nodes.
type WebhookShare struct {
	Webhooks int64 // webhooks and push configs to be served, with or without a lease
	Nodes    int64 // with a live lease
	Held     int64 // of Webhooks, those that this node holds
}

// WebhookReader reads the state of the deliveries to webhooks.
//
// The queue of a webhook is the log: its position is the seq up to which events were delivered
// or became a WebhookDelivery. One node at a time holds a webhook, and reads the log for it.
type WebhookReader interface {
	// WebhookStatus returns a zero status when nothing was recorded; it never fails
	// with ErrNotFound.
	WebhookStatus(ctx context.Context, bot string) (*WebhookStatus, error)
	// WebhookPosition returns the seq up to which the log was read for a bot.
	WebhookPosition(ctx context.Context, bot string) (int64, error)
	// FreeWebhooks lists what no node with a live lease holds, of active bots of active orgs: first
	// their webhooks, then their push configs, each by id.
	FreeWebhooks(ctx context.Context, live Live, limit int) ([]HookRef, error)
	// WebhookHeld reports whether a node holds the webhook of a bot.
	WebhookHeld(ctx context.Context, bot, node string) (bool, error)
	// HeldWebhooks lists, by id, the bots with a webhook that a node holds, and the push configs that it
	// holds. The list has no limit, because a node takes a limited number of them.
	HeldWebhooks(ctx context.Context, node string) ([]string, error)
	// WebhookShare counts the webhooks and push configs to be served, the nodes, and those of one node.
	WebhookShare(ctx context.Context, node string, live Live) (WebhookShare, error)
	// WaitingDeliveries lists the deliveries of a bot that wait for another attempt, by next_at and
	// seq.
	WaitingDeliveries(ctx context.Context, bot string, limit int) ([]WebhookDelivery, error)
	// DeadLetters lists the dead letters of an org, or with a bot those of the bot, newest first
	// (updated_at, id descending) after a key (nil: from the newest).
	DeadLetters(ctx context.Context, org, bot string, after *PageKey, limit int) ([]WebhookDelivery, error)
}

// WebhookWriter changes the state of the deliveries to webhooks.
type WebhookWriter interface {
	PutWebhookStatus(ctx context.Context, s *WebhookStatus) error
	// StartWebhook sets the position of a bot of the org of this Update to the end of the log. A
	// position that is already set stays.
	StartWebhook(ctx context.Context, bot string) error
	// MoveWebhook moves the position of a bot forward, never back.
	MoveWebhook(ctx context.Context, bot string, seq int64) error
	// TakeWebhook makes a node hold a webhook, which it starts, or a push config, inside
	// Update(ctx, "", …). It returns false if another node with a live lease holds it, the lease of
	// this node is not live, or the bot or the push config is deleted.
	TakeWebhook(ctx context.Context, ref HookRef, node string, live Live) (bool, error)
	// ReleaseWebhook makes a node hold a webhook or push config no longer (HookRef.ID), inside
	// Update(ctx, "", …); with an empty id, all. One that the node does not hold is not an error.
	ReleaseWebhook(ctx context.Context, id, node string) error
	// PutDelivery adds or replaces the delivery of an event to a bot.
	PutDelivery(ctx context.Context, d *WebhookDelivery) error
	// DeleteDelivery removes a delivery, if it exists.
	DeleteDelivery(ctx context.Context, bot string, seq int64) error
	// TrimDeadLetters removes the oldest dead letters of a bot beyond keep.
	TrimDeadLetters(ctx context.Context, bot string, keep int) error
	// Redeliver lets dead letters of a bot, or with an id that one, wait for an
	// attempt at a time, as if there had been none, and returns how many.
	Redeliver(ctx context.Context, bot, id string, at int64) (int64, error)
}

// WebhookChanged returns the record to append to the log with a change that the node that serves
// the webhook of a bot or its push configs must read: dead letters are due again, the degraded state
// has ended, or a push config was set or removed. No client receives it, and cached access rights stay
// valid.
func WebhookChanged(bot string, at int64) Event {
	return Event{Audience: AudienceInternal, Type: eventtype.WebhookChanged, At: at, BotID: &bot}
}
