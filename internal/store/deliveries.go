package store

import "context"

// Inbox is that of a bot that uses one (B2B-INBOX). The events above OpenedSeq are delivered.
type Inbox struct {
	BotID     string `bun:"bot_id,pk"`
	OrgID     string `bun:"org_id"`
	OpenedSeq int64  `bun:"opened_seq"`
	ClaimedAt int64  `bun:"claimed_at"` // when a worker claimed last; not exact
}

// DeliveryState is what became of a delivery. One that is done has no row.
type DeliveryState int64

// The states of deliveries. Their numbers are stored, and are those of the schema.
const (
	DeliveryQueued  DeliveryState = 1
	DeliveryLeased  DeliveryState = 2
	DeliveryWaiting DeliveryState = 3
	DeliveryFailed  DeliveryState = 4
	DeliveryDead    DeliveryState = 5
)

// InboxCounts is what the inboxes of all bots have.
type InboxCounts struct {
	Deliveries   map[DeliveryState]int64
	OldestQueued int64 // when the event of the oldest queued one happened, in Unix milliseconds; 0: none is queued
}

// Delivery is an event addressed to a bot that is not done.
type Delivery struct {
	BotID    string        `bun:"bot_id,pk"`
	Seq      int64         `bun:"seq,pk"` // of the event
	OrgID    string        `bun:"org_id"`
	ScopeID  string        `bun:"scope_id"` // its thread or channel; empty: none
	Kind     int64         `bun:"kind"`     // b2bv1.DeliveryKind
	State    DeliveryState `bun:"state"`
	Attempt  int64         `bun:"attempt"` // how often it was handed out
	At       int64         `bun:"at"`      // of the event
	Due      int64         `bun:"due"`     // queued: not before; leased: end of the lease; waiting: queued again
	Lease    *string       `bun:"lease"`
	Progress *string       `bun:"progress"`
	WaitsFor int64         `bun:"waits_for"` // b2bv1.DeliveryWaitsFor
	Reason   *string       `bun:"reason"`
	// SenderID and MessageID are set if the event is a message that asked for receipts.
	SenderID  *string `bun:"sender_id"`
	MessageID *string `bun:"message_id"`
	InChannel bool    `bun:"in_channel"` // ScopeID is a channel; of direct messages it may be unset
}

// DeliveryQuery selects deliveries of a bot by seq.
type DeliveryQuery struct {
	BotID string
	State DeliveryState // 0: any
	Scope *string       // nil: any
	After int64         // seq
	Limit int
}

// ReadyQuery selects deliveries of a bot that may be handed out at a time.
type ReadyQuery struct {
	BotID string
	Now   int64
	Kinds []int64 // nil: all
	Scope *string // nil: any
	// Unordered selects also those behind another one of their scope, and several of a scope.
	Unordered bool
	Limit     int
}

// DeliveryReader reads inboxes.
type DeliveryReader interface {
	// InboxOf fails with ErrNotFound for a bot that does not use its inbox.
	InboxOf(ctx context.Context, bot string) (*Inbox, error)
	// InboxPosition returns the seq up to which the events of an org are delivered; ErrNotFound
	// without any inbox.
	InboxPosition(ctx context.Context, org string) (int64, error)
	// Delivery fails with ErrNotFound for one that is done, or not there yet.
	Delivery(ctx context.Context, bot string, seq int64) (*Delivery, error)
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	// NextReady returns when the next delivery of a bot may be handed out (0: now), or the next of
	// its leases or waits ends; ErrNotFound without any.
	NextReady(ctx context.Context, bot string) (int64, error)
	// ReadyBots returns those of some bots for which NextReady returns a time up to now.
	ReadyBots(ctx context.Context, bots []string, now int64) ([]string, error)
	// LeasedBy lists the deliveries of a bot whose leases begin with a text.
	LeasedBy(ctx context.Context, bot, prefix string, limit int) ([]Delivery, error)
	// InboxesDue lists orgs by id after one, with deliveries that are due at a time, or with
	// least events or more that are not delivered.
	InboxesDue(ctx context.Context, now, least int64, after string, limit int) ([]string, error)
	// ReadEvents lists the events of a log with these seqs, ascending.
	ReadEvents(ctx context.Context, org string, seqs []int64) ([]Event, error)
	// SettledAt returns the time of the event of a scope that a bot settled last; 0: none.
	SettledAt(ctx context.Context, bot, scope string) (int64, error)
}

// DeliveryWriter changes inboxes.
type DeliveryWriter interface {
	// Inboxes lists the inboxes of the org of this Update.
	Inboxes(ctx context.Context) ([]Inbox, error)
	OpenInbox(ctx context.Context, i *Inbox) error
	// SetInboxClaimed sets ClaimedAt.
	SetInboxClaimed(ctx context.Context, bot string, at int64) error
	SetInboxPosition(ctx context.Context, seq int64) error
	// MembersWithInbox lists the memberships, of bots with an inbox, in scopes.
	MembersWithInbox(ctx context.Context, scopes []string) ([]Membership, error)
	AddDelivery(ctx context.Context, d *Delivery) error
	// SetDelivery changes what is not its key.
	SetDelivery(ctx context.Context, d *Delivery) error
	// SettleDelivery removes a delivery that has a lease or waits with it, and returns it. The error is
	// ErrNotFound if its lease is another one, or is over at now.
	SettleDelivery(ctx context.Context, bot string, seq int64, lease string, now int64) (*Delivery, error)
	// ReadyDeliveries lists by seq.
	ReadyDeliveries(ctx context.Context, q ReadyQuery) ([]Delivery, error)
	// DueDeliveries lists deliveries of the org of this Update with a lease that ends, or a wait
	// that is over, at or before now.
	DueDeliveries(ctx context.Context, now int64, limit int) ([]Delivery, error)
	// WaitingReported lists the waiting deliveries in scopes, of messages that asked for receipts.
	WaitingReported(ctx context.Context, scopes []string) ([]Delivery, error)
	// ResumeWaiting queues the waiting deliveries of a scope.
	ResumeWaiting(ctx context.Context, bot, scope string) error
	// FindHead finds the next delivery of a scope. Call it after any change of its deliveries.
	// settled is the time of the event of a delivery that was settled; 0: none was.
	FindHead(ctx context.Context, bot, scope string, settled int64) error
}
