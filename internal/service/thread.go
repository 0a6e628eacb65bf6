package service

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// threadService serves threads to bots (B2B-THR, B2B-JOIN, B2B-MSG).
type threadService struct {
	*core
	reads threadReads
}

// threadReads is what threadService reads of the store.
type threadReads interface {
	entryReader
	historyReader
	settingsReader
	PendingJoinRequests(ctx context.Context, thread string, limit int) ([]store.JoinRequestRow, error)
	Threads(ctx context.Context, q store.ThreadQuery) ([]store.ThreadRow, error)
}

// threadView is what it reads on one snapshot.
type threadView interface {
	entryReader
	settingsReader
	Participants(ctx context.Context, thread string, limit int) ([]store.ParticipantRow, error)
}

// threadTx is what its changes need.
type threadTx interface {
	admitTx
	removeTx
	threadWriteTx
	entryReader
	settingsReader
	reachReader
	turnTx
	deadlineTx
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	ResolveBot(ctx context.Context, org, ref string) (*store.Bot, error)
	memberFinder
	JoinRequest(ctx context.Context, thread, id string) (*store.JoinRequest, error)
	CreateJoinRequest(ctx context.Context, r *store.JoinRequest) error
	ThreadMessage(ctx context.Context, thread, id string) (*store.ThreadMessageRow, error)
	InsertThreadMessage(ctx context.Context, m *store.ThreadMessage) error
	CreateThread(ctx context.Context, t *store.Thread, participants []store.Participant) error
	Participants(ctx context.Context, thread string, limit int) ([]store.ParticipantRow, error)
}

// threadOut returns a thread without its participants and their number.
func threadOut(t *store.Thread) *b2bv1.Thread {
	out := &b2bv1.Thread{
		Id: t.ID, OrgId: t.OrgID, Topic: t.Topic, Tags: listOut(t.Tags),
		Status:      statusOut(t.Status),
		InitiatorId: t.InitiatorID, ChannelId: t.ChannelID, Context: t.Context, PermissionPolicy: t.PermissionPolicy,
		Visibility: enumOf[b2bv1.Visibility](b2bv1.Visibility_value, "VISIBILITY_", t.Visibility),
		JoinPolicy: enumOf[b2bv1.JoinPolicy](b2bv1.JoinPolicy_value, "JOIN_POLICY_", t.JoinPolicy),
		Revision:   t.Revision, CreatedAt: stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt),
		LastActivityAt: stamp(t.LastActivityAt), ResolvedAt: stampOf(t.ResolvedAt), TurnLimit: t.TurnLimit,
	}
	if t.CloseReason != nil {
		out.CloseReason = enumOf[b2bv1.CloseReason](b2bv1.CloseReason_value, "CLOSE_REASON_", *t.CloseReason).Enum()
	}
	return out
}

func statusOut(text string) b2bv1.ThreadStatus {
	return enumOf[b2bv1.ThreadStatus](b2bv1.ThreadStatus_value, "THREAD_STATUS_", text)
}

// threadRowsOut returns threads with participant_count and turns.
func threadRowsOut(rows []store.ThreadRow) []*b2bv1.Thread {
	out := make([]*b2bv1.Thread, len(rows))
	for i := range rows {
		out[i] = threadOut(&rows[i].Thread)
		count := int32(rows[i].ParticipantCount)
		out[i].ParticipantCount, out[i].Turns = &count, &rows[i].Turns
	}
	return out
}

// threadDetailOut returns a thread with its participants, their number, and its turns.
func threadDetailOut(t *store.Thread, participants []store.ParticipantRow) *b2bv1.Thread {
	out := threadOut(t)
	count := int32(len(participants))
	out.ParticipantCount, out.Turns = &count, &t.Turns
	list := make([]*b2bv1.ThreadParticipant, len(participants))
	for i, p := range participants {
		list[i] = &b2bv1.ThreadParticipant{
			BotId: p.BotID, Name: p.Name, Online: p.Online, Label: p.Label, JoinedAt: stamp(p.JoinedAt),
		}
	}
	out.Participants = &b2bv1.ThreadParticipants{Values: list}
	return out
}

func participantOut(p *store.Participant) *b2bv1.Participant {
	return &b2bv1.Participant{ThreadId: p.ThreadID, BotId: p.BotID, Label: p.Label, JoinedAt: stamp(p.JoinedAt)}
}
