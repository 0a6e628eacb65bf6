package store

import "context"

// OrgTicket lets a bot register in an organisation. ExpiresAt 0 is never. A
// reusable ticket never becomes consumed. Code and CodeHash are nil in imported
// rows of old versions: those are known by id only.
type OrgTicket struct {
	ID           string  `bun:"id,pk"`
	OrgID        string  `bun:"org_id"`
	Code         *string `bun:"code"`
	CodeHash     *string `bun:"code_hash"`
	Reusable     bool    `bun:"reusable"`
	SkipApproval bool    `bun:"skip_approval"`
	Consumed     bool    `bun:"consumed"`
	ExpiresAt    int64   `bun:"expires_at"`
	CreatedBy    *string `bun:"created_by"` // bot id; nil: a person's session
	CreatedAt    int64   `bun:"created_at"`
}

// TicketReader reads tickets.
type TicketReader interface {
	// Ticket finds by id, else by the hash of the code, in any organisation and
	// state. Callers give the text they got as id and its hash as codeHash.
	Ticket(ctx context.Context, id, codeHash string) (*OrgTicket, error)
	// Tickets lists the unconsumed tickets of an organisation that are unexpired at
	// now, newest first (created_at, id descending) below before (nil: from the newest).
	Tickets(ctx context.Context, org string, now int64, before *TimeCursor, limit int) ([]OrgTicket, error)
}

// TicketWriter changes tickets.
type TicketWriter interface {
	CreateTicket(ctx context.Context, t *OrgTicket) error
	// ConsumeTicket marks a single-use ticket as consumed and tells whether this
	// call did it: exactly one caller ever gets true. A reusable or missing ticket
	// gives false.
	ConsumeTicket(ctx context.Context, id string) (bool, error)
	// DeleteTicket removes the ticket with this id or code hash from the
	// organisation, in any state, and returns it; else ErrNotFound.
	DeleteTicket(ctx context.Context, org, id, codeHash string) (*OrgTicket, error)
	// DeleteUnconsumedTickets removes all unconsumed tickets of the organisation
	// and tells how many.
	DeleteUnconsumedTickets(ctx context.Context, org string) (int64, error)
}
