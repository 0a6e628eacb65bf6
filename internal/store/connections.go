package store

import "context"

// WsTicket opens one WebSocket connection. It is stored by the hash of its text.
// It stands for a credential, a token or a session, which is also stored by its hash.
type WsTicket struct {
	Hash        string  `bun:"hash,pk"`
	OrgID       string  `bun:"org_id"`
	TokenHash   *string `bun:"token_hash"`
	SessionHash *string `bun:"session_hash"`
	ExpiresAt   int64   `bun:"expires_at"`
}

// WsTicketReader reads tickets of connections.
type WsTicketReader interface {
	// WsTicket returns the row also when it has expired.
	WsTicket(ctx context.Context, hash string) (*WsTicket, error)
}

// WsTicketWriter changes tickets of connections, inside Update of their
// org.
type WsTicketWriter interface {
	CreateWsTicket(ctx context.Context, t *WsTicket) error
	// TakeWsTicket removes a ticket and returns it, or fails with ErrNotFound: of
	// many callers exactly one gets it.
	TakeWsTicket(ctx context.Context, hash string) (*WsTicket, error)
	// PurgeWsTickets removes at most limit tickets, of every org, that are
	// expired at now, inside Update(ctx, "", …), and returns how many.
	PurgeWsTickets(ctx context.Context, now int64, limit int) (int64, error)
}

// BotRef is a bot and its org.
type BotRef struct {
	OrgID string `bun:"org_id"`
	BotID string `bun:"bot_id"`
}

// PresenceReader reads on which nodes bots are connected. A node that has connections of a bot
// holds a lease for it, which is live until it expires.
type PresenceReader interface {
	// Leased reports whether a node has a live lease for the bot.
	Leased(ctx context.Context, bot string, now, until int64) (bool, error)
	// LeasedBy lists the bots that a node has leases for, dead ones included, by id
	// after afterBot (empty: from the start).
	LeasedBy(ctx context.Context, node, afterBot string, limit int) ([]BotRef, error)
	// OnlineUnleased lists bots that are marked online and have no live lease, by id after
	// afterBot (empty: from the start).
	OnlineUnleased(ctx context.Context, now, until int64, afterBot string, limit int) ([]BotRef, error)
}

// PresenceWriter changes leases.
type PresenceWriter interface {
	// PutLease adds or renews the lease of a node for a bot of the org of
	// this Update.
	PutLease(ctx context.Context, bot, node string, expiresAt int64) error
	// DropLease ends the lease of a node for a bot of the org of this
	// Update; one that is not there is not an error.
	DropLease(ctx context.Context, bot, node string) error
	// RenewLeases moves the expiry of all leases of a node, of every org,
	// inside Update(ctx, "", …), and returns how many there are.
	RenewLeases(ctx context.Context, node string, expiresAt int64) (int64, error)
	// PurgeLeases removes the leases of every org that are expired at now,
	// inside Update(ctx, "", …), and returns how many.
	PurgeLeases(ctx context.Context, now int64) (int64, error)
}
