package store

import "context"

// Import records that an org, or the data of the platform (Scope ""), was imported from another
// database. It is removed with the org.
type Import struct {
	Scope      string `bun:"scope,pk"` // organisation id, or "" for the platform
	Source     string `bun:"source"`   // fingerprint of the imported rows
	ImportedAt int64  `bun:"imported_at"`
	LastSeq    int64  `bun:"last_seq"`   // where the log of the org ended then
	LastAudit  string `bun:"last_audit"` // its newest audit entry then, the importer's own; empty: none
	Detail     string `bun:"detail"`     // JSON, the importer's own
}

// ImportRows are rows of one org from another system. They are written in the order of these
// fields, so each may refer to rows of earlier fields.
type ImportRows struct {
	Settings        []OrgSettings
	Bots            []Bot
	Tombstones      []Tombstone
	Tokens          []Token
	Tickets         []OrgTicket
	WebhookStatuses []WebhookStatus
	Channels        []ImportChannel
	Members         []ImportMember
	ChannelMessages []ChannelMessage
	Threads         []Thread
	Participants    []Participant
	JoinRequests    []JoinRequest
	ThreadMessages  []ThreadMessage
	Artifacts       []Artifact
	Files           []File
	Audit           []AuditEntry
}

// ImportChannel is a channel with the bots whose direct messages go there. Both are
// empty when none do: a bot was deleted, or the pair has another channel already.
type ImportChannel struct {
	Channel
	BotA, BotB string
}

// ImportMember is a member of a channel.
type ImportMember struct {
	ChannelID string `bun:"channel_id"`
	BotID     string `bun:"bot_id"`
	JoinedAt  int64  `bun:"joined_at"`
	JoinedSeq int64  `bun:"joined_seq"`
}

// ImportReader reads the records of imports.
type ImportReader interface {
	// Import fails with ErrNotFound when nothing was imported for the scope.
	Import(ctx context.Context, scope string) (*Import, error)
}

// ImportWriter writes what another system left, with its ids and times and without
// the rules of requests. It belongs to importers alone.
type ImportWriter interface {
	// ImportOrg is CreateOrg inside Update of the org itself, so that one change imports all of
	// the org, and no caller sees a part of it.
	ImportOrg(ctx context.Context, org *Org) error
	// ImportRows writes many rows at once; a few hundred a call are as fast as more. A
	// JoinedSeq is written as it is: 1 is from the beginning of the log.
	ImportRows(ctx context.Context, rows *ImportRows) error
	// ImportInviteCode adds a code, inside Update(ctx, "", …), or, when the id is
	// there, raises its use_count to that of c.
	ImportInviteCode(ctx context.Context, c *InviteCode) error
	// PutImport adds or replaces the record of an import.
	PutImport(ctx context.Context, i *Import) error
}
