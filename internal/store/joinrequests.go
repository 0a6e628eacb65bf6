package store

import "context"

// Statuses of a join request.
const (
	JoinPending  = "pending"
	JoinApproved = "approved"
	JoinRejected = "rejected"
)

// JoinRequest asks to be let into a thread. One pending request per thread and bot.
type JoinRequest struct {
	ID          string  `bun:"id,pk"`
	ThreadID    string  `bun:"thread_id"`
	BotID       string  `bun:"bot_id"`
	Status      string  `bun:"status"`
	RequestedAt int64   `bun:"requested_at"`
	ResolvedAt  *int64  `bun:"resolved_at"`
	ResolvedBy  *string `bun:"resolved_by"` // bot id
}

// JoinRequestRow is a request with the name of the bot that asks.
type JoinRequestRow struct {
	JoinRequest `bun:",extend"`
	BotName     *string `bun:"bot_name"`
}

// JoinRequestReader reads join requests.
type JoinRequestReader interface {
	// JoinRequest finds a request of the thread, in any status.
	JoinRequest(ctx context.Context, thread, id string) (*JoinRequest, error)
	PendingJoinRequest(ctx context.Context, thread, bot string) (*JoinRequest, error)
	// PendingJoinRequests lists oldest first (requested_at, id).
	PendingJoinRequests(ctx context.Context, thread string, limit int) ([]JoinRequestRow, error)
}

// JoinRequestWriter changes join requests.
type JoinRequestWriter interface {
	CreateJoinRequest(ctx context.Context, r *JoinRequest) error
	// ResolveJoinRequest settles a pending request; ErrNotFound when it is not pending.
	ResolveJoinRequest(ctx context.Context, id, status string, at int64, by *string) error
	// RejectJoinRequests rejects all pending requests of the thread and returns how many.
	RejectJoinRequests(ctx context.Context, thread string, at int64, by *string) (int64, error)
}
