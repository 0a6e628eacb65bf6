package store

import "context"

// Join statuses and roles of a bot.
const (
	BotActive   = "active"
	BotPending  = "pending"
	BotRejected = "rejected"

	AuthAdmin  = "admin"
	AuthMember = "member"
)

// Bot is one agent of an org, with its profile.
type Bot struct {
	ID                  string  `bun:"id,pk"`
	OrgID               string  `bun:"org_id"`
	Name                string  `bun:"name"`
	TokenHash           string  `bun:"token_hash"`
	AuthRole            string  `bun:"auth_role"`
	Metadata            *string `bun:"metadata"`      // JSON, any value
	SealedURL           *string `bun:"sealed_url"`    // of the webhook (seal.WebhookURL); nil: none
	SealedSecret        *string `bun:"sealed_secret"` // of the webhook (seal.Webhook); nil: none
	Bio                 *string `bun:"bio"`
	Role                *string `bun:"role"`
	Function            *string `bun:"function"`
	Team                *string `bun:"team"`
	Tags                *string `bun:"tags"`      // JSON array of text
	Languages           *string `bun:"languages"` // JSON array of text
	Protocols           *string `bun:"protocols"` // JSON object or array
	StatusText          *string `bun:"status_text"`
	Timezone            *string `bun:"timezone"`
	ActiveHours         *string `bun:"active_hours"`
	Version             *string `bun:"version"` // nil reads as 1.0.0 on the wire
	Runtime             *string `bun:"runtime"`
	Online              bool    `bun:"online"`
	LastSeenAt          *int64  `bun:"last_seen_at"`
	CreatedAt           int64   `bun:"created_at"`
	JoinStatus          string  `bun:"join_status"`
	JoinStatusChangedBy *string `bun:"join_status_changed_by"`
	JoinStatusChangedAt *int64  `bun:"join_status_changed_at"`
	JoinStatusReason    *string `bun:"join_status_reason"`
}

// BotField names a profile column that UpdateBotProfile can write.
type BotField string

// The profile fields.
const (
	BotBio         BotField = "bio"
	BotRole        BotField = "role"
	BotFunction    BotField = "function"
	BotTeam        BotField = "team"
	BotTags        BotField = "tags"
	BotLanguages   BotField = "languages"
	BotProtocols   BotField = "protocols"
	BotStatusText  BotField = "status_text"
	BotTimezone    BotField = "timezone"
	BotActiveHours BotField = "active_hours"
	BotVersion     BotField = "version"
	BotRuntime     BotField = "runtime"
)

// BotQuery selects bots of an org; empty fields select all. Comparisons
// ignore the case of ASCII letters.
type BotQuery struct {
	OrgID      string
	ActiveOnly bool   // only join_status active
	ExceptID   string // leave this bot out
	Role       string // equal to role
	Tag        string // equal to one of tags
	Status     string // "online", "offline", else equal to status_text
	Text       string // substring of bio, role or function
	AfterName  string // rows after this name
	Limit      int
}

// BotDeletion is what DeleteBot removed.
type BotDeletion struct {
	Bot      Bot
	Threads  []LeftThread // in order of thread id
	Channels []string     // ids of its channels, in order
}

// LeftThread is a thread that a deleted bot was a participant of.
type LeftThread struct {
	Thread       Thread // after the deletion
	WasStatus    string // status before
	WasInitiator bool
	Label        *string // of the participant
	Closed       bool    // it was the only participant, so the thread was closed
	Remaining    int64   // participants left
}

// Tombstone reserves the name of a deleted bot.
type Tombstone struct {
	ID        string `bun:"id,pk"`
	OrgID     string `bun:"org_id"`
	Name      string `bun:"name"`
	DeletedAt int64  `bun:"deleted_at"`
	DeletedBy string `bun:"deleted_by"` // bot id or "session"
}

// BotReader reads bots and tombstones.
type BotReader interface {
	// Bot finds by id inside the org.
	Bot(ctx context.Context, org, id string) (*Bot, error)
	// BotByID finds by id in any org: for credentials, which name none.
	BotByID(ctx context.Context, id string) (*Bot, error)
	// BotByName compares exactly, with case.
	BotByName(ctx context.Context, org, name string) (*Bot, error)
	// BotByTokenHash finds by primary token, in any org.
	BotByTokenHash(ctx context.Context, hash string) (*Bot, error)
	// ResolveBot finds by id inside the org, else by exact name. A ref of the
	// form of an id (limits.LikeID) is never taken as a name: it may be the id of a bot
	// that is gone, and imported bots may have any name.
	ResolveBot(ctx context.Context, org, ref string) (*Bot, error)
	// BotID is ResolveBot for callers that need only the id.
	BotID(ctx context.Context, org, ref string) (string, error)
	// BotsByID returns those of the ids that are bots of the org, in no
	// set order.
	BotsByID(ctx context.Context, org string, ids []string) ([]Bot, error)
	// Bots lists by name in byte order.
	Bots(ctx context.Context, q BotQuery) ([]Bot, error)
	// BotsPage lists by id ascending after afterID (empty: from the start) the bots
	// whose name contains search, ignoring the case of ASCII letters.
	BotsPage(ctx context.Context, org, search, afterID string, limit int) ([]Bot, error)
	CountBots(ctx context.Context, org string) (int64, error)
	Tombstone(ctx context.Context, org, name string) (*Tombstone, error)
}

// BotWriter changes bots and tombstones. Changes of a bot that does not exist fail
// with ErrNotFound.
type BotWriter interface {
	CreateBot(ctx context.Context, b *Bot) error
	// UpdateBotProfile writes the named fields of b to the row b.ID.
	UpdateBotProfile(ctx context.Context, b *Bot, fields ...BotField) error
	RenameBot(ctx context.Context, id, name string) error
	SetBotRole(ctx context.Context, id, authRole string) error
	// SetBotJoinStatus writes join_status and the three fields that explain it.
	SetBotJoinStatus(ctx context.Context, id, status string, by *string, at int64, reason *string) error
	// TouchBots raises last_seen_at of each bot (id to time); unknown ids are
	// skipped. It may span orgs, inside Update(ctx, "", …).
	TouchBots(ctx context.Context, seen map[string]int64) error
	SetBotOnline(ctx context.Context, id string, online bool) error
	// ResetOnline marks every bot of every org offline.
	ResetOnline(ctx context.Context) error
	// DeleteBot tombstones the name, gives every thread of the bot revision + 1 and
	// updated_at = at, closes those that are not terminal and have no other
	// participant (close_reason manual, last_activity_at = at), and deletes the
	// bot: its tokens, memberships, join requests and all about its webhook go; threads,
	// thread messages, artifacts and resolved requests lose the reference; channel
	// messages, audit and sessions stay.
	DeleteBot(ctx context.Context, org, id, deletedBy string, at int64) (*BotDeletion, error)
	// PutTombstone adds or renews the tombstone of (org, name).
	PutTombstone(ctx context.Context, t *Tombstone) error
	DeleteTombstone(ctx context.Context, org, name string) error
}
