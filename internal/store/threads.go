package store

import "context"

// Thread is one conversation with a life cycle. The texts of the enums are those
// of the wire.
type Thread struct {
	ID               string  `bun:"id,pk"`
	OrgID            string  `bun:"org_id"`
	Topic            string  `bun:"topic"`
	Tags             *string `bun:"tags"` // JSON array
	Status           string  `bun:"status"`
	InitiatorID      *string `bun:"initiator_id"`
	ChannelID        *string `bun:"channel_id"`
	Context          *string `bun:"context"`
	CloseReason      *string `bun:"close_reason"`
	PermissionPolicy *string `bun:"permission_policy"` // JSON
	Visibility       string  `bun:"visibility"`
	JoinPolicy       string  `bun:"join_policy"`
	Revision         int64   `bun:"revision"`
	CreatedAt        int64   `bun:"created_at"`
	UpdatedAt        int64   `bun:"updated_at"`
	LastActivityAt   int64   `bun:"last_activity_at"`
	ResolvedAt       *int64  `bun:"resolved_at"`
	Turns            int64   `bun:"turns"`      // messages that bots sent since the last progress
	TurnLimit        *int64  `bun:"turn_limit"` // of turns; 0: none, nil: that of the org
}

// ThreadRow is a thread in a list. IsParticipant is about ThreadQuery.BotID.
type ThreadRow struct {
	Thread           `bun:",extend"`
	ParticipantCount int64 `bun:"participant_count"`
	IsParticipant    bool  `bun:"is_participant"`
}

// ThreadScope is the set of threads of the org that a list may show.
type ThreadScope int

// The scopes of a list.
const (
	ThreadsJoined     ThreadScope = iota // those BotID is a participant of
	ThreadsDiscovered                    // joined or public
	ThreadsAll                           // all of the org: org admins
)

// ThreadQuery selects threads, newest activity first (last_activity_at, id
// descending).
type ThreadQuery struct {
	OrgID  string
	BotID  string // the viewer; may be empty with ThreadsAll
	Scope  ThreadScope
	Status string // empty: any
	Search string // substring of topic, ignoring the case of ASCII letters
	// Before selects what comes after this key in the order; an empty ID means
	// strictly older than At.
	Before *PageKey
	Offset int
	Limit  int
}

// Participant is a bot in a thread. JoinedSeq is the first seq of the log that it
// may see of the thread; AddParticipant and CreateThread set it.
type Participant struct {
	ThreadID  string  `bun:"thread_id,pk"`
	BotID     string  `bun:"bot_id,pk"`
	Label     *string `bun:"label"`
	JoinedAt  int64   `bun:"joined_at"`
	JoinedSeq int64   `bun:"joined_seq"`
}

// ParticipantRow is a participant with what is shown of the bot.
type ParticipantRow struct {
	Participant `bun:",extend"`
	Name        string `bun:"name"`
	Online      bool   `bun:"online"`
}

// ThreadReader reads threads.
type ThreadReader interface {
	// Thread finds by id inside the org.
	Thread(ctx context.Context, org, id string) (*Thread, error)
	// ThreadTopics returns the topics of those of the threads that exist, by id.
	ThreadTopics(ctx context.Context, org string, ids []string) (map[string]string, error)
	Threads(ctx context.Context, q ThreadQuery) ([]ThreadRow, error)
}

// ThreadWriter changes threads.
type ThreadWriter interface {
	// CreateThread adds a thread and its participants, who may see the events
	// appended after this call.
	CreateThread(ctx context.Context, t *Thread, participants []Participant) error
	// UpdateThread writes all columns of t except id, org, initiator, channel, tags,
	// created_at and turns, if the stored revision is still `was`; else ErrStale.
	UpdateThread(ctx context.Context, t *Thread, was int64) error
	// TouchThread raises last_activity_at to at.
	TouchThread(ctx context.Context, id string, at int64) error
	// CountTurn adds 1 to turns, and raises last_activity_at to at.
	CountTurn(ctx context.Context, id string, at int64) error
	// ResetTurns sets turns to 0, and raises last_activity_at to at; 0 leaves it.
	ResetTurns(ctx context.Context, id string, at int64) error
}

// ParticipantReader reads participants.
type ParticipantReader interface {
	Participant(ctx context.Context, thread, bot string) (*Participant, error)
	// Participants lists the first by joined_at, bot id.
	Participants(ctx context.Context, thread string, limit int) ([]ParticipantRow, error)
	// ParticipantsOf lists the first of each of several threads, by thread id, joined_at,
	// bot id.
	ParticipantsOf(ctx context.Context, threads []string, limit int) ([]ParticipantRow, error)
	CountParticipants(ctx context.Context, thread string) (int64, error)
	// Memberships lists the memberships of a bot in channels and threads, by seq joined.
	Memberships(ctx context.Context, bot string) ([]Membership, error)
	// MembershipsOf lists the memberships of one channel or thread, by seq joined, bot
	// id. Deleted bots have none.
	MembershipsOf(ctx context.Context, kind MembershipKind, scope string) ([]Membership, error)
}

// ParticipantWriter changes participants. None of these touches the thread row.
type ParticipantWriter interface {
	// AddParticipant fails with ConflictParticipant if it is there. It may see
	// events appended after this call.
	AddParticipant(ctx context.Context, p *Participant) error
	SetParticipantLabel(ctx context.Context, thread, bot string, label *string) error
	// RemoveParticipant fails with ErrNotFound if it is not there. It may see events
	// appended before this call.
	RemoveParticipant(ctx context.Context, thread, bot string) error
}

// MembershipKind is what a membership is in.
type MembershipKind string

// The kinds of membership.
const (
	MemberOfChannel MembershipKind = "channel"
	MemberOfThread  MembershipKind = "thread"
	MemberOfSelf    MembershipKind = "bot" // in heads alone: what is addressed to the bot
)

// Membership is one interval of the log in which a bot may see the events of a
// channel or a thread: JoinedSeq <= seq, and seq <= LeftSeq once it has left.
type Membership struct {
	Kind      MembershipKind `bun:"kind"`
	ScopeID   string         `bun:"scope_id"`
	BotID     string         `bun:"bot_id"`
	JoinedSeq int64          `bun:"joined_seq"`
	LeftSeq   *int64         `bun:"left_seq"` // nil: still there
}

// Has reports whether the event with a seq is within the membership.
func (m *Membership) Has(seq int64) bool {
	return m.JoinedSeq <= seq && (m.LeftSeq == nil || seq <= *m.LeftSeq)
}
