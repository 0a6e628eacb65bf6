package store

import "context"

// HookRef is a place to which a node posts: the webhook of a bot, or a PushConfig of the bot.
type HookRef struct {
	OrgID  string `bun:"org_id"`
	BotID  string `bun:"bot_id"`
	PushID string `bun:"push_id"` // of the PushConfig; empty: the webhook of the bot
}

// ID returns the id by which nodes hold it: that of the PushConfig, or of the bot.
func (r HookRef) ID() string {
	if r.PushID != "" {
		return r.PushID
	}
	return r.BotID
}

// PushConfig is a place to which the state of a task of A2A is posted when it changes. It ends with
// its bot and its thread.
type PushConfig struct {
	ID        string `bun:"id"` // of the row; that of its client is ConfigID
	OrgID     string `bun:"org_id"`
	BotID     string `bun:"bot_id"` // the client
	ThreadID  string `bun:"thread_id"`
	ConfigID  string `bun:"config_id"` // unique in the thread
	AgentID   string `bun:"agent_id"`
	TokenHash string `bun:"token_hash"` // of the token that made it
	Sealed    string `bun:"sealed"`     // the address and its secrets (package seal)
	CreatedAt int64  `bun:"created_at"`
	// Seq is where its reader has come in the log: every event up to it is settled, or part of the
	// notification that waits.
	Seq      int64  `bun:"seq"`
	Attempts int64  `bun:"attempts"` // failed ones at the notification that waits
	NextAt   *int64 `bun:"next_at"`  // of the next attempt; nil: no notification waits
	Failures int64  `bun:"failures"` // notifications in a row that were given up
}

// PushState is what the node that serves a PushConfig keeps of it.
type PushState struct {
	Seq      int64
	Attempts int64
	NextAt   *int64
	Failures int64
}

// PushReader reads the places to which tasks are posted.
type PushReader interface {
	PushConfig(ctx context.Context, id string) (*PushConfig, error)
	// PushConfigs lists those of a bot for a thread, by created_at and id.
	PushConfigs(ctx context.Context, bot, thread string, limit int) ([]PushConfig, error)
	// CountPushConfigs counts those of a bot for all threads.
	CountPushConfigs(ctx context.Context, bot string) (int64, error)
}

// PushWriter changes the places to which tasks are posted.
type PushWriter interface {
	// PutPushConfig adds one; its ConfigID must be new in the thread.
	PutPushConfig(ctx context.Context, p *PushConfig) error
	// DeletePushConfig removes one, if it exists.
	DeletePushConfig(ctx context.Context, id string) error
	// EndPushConfigs removes those of a bot whose token was revoked or has expired at now.
	EndPushConfigs(ctx context.Context, bot string, now int64) error
	// SavePush replaces the state of one that the node holds. It returns false if the node does not, or
	// the PushConfig was removed.
	SavePush(ctx context.Context, id, node string, s PushState) (bool, error)
}
