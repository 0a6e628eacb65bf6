package store

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/eventtype"
)

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
	BotID     *string  `bun:"bot_id"`   // addressed to this bot, or about it (PartyOf)
	ActorID   *string  `bun:"actor_id"` // the bot that caused it
	Payload   []byte   `bun:"payload"`
	// MessageID names a stored message. The payload then has no content, and Body has it. The store
	// keeps the body of a message that is deleted while the event stays.
	MessageID *string `bun:"message_id"`
	Body      *string `bun:"body"` // not stored by Append; nil if the message is not found
	// Decoded is the decoded Payload, or nil. Only the process that appended the event may have
	// it, to save decoding. It is not stored, and must not be changed.
	Decoded any `bun:"-"`
}

// Size returns the bytes of the payload and the body.
func (e *Event) Size() int {
	n := len(e.Payload)
	if e.Body != nil {
		n += len(*e.Body)
	}
	return n
}

// LogTop is the end of the log of an org: the epoch of its positions, the last seq (0: the log
// is empty), and the seq of the last event of type eventtype.AccessChanged, which invalidates
// cached access rights (0: none).
type LogTop struct {
	Epoch  string
	Seq    int64
	Access int64
}

// OrgVersion changes with every change of an org, except those of the platform (Update of ""), on a
// database that several nodes share. On SQLite it stays.
type OrgVersion struct {
	Epoch  string
	Number int64
}

// LogReader reads the log.
type LogReader interface {
	// OrgVersion returns the version of an org; the zero one of an unknown org.
	OrgVersion(ctx context.Context, org string) (OrgVersion, error)
	// LogTop fails with ErrNotFound for an unknown org. Inside Update it
	// counts what was appended so far.
	LogTop(ctx context.Context, org string) (LogTop, error)
	// LogTops is LogTop of many orgs in one look; those that are unknown are
	// left out. Inside Update it does not count what that has appended.
	LogTops(ctx context.Context, orgs []string) (map[string]LogTop, error)
	// ReadLog lists the events with seq above afterSeq, ascending, without holes.
	// The first is afterSeq + 1 unless that was pruned.
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]Event, error)
	// ReadRanges lists the first events of each range, at most limit of each, in the order of the
	// ranges and ascending. It costs what it lists, however long the log is. It finds events of the
	// index alone, as TallyLog and LogWindow do.
	ReadRanges(ctx context.Context, org string, ranges []LogRange, limit int) ([]RangeEvent, error)
	// LogWindow returns the parts of the log with events that may be newer than a time, ascending
	// and apart; none outside of them is. Rows of an import at the beginning of the log are in none.
	// There is one part, unless clocks were set back. The parts end where the index does.
	LogWindow(ctx context.Context, org string, at int64) (parts []LogPart, indexed int64, err error)
	// LogHeads returns what has changed for a bot. It costs the memberships of the bot and the
	// events behind the index, however long the log is.
	LogHeads(ctx context.Context, q HeadQuery) (*LogHeads, error)
	// TallyLog counts the events of ranges that are newer than newer, without those of the party
	// except. The result has an entry for each range, in order. It costs the parties that ever
	// had events there, and the events up to Settled.
	TallyLog(ctx context.Context, org, except string, newer int64, ranges []LogRange) ([]Tally, error)
	// LogsBehind lists orgs by id after one, with logs that have least events or more behind the
	// index.
	LogsBehind(ctx context.Context, least int64, after string, limit int) ([]string, error)
}

// LogTailMax is how many events behind the index LogHeads reads. An index is only further behind
// while it is made, for the log of an older version.
const LogTailMax = 4096

// TailPayloadMax bounds the payloads that LogHeads returns, in bytes.
const TailPayloadMax = 1 << 10

// LogPart is a part of the log: the events above After and up to UpTo. Of these, all above
// Settled are newer than the time that the part was found by.
type LogPart struct {
	After   int64
	Settled int64
	UpTo    int64
}

// LogRange names the events of one type in a scope (a thread, a channel, or what is addressed to
// one bot), with seq above After and up to UpTo.
type LogRange struct {
	ScopeID string
	Type    string
	Party   string // ReadRanges: the events of this party alone, see PartyOf
	After   int64
	UpTo    int64
	Settled int64 // TallyLog: events above it need no check of their time
}

// RangeEvent is an event of a range.
type RangeEvent struct {
	Range int // index of the range
	Event
}

// Tally counts events.
type Tally struct {
	Count  int64
	Last   int64 // seq of the newest; 0 without any
	LastAt int64
}

// HeadQuery selects heads: those of the current and past threads and channels of a bot, and of
// the imported rows addressed to it.
type HeadQuery struct {
	OrgID string
	BotID string
	After int64 // events with a higher seq
	Ended int64 // past memberships with events of a higher seq
	Newer int64 // events newer than this; TimeBeginning: all
}

// TimeBeginning is before the time of every event, in Unix milliseconds.
const TimeBeginning int64 = -1 << 60

// LogHeads is the answer to a HeadQuery.
type LogHeads struct {
	Top     int64 // last seq of the log
	First   int64 // seq of its oldest event, Top + 1 if it has none
	Indexed int64 // seq of the last event of the index
	Rows    []Head
	// Tail are the events behind the index that the bot may see and a catch-up lists, ascending.
	// They are missing if there are more than LogTailMax of all events behind the index.
	Tail []TailEvent
}

// TailEvent is an event behind the index.
type TailEvent struct {
	ScopeID string
	Type    string
	Party   string
	Seq     int64
	At      int64
	// Payload is set for types with a row for each event, up to TailPayloadMax bytes.
	Payload []byte
}

// Head is the end of the events of one type in a scope, as the index has it, for one interval of membership. Heads of
// intervals in which nothing may have happened are left out.
type Head struct {
	Kind    MembershipKind // MemberOfSelf for what is addressed to the bot
	ScopeID string
	Joined  int64  // first seq of the interval
	Left    *int64 // last seq of the interval; nil while it is open
	Type    string
	Seq     int64 // last event of the type, which may be after Left
	At      int64 // time of that event; of imported rows, the newest time
	Party   string
	OtherAt int64 // time of OtherSeq
	Other   int64 // last event of a party that is not Party; 0 if there was none, may be pruned
}

// PartyOf returns the bot that an event counts for: the author of a message or an artifact, for
// other types the bot that the event is about. It is empty without one.
func PartyOf(e *Event) string {
	bot := e.BotID
	switch e.Type {
	case eventtype.Message, eventtype.ThreadMessage, eventtype.ThreadArtifact:
		bot = e.ActorID
	}
	if bot == nil {
		return ""
	}
	return *bot
}

// LogWriter adds to the log.
type LogWriter interface {
	// Append gives the event the next seq of the org of this Update. Seqs
	// are contiguous from 1 over all committed changes. The payload must not be
	// changed afterwards.
	Append(ctx context.Context, e Event) (seq int64, err error)
	// IndexLog adds at most limit of the events behind the index of the log to it, and returns how
	// many. Changes that append many events do so, too.
	IndexLog(ctx context.Context, limit int) (int, error)
	// PruneLog removes the oldest events of the org of this Update: at most limit of those before
	// the first event at or after the time before, and the memberships that ended before the
	// remaining events. The top stays. Events that wait for the webhook of an active bot stay,
	// too. The dead letters of removed events are removed. It returns the number of removed
	// events.
	PruneLog(ctx context.Context, before int64, limit int) (int64, error)
}
