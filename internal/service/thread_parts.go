package service

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// These are the parts of the store that the services of threads share.

// threadReader finds a thread.
type threadReader interface {
	Thread(ctx context.Context, org, id string) (*store.Thread, error)
}

// participantReader finds a participant of a thread.
type participantReader interface {
	Participant(ctx context.Context, thread, bot string) (*store.Participant, error)
}

// entryReader finds a thread and what the caller is in it.
type entryReader interface {
	threadReader
	participantReader
}

// historyReader lists the messages of a thread.
type historyReader interface {
	ThreadMessages(ctx context.Context, thread string, r store.MessageRange) ([]store.ThreadMessageRow, error)
	ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]store.ThreadMessageRow, error)
}

// joinRequestReader finds the pending request of a bot to join a thread.
type joinRequestReader interface {
	PendingJoinRequest(ctx context.Context, thread, bot string) (*store.JoinRequest, error)
}

// revisionTx writes a new revision of a thread.
type revisionTx interface {
	UpdateThread(ctx context.Context, t *store.Thread, was int64) error
}

// pendingTx rejects the requests to join a thread that is closed.
type pendingTx interface {
	eventTx
	PendingJoinRequests(ctx context.Context, thread string, limit int) ([]store.JoinRequestRow, error)
	RejectJoinRequests(ctx context.Context, thread string, at int64, by *string) (int64, error)
}

// threadWriteTx changes a thread.
type threadWriteTx interface {
	closingTx
	pendingTx
}

// admitTx adds a participant to a thread.
type admitTx interface {
	eventTx
	joinRequestReader
	revisionTx
	ResolveJoinRequest(ctx context.Context, id, status string, at int64, by *string) error
	CountParticipants(ctx context.Context, thread string) (int64, error)
	AddParticipant(ctx context.Context, p *store.Participant) error
}

// dismissTx removes a participant from a thread.
type dismissTx interface {
	closingTx
	CountParticipants(ctx context.Context, thread string) (int64, error)
	RemoveParticipant(ctx context.Context, thread, bot string) error
}

// removeTx is dismissTx for a caller that removes another bot.
type removeTx interface {
	dismissTx
	participantReader
}

// hostReader is entryReader with the default policy of the org.
type hostReader interface {
	entryReader
	settingsReader
}
