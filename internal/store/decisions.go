package store

import "context"

// Decision is a question of a bot to bots or people (B2B-DEC). The texts of the enums are those of
// the wire. Its times are those of LeaseClock.
type Decision struct {
	ID        string  `bun:"id,pk"`
	OrgID     string  `bun:"org_id"`
	ThreadID  *string `bun:"thread_id"`
	ChannelID *string `bun:"channel_id"`
	AskerID   string  `bun:"asker_id"`
	AskerName string  `bun:"asker_name"`
	Kind      string  `bun:"kind"`
	Question  string  `bun:"question"`
	Choices   string  `bun:"choices"` // JSON array of texts
	Default   *string `bun:"default_answer"`
	Bots      string  `bun:"bots"` // JSON array of those that may answer, with id and name
	Humans    bool    `bun:"humans"`
	Blocks    bool    `bun:"blocks"`
	GivesBack *string `bun:"gives_back"` // the status that its thread gets when it is closed
	Status    string  `bun:"status"`
	Reason    *string `bun:"reason"`
	Answer    *string `bun:"answer"`
	Comment   *string `bun:"comment"`
	ClosedBy  *string `bun:"closed_by"`
	AskedAt   int64   `bun:"asked_at"`
	ExpiresAt *int64  `bun:"expires_at"`
	ClosedAt  *int64  `bun:"closed_at"`
}

// DecisionOpen is the status of a decision that waits for an answer.
const DecisionOpen = "open"

// DecisionQuery selects decisions of an org, newest first (asked_at, id descending). Of the places
// (ThreadID, ChannelID) it names at most one.
type DecisionQuery struct {
	OrgID     string
	Now       int64  // decisions that expire until then are not open
	Status    string // empty: any
	ThreadID  string
	ChannelID string
	AskerID   string
	BotID     string // that may answer; with DecisionOpen only
	Humans    bool   // people may answer; with DecisionOpen only
	Before    *PageKey
	Limit     int
}

// DecisionReader reads decisions.
type DecisionReader interface {
	// Decision finds by id inside the org.
	Decision(ctx context.Context, org, id string) (*Decision, error)
	Decisions(ctx context.Context, q DecisionQuery) ([]Decision, error)
	// DecisionsExpired lists orgs by id after one, with open decisions that expire until now.
	DecisionsExpired(ctx context.Context, now int64, after string, limit int) ([]string, error)
	// OldDecisions lists the ids of decisions of an org that were closed before a time.
	OldDecisions(ctx context.Context, org string, before int64, limit int) ([]string, error)
}

// DecisionWriter changes decisions.
type DecisionWriter interface {
	// OpenDecisionsIn lists those of a thread that are open, by id.
	OpenDecisionsIn(ctx context.Context, thread string, limit int) ([]Decision, error)
	// OpenDecisionsBy lists those that a bot asked.
	OpenDecisionsBy(ctx context.Context, asker string, limit int) ([]Decision, error)
	// OpenDecisionsFor lists those that a bot may answer.
	OpenDecisionsFor(ctx context.Context, bot string, limit int) ([]Decision, error)
	// ExpiredDecisions lists open decisions of an org that expire until now, the earliest first.
	ExpiredDecisions(ctx context.Context, org string, now int64, limit int) ([]Decision, error)
	// CountOpenDecisions counts the open decisions of an org: all, those of an asker, and those in a
	// thread or channel.
	CountOpenDecisions(ctx context.Context, org, asker, place string) (ofOrg, ofAsker, ofPlace int64, err error)
	// PutDecision adds an open decision, and the bots that may answer it.
	PutDecision(ctx context.Context, d *Decision, bots []string) error
	// CloseDecision writes how an open decision was closed.
	CloseDecision(ctx context.Context, d *Decision) error
	// SetDecisionBots writes the bots of an open decision after one can no longer answer.
	SetDecisionBots(ctx context.Context, d *Decision, without string) error
	DeleteDecisions(ctx context.Context, ids []string) (int64, error)
}
