package store

import "context"

// OrgTicket lets a bot register in an org. ExpiresAt 0 is never. A reusable ticket
// never becomes consumed. Both the id that people see and the code open the org:
// the store has their hashes to look them up, and both of them sealed (seal.Ticket) for
// lists. CodeHash is nil in imported rows of old versions, which have no code.
type OrgTicket struct {
	ID           string  `bun:"id,pk"` // of the row: opens nothing
	OrgID        string  `bun:"org_id"`
	IDHash       *string `bun:"id_hash"` // of the id that people see
	CodeHash     *string `bun:"code_hash"`
	Sealed       *string `bun:"sealed"`
	Reusable     bool    `bun:"reusable"`
	SkipApproval bool    `bun:"skip_approval"`
	Consumed     bool    `bun:"consumed"`
	ExpiresAt    int64   `bun:"expires_at"`
	CreatedBy    *string `bun:"created_by"` // bot id; nil: a person's session
	CreatedAt    int64   `bun:"created_at"`
}

// TicketReader reads tickets.
type TicketReader interface {
	// Ticket finds by the hash of the id that people see or of the code, in any
	// org and state.
	Ticket(ctx context.Context, hash string) (*OrgTicket, error)
	// Tickets lists the unconsumed tickets of an org that are unexpired at
	// now, newest first (created_at, id descending) below before (nil: from the newest).
	Tickets(ctx context.Context, org string, now int64, before *PageKey, limit int) ([]OrgTicket, error)
}

// TicketWriter changes tickets.
type TicketWriter interface {
	CreateTicket(ctx context.Context, t *OrgTicket) error
	// ConsumeTicket marks a single-use ticket as consumed and reports whether this
	// call did it: exactly one caller ever gets true. A reusable or missing ticket
	// returns false.
	ConsumeTicket(ctx context.Context, id string) (bool, error)
	// DeleteTicket removes the ticket that Ticket finds by the hash, or else the one of
	// this row, from the org, in any state, and returns it; else ErrNotFound.
	DeleteTicket(ctx context.Context, org, hash, row string) (*OrgTicket, error)
	// DeleteUnconsumedTickets removes all unconsumed tickets of the org
	// and returns how many.
	DeleteUnconsumedTickets(ctx context.Context, org string) (int64, error)
}
