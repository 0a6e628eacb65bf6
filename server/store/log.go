package store

import "context"

// Audience says who may see an event.
type Audience int

// The audiences. Their numbers are stored.
const (
	AudienceInternal Audience = 0 // nobody outside: caches, other nodes
	AudienceOrg      Audience = 1 // every bot and org admin of the organisation
	AudienceChannel  Audience = 2 // members of ChannelID
	AudienceThread   Audience = 3 // participants of ThreadID
	AudienceBot      Audience = 4 // BotID alone
	AudienceAdmins   Audience = 5 // org admins and admin bots
	AudiencePresence Audience = 6 // the organisation, but not the bot of the event; told once and never again
)

// Event is one entry of the log of an organisation.
type Event struct {
	OrgID     string   `bun:"org_id,pk"` // set by Append
	Seq       int64    `bun:"seq,pk"`    // set by Append
	At        int64    `bun:"at"`
	Type      string   `bun:"type"`
	Audience  Audience `bun:"audience"`
	ThreadID  *string  `bun:"thread_id"`
	ChannelID *string  `bun:"channel_id"`
	BotID     *string  `bun:"bot_id"`   // addressed to this bot
	ActorID   *string  `bun:"actor_id"` // who caused it
	Payload   []byte   `bun:"payload"`
	// Decoded is what Payload holds, where the event was appended by this process and
	// whoever did left it here: it saves decoding. It is not stored, and nobody changes it.
	Decoded any `bun:"-"`
}

// TypeAccessChanged is the type of the events after which what was read before of who
// may do what is out of date. The log knows the newest of them.
const TypeAccessChanged = "access_changed"

// LogTop is where the log of an organisation ends: the epoch that its positions
// belong to, the last seq (0 when nothing was appended), and the seq of the last
// event of TypeAccessChanged (0: none).
type LogTop struct {
	Epoch  string
	Seq    int64
	Access int64
}

// LogReader reads the log.
type LogReader interface {
	// LogTop fails with ErrNotFound for an unknown organisation. Inside Update it
	// counts what was appended so far.
	LogTop(ctx context.Context, org string) (LogTop, error)
	// LogTops is LogTop of many organisations in one look; those that are unknown are
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
	// Append gives the event the next seq of the organisation of this Update. Seqs
	// are contiguous from 1 over all committed changes. The payload must not be
	// changed afterwards.
	Append(ctx context.Context, e Event) (seq int64, err error)
	// PruneLog forgets the oldest events of the organisation of this Update: those
	// before the first with a time of before or later, at most limit of them, and the
	// memberships that ended before what is left. The top stays. Events stay, too, that
	// wait for the webhook of an active bot; the dead letters of what goes go with it.
	// It tells how many events went.
	PruneLog(ctx context.Context, before int64, limit int) (int64, error)
}
