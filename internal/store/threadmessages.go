package store

import "context"

// ThreadMessage is one message of a thread. SenderID is nil once the bot is deleted.
type ThreadMessage struct {
	ID          string  `bun:"id,pk"`
	ThreadID    string  `bun:"thread_id"`
	SenderID    *string `bun:"sender_id"`
	Content     string  `bun:"content"`
	ContentType string  `bun:"content_type"`
	Parts       *string `bun:"parts"`    // JSON array; nil: none were sent
	Metadata    *string `bun:"metadata"` // a text as sent, or JSON
	Mentions    *string `bun:"mentions"` // JSON array of {bot_id, name}; nil: none
	MentionAll  bool    `bun:"mention_all"`
	ReplyToID   *string `bun:"reply_to_id"`
	CreatedAt   int64   `bun:"created_at"`
	// EventSeq is the seq of the event of this message; nil: it is not known.
	EventSeq *int64 `bun:"event_seq"`
	Marks    `bun:",extend"`
}

// ThreadMessageRow is a message as read, with the message it answers. Names are nil
// when the bot is gone.
type ThreadMessageRow struct {
	ThreadMessage
	SenderName *string
	ReplyTo    *RepliedMessage
}

// RepliedMessage is the part of a message that its replies show.
type RepliedMessage struct {
	ID         string
	SenderID   *string
	SenderName *string
	Content    string
	CreatedAt  int64
}

// MessageHit is one result of SearchMessages.
type MessageHit struct {
	MessageID   string  `bun:"message_id"`
	ThreadID    string  `bun:"thread_id"`
	ThreadTopic string  `bun:"thread_topic"`
	SenderName  *string `bun:"sender_name"`
	Content     string  `bun:"content"`
	CreatedAt   int64   `bun:"created_at"`
}

// ThreadMessageReader reads thread messages.
type ThreadMessageReader interface {
	// ThreadMessage finds a message of the thread.
	ThreadMessage(ctx context.Context, thread, id string) (*ThreadMessageRow, error)
	// ThreadMessages returns the newest r.Limit messages of the range, oldest first
	// (created_at, id).
	ThreadMessages(ctx context.Context, thread string, r MessageRange) ([]ThreadMessageRow, error)
	// ThreadHistory lists newest first (created_at, id descending) what is older
	// than its message beforeID; empty, unknown or of another thread: from the
	// newest.
	ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]ThreadMessageRow, error)
	// SearchMessages finds thread messages of the org whose content
	// contains text, ignoring the case of ASCII letters, newest first, older than after
	// (nil: all).
	SearchMessages(ctx context.Context, org, text string, after *PageKey, limit int) ([]MessageHit, error)
}

// ThreadMessageWriter adds thread messages.
type ThreadMessageWriter interface {
	InsertThreadMessage(ctx context.Context, m *ThreadMessage) error
}
