package store

import "context"

// WebhookStatus is the health of the deliveries to one bot.
type WebhookStatus struct {
	BotID               string `bun:"bot_id,pk"`
	LastSuccess         *int64 `bun:"last_success"`
	LastFailure         *int64 `bun:"last_failure"`
	ConsecutiveFailures int64  `bun:"consecutive_failures"`
	Degraded            bool   `bun:"degraded"`
}

// WebhookDelivery is an event that was not delivered to a bot's webhook at the first
// attempt: it waits for the next one, or it was given up and is a dead letter. The
// event itself stays in the log.
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

// WebhookShare is what a node has to know to serve as many webhooks as any other.
type WebhookShare struct {
	Webhooks int64 // those that UnleasedWebhooks lists, or would list if nobody served them
	Nodes    int64 // those that RenewWebhooks was called for and that have not left or died since
	Held     int64 // of Webhooks, those that this node holds the lease for
}

// WebhookReader reads what is known of the deliveries to webhooks.
//
// The queue of a webhook is the log: a cursor says up to which seq its events were
// delivered or became a WebhookDelivery. A node reads the log for a webhook while it
// holds its lease.
type WebhookReader interface {
	// WebhookStatus gives a zero status when nothing was recorded; it never fails
	// with ErrNotFound.
	WebhookStatus(ctx context.Context, bot string) (*WebhookStatus, error)
	// WebhookCursor is the seq up to which the log was read for a bot.
	WebhookCursor(ctx context.Context, bot string) (int64, error)
	// UnleasedWebhooks lists active bots of active organisations that have a webhook
	// for which no node holds a live lease, by id: one that ends after now, and not after
	// until, which no lease can that was given by a clock like this one.
	UnleasedWebhooks(ctx context.Context, now, until int64, limit int) ([]BotRef, error)
	// WebhookLeased tells whether a node holds the lease for a bot.
	WebhookLeased(ctx context.Context, bot, node string) (bool, error)
	// HeldWebhooks lists the bots that a node holds leases for, by id: no more than it
	// took.
	HeldWebhooks(ctx context.Context, node string) ([]string, error)
	// WebhookShare counts the webhooks that are to be served, who serves them, and
	// how many of them a node holds a lease for; now and until are as in UnleasedWebhooks.
	WebhookShare(ctx context.Context, node string, now, until int64) (WebhookShare, error)
	// WaitingDeliveries lists what waits to be tried again for a bot, by next_at and
	// seq.
	WaitingDeliveries(ctx context.Context, bot string, limit int) ([]WebhookDelivery, error)
	// DeadLetters lists those of an organisation, or with a bot those of the bot,
	// newest first (updated_at, id descending) after a cursor.
	DeadLetters(ctx context.Context, org, bot string, after *TimeCursor, limit int) ([]WebhookDelivery, error)
}

// WebhookWriter changes it.
type WebhookWriter interface {
	PutWebhookStatus(ctx context.Context, s *WebhookStatus) error
	// StartWebhook lets the log be read for a bot of the organisation of this Update
	// from its end on; one that was started goes on where it is.
	StartWebhook(ctx context.Context, bot string) error
	// MoveWebhook moves the cursor of a bot forward; it never goes back.
	MoveWebhook(ctx context.Context, bot string, seq int64) error
	// LeaseWebhook gives a node the lease for a bot unless another one holds a live
	// one (that ends no later than twice as far from now as until), inside Update(ctx, "", …). It starts a webhook that was not. It is false
	// when somebody else has it or the bot is gone.
	LeaseWebhook(ctx context.Context, bot, node string, now, until int64) (bool, error)
	// RenewWebhooks says that a node serves webhooks until a time, moves the end of all
	// its leases there and tells how many they are, inside Update(ctx, "", …). Nodes
	// that said so until before now are forgotten.
	RenewWebhooks(ctx context.Context, node string, now, until int64) (int64, error)
	// ReleaseWebhook ends the lease of a node for a bot, inside Update(ctx, "", …); with
	// an empty bot the node leaves, and all its leases end. One that is not there is
	// not an error.
	ReleaseWebhook(ctx context.Context, bot, node string) error
	// ResetWebhooks ends every lease of every node and forgets the nodes, inside Update(ctx, "", …).
	ResetWebhooks(ctx context.Context) error
	// PutDelivery adds or replaces the delivery of an event to a bot.
	PutDelivery(ctx context.Context, d *WebhookDelivery) error
	// DeleteDelivery forgets one; one that is not there is not an error.
	DeleteDelivery(ctx context.Context, bot string, seq int64) error
	// TrimDeadLetters forgets the oldest dead letters of a bot beyond keep.
	TrimDeadLetters(ctx context.Context, bot string, keep int) error
	// Redeliver lets dead letters of a bot, or with an id that one, wait for an
	// attempt at a time, as if there had been none, and tells how many.
	Redeliver(ctx context.Context, bot, id string, at int64) (int64, error)
}
