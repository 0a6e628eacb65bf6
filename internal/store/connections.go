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

// PresenceReader reads on which nodes bots are connected. A bot is present on a node that has
// connections of it, while the lease of the node is live.
type PresenceReader interface {
	// Present reports whether a bot is present on a node with a live lease.
	Present(ctx context.Context, bot string, live Live) (bool, error)
	// OnlineAbsent lists bots that are marked online and present on no node with a live lease, by
	// id after afterBot (empty: from the start).
	OnlineAbsent(ctx context.Context, live Live, afterBot string, limit int) ([]BotRef, error)
}

// PresenceWriter changes on which nodes bots are present.
type PresenceWriter interface {
	// AddPresence makes a bot of the org of this Update present on a node.
	AddPresence(ctx context.Context, bot, node string) error
	// RemovePresence ends the presence of a bot of the org of this Update on a node. One that does
	// not exist is not an error.
	RemovePresence(ctx context.Context, bot, node string) error
}
