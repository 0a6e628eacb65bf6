package store

import "context"

// Deadline is a message that shall be acknowledged (B2B-RCPT-030). Its times are those of LeaseClock.
type Deadline struct {
	MessageID  string  `bun:"message_id,pk"`
	OrgID      string  `bun:"org_id"`
	SenderID   string  `bun:"sender_id"`
	ThreadID   *string `bun:"thread_id"`
	ChannelID  *string `bun:"channel_id"`
	EscalateTo *string `bun:"escalate_to"` // a bot
	DueAt      int64   `bun:"due_at"`
	OverdueAt  *int64  `bun:"overdue_at"` // when it was found that it is overdue
	CheckAt    int64   `bun:"check_at"`   // when to look whether it is
}

// OverdueQuery selects messages that are overdue (overdue_at, message_id ascending).
type OverdueQuery struct {
	OrgID    string
	SenderID string // empty: of all bots
	After    *PageKey
	Limit    int
}

// DeadlineReader reads deadlines.
type DeadlineReader interface {
	Overdue(ctx context.Context, q OverdueQuery) ([]Deadline, error)
	// DeadlinesDue lists orgs by id after one, with deadlines to look at until now.
	DeadlinesDue(ctx context.Context, now int64, after string, limit int) ([]string, error)
	// WroteAfter returns those of the bots that sent a message in a thread or channel, among the
	// first messages there after one, as many as look says.
	WroteAfter(ctx context.Context, kind MembershipKind, scope, message string, bots []string, look int) ([]string, error)
}

// DeadlineWriter changes deadlines.
type DeadlineWriter interface {
	// CountDeadlines counts those of a sender that are not overdue.
	CountDeadlines(ctx context.Context, sender string) (int64, error)
	PutDeadline(ctx context.Context, d *Deadline) error
	// DueDeadlines lists deadlines of the org of this Update to look at until now, the earliest first.
	DueDeadlines(ctx context.Context, now int64, limit int) ([]Deadline, error)
	// SetDeadline writes EscalateTo, OverdueAt and CheckAt.
	SetDeadline(ctx context.Context, d *Deadline) error
	EndDeadline(ctx context.Context, message string) error
}
