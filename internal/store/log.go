package store

import "context"

// Audience is the set of callers that may see an event.
type Audience int

// The audiences. Their numbers are stored.
const (
	AudienceInternal Audience = 0 // no client; caches and other nodes only
	AudienceOrg      Audience = 1 // every bot and org admin of the org
	AudienceChannel  Audience = 2 // members of ChannelID
	AudienceThread   Audience = 3 // participants of ThreadID
	AudienceBot      Audience = 4 // BotID alone
	AudienceAdmins   Audience = 5 // org admins and admin bots
	AudiencePresence Audience = 6 // the org without the bot of the event; only live streams deliver it, catch-up does not
)

// Event is one entry of the log of an org.
type Event struct {
	OrgID     string   `bun:"org_id,pk"` // set by Append
	Seq       int64    `bun:"seq,pk"`    // set by Append
	At        int64    `bun:"at"`
	Type      string   `bun:"type"`
	Audience  Audience `bun:"audience"`
	ThreadID  *string  `bun:"thread_id"`
	ChannelID *string  `bun:"channel_id"`
	BotID     *string  `bun:"bot_id"`   // addressed to this bot
	ActorID   *string  `bun:"actor_id"` // the bot that caused it
	Payload   []byte   `bun:"payload"`
	// Decoded is the decoded Payload, or nil. Only the process that appended the event may have
	// it, to save decoding. It is not stored, and must not be changed.
	Decoded any `bun:"-"`
}

// LogTop is the end of the log of an org: the epoch of its positions, the last seq (0: the log
// is empty), and the seq of the last event of type eventtype.AccessChanged, which invalidates
// cached access rights (0: none).
type LogTop struct {
	Epoch  string
	Seq    int64
	Access int64
}

// LogReader reads the log.
type LogReader interface {
	// LogTop fails with ErrNotFound for an unknown org. Inside Update it
	// counts what was appended so far.
	LogTop(ctx context.Context, org string) (LogTop, error)
	// LogTops is LogTop of many orgs in one look; those that are unknown are
	// left out. Inside Update it does not count what that has appended.
	LogTops(ctx context.Context, orgs []string) (map[string]LogTop, error)
	// ReadLog lists the events with seq above afterSeq, ascending, without holes.
	// The first is afterSeq + 1 unless that was pruned.
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]Event, error)
	// ReadScope lists the events of one thread or channel, or those addressed to one
	// bot, by its id, with seq above afterSeq and up to uptoSeq, ascending. It costs
	// what it lists, however long the log is.
	ReadScope(ctx context.Context, scope string, afterSeq, uptoSeq int64, limit int) ([]Event, error)
}

// LogWriter adds to the log.
type LogWriter interface {
	// Append gives the event the next seq of the org of this Update. Seqs
	// are contiguous from 1 over all committed changes. The payload must not be
	// changed afterwards.
	Append(ctx context.Context, e Event) (seq int64, err error)
	// PruneLog removes the oldest events of the org of this Update: at most limit of those before
	// the first event at or after the time before, and the memberships that ended before the
	// remaining events. The top stays. Events that wait for the webhook of an active bot stay,
	// too. The dead letters of removed events are removed. It returns the number of removed
	// events.
	PruneLog(ctx context.Context, before int64, limit int) (int64, error)
}
