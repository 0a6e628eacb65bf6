package store

import "context"

// Addressee is a bot that something is addressed to, with how it can be reached.
type Addressee struct {
	ID         string
	Name       string
	JoinStatus string
	Online     bool  // has a WebSocket connection
	Streaming  bool  // has a stream of events
	Webhook    bool  // has a webhook, degraded or not
	ClaimedAt  int64 // when a worker claimed from its inbox last; 0: never
	LastSeenAt *int64
	CreatedAt  int64
}

// NamedBot is what an org knows by a name: a bot, or with an empty ID the name of a deleted one.
type NamedBot struct {
	ID         string
	Name       string
	JoinStatus string
	Left       bool // the bot was a participant of the thread
}

// ReachReader reads how bots can be reached.
type ReachReader interface {
	// Addressee finds as ResolveBot does.
	Addressee(ctx context.Context, org, ref string) (*Addressee, error)
	// Addressees returns those of the ids that are bots of the org, in no set order.
	Addressees(ctx context.Context, org string, ids []string) ([]Addressee, error)
	// ChannelPeer returns the member of a channel other than a bot.
	ChannelPeer(ctx context.Context, channel, bot string) (*Addressee, error)
	// InactiveParticipants lists the first participants of a thread that are not active, in the order
	// of Participants.
	InactiveParticipants(ctx context.Context, thread string, limit int) ([]string, error)
	// DegradedWebhooks returns those of the bots with a degraded webhook, in no set order.
	DegradedWebhooks(ctx context.Context, bots []string) ([]string, error)
	// NamedBots returns what the org knows by the names, compared exactly, and whether the bots were
	// participants of a thread; in no set order.
	NamedBots(ctx context.Context, org, thread string, names []string) ([]NamedBot, error)
}

// StreamWriter changes on which nodes bots have streams of events. A row counts until the lease of
// its node ends.
type StreamWriter interface {
	// AddStreaming records that a bot of the org of this Update has streams on a node.
	AddStreaming(ctx context.Context, bot, node string) error
	// RemoveStreaming removes the record. One that does not exist is not an error.
	RemoveStreaming(ctx context.Context, bot, node string) error
}
