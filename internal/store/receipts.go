package store

import "context"

// SentMessage is where a message is in the log of its org.
type SentMessage struct {
	ID      string
	Kind    MembershipKind
	ScopeID string // its channel or thread
	Seq     int64  // of its event; 0: it is not known
}

// ReceiptReader reads what became of messages.
type ReceiptReader interface {
	// SentMessage finds a message of an org.
	SentMessage(ctx context.Context, org, id string) (*SentMessage, error)
	// InboxesOf returns the inboxes of those of the bots that have one, in no set order.
	InboxesOf(ctx context.Context, bots []string) ([]Inbox, error)
	// DeliveriesAt returns the deliveries of an event to bots, in no set order.
	DeliveriesAt(ctx context.Context, seq int64, bots []string) ([]Delivery, error)
}
