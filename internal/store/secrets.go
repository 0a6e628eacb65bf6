package store

import "context"

// SealState names the key that the secrets of a database are sealed under (package seal). The
// key itself is not in the database.
type SealState struct {
	Key   string `bun:"seal_key"`     // names the key that seals; empty: none yet
	Under string `bun:"sealed_under"` // the id of the key that every row is sealed under; empty: not known
}

// SecretKind is a table that holds secrets.
type SecretKind string

// The kinds of secrets.
const (
	WebhookSecrets SecretKind = "webhook" // of bots
	WebhookURLs    SecretKind = "url"     // of bots
	TicketSecrets  SecretKind = "ticket"  // of org tickets: id and code
	InviteSecrets  SecretKind = "invite"  // of invite codes
	PushSecrets    SecretKind = "push"    // of push configs, which are never bare
)

// SecretRow is the secret of a row: Bare in plain text as servers of before left it, or
// Sealed. An org ticket without a hash of its id is bare also without a code.
type SecretRow struct {
	OrgID  string  `bun:"org_id"` // empty for invite codes
	ID     string  `bun:"id"`
	Bare   *string `bun:"bare"`
	Sealed *string `bun:"sealed"`
}

// SecretReader lists secrets to be sealed.
type SecretReader interface {
	// SealState is zero for a database that no server has started on.
	SealState(ctx context.Context) (SealState, error)
	// BareSecrets lists rows of a kind that are not sealed, by org and id, after
	// the given row (nil: from the start).
	BareSecrets(ctx context.Context, kind SecretKind, after *SecretRow, limit int) ([]SecretRow, error)
	// SealedSecrets lists sealed rows of a kind in the same order, but for those whose
	// text begins with the given id of a key.
	SealedSecrets(ctx context.Context, kind SecretKind, but string, after *SecretRow, limit int) ([]SecretRow, error)
}

// SecretWriter seals rows. A row that no longer exists is not an error.
type SecretWriter interface {
	// SetSealState replaces the state, unless it is another than it was, and answers what
	// is there then. It is called inside Update(ctx, "", …).
	SetSealState(ctx context.Context, was, now SealState) (SealState, error)
	// PutSealed writes the sealed text of a row and removes the bare one.
	PutSealed(ctx context.Context, kind SecretKind, id, sealed string) error
	// SealTicket does so for a bare ticket, which gets an id that opens nothing, and the
	// hash of the one it had. Audit entries about it name the new one then.
	SealTicket(ctx context.Context, org, id string, now *OrgTicket) error
}
