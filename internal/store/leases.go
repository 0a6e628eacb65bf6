package store

import "context"

// NamedLease is the lease of a bot on a named thing (B2B-LEASE). It counts until ExpiresAt by
// LeaseClock.
type NamedLease struct {
	ID         string  `bun:"id,pk"`
	OrgID      string  `bun:"org_id"`
	Name       string  `bun:"name"`
	Head       string  `bun:"head"` // leasename.Name.Head
	Shared     bool    `bun:"shared"`
	BotID      string  `bun:"bot_id"`
	Note       *string `bun:"note"`
	Fence      int64   `bun:"fence"`
	TTL        int64   `bun:"ttl"` // milliseconds
	AcquiredAt int64   `bun:"acquired_at"`
	ExpiresAt  int64   `bun:"expires_at"`
}

// LeaseWait is a call that waits for a lease. It counts until Until by LeaseClock, and only while
// its node is live.
type LeaseWait struct {
	ID     string  `bun:"id,pk"` // of the lease that it gets
	OrgID  string  `bun:"org_id"`
	Name   string  `bun:"name"`
	Head   string  `bun:"head"`
	Shared bool    `bun:"shared"`
	BotID  string  `bun:"bot_id"`
	Note   *string `bun:"note"`
	TTL    int64   `bun:"ttl"`
	Place  int64   `bun:"place"` // the lowest gets a lease first
	NodeID string  `bun:"node_id"`
	Until  int64   `bun:"until"`
}

// LeaseQuery selects the leases of an org that expire after Now.
type LeaseQuery struct {
	OrgID  string
	Now    int64
	Prefix string // of the name; empty: any
	BotID  string // holder; empty: any
	After  *LeaseKey
	Limit  int
}

// LeaseKey is the place of a lease in a list.
type LeaseKey struct{ Name, ID string }

// LeasePlaces names the places where a lease may be that overlaps a name: with a head of Heads, or
// with one in the range from Low (included) up to High.
type LeasePlaces struct {
	Heads     []string
	Low, High string
}

// LeaseReader reads leases.
type LeaseReader interface {
	// LeaseClock returns the time by which leases end, in Unix milliseconds: that of PostgreSQL, so
	// that all nodes agree, and local with SQLite, which has one process.
	LeaseClock(ctx context.Context, local int64) (int64, error)
	// Lease finds a lease of an org, also one that has expired.
	Lease(ctx context.Context, org, id string) (*NamedLease, error)
	// Leases lists leases by name and id.
	Leases(ctx context.Context, q LeaseQuery) ([]NamedLease, error)
	// LeasesIn lists the leases of an org at places, by name and id.
	LeasesIn(ctx context.Context, org string, now int64, places LeasePlaces) ([]NamedLease, error)
	// LeasesEnded lists orgs by id after one, with leases that expired at or before now, or with
	// waits that do not count.
	LeasesEnded(ctx context.Context, now int64, after string, limit int) ([]string, error)
}

// LeaseWriter changes leases.
type LeaseWriter interface {
	// CountLeases returns how many leases the org has that expire after now, and how many of these
	// the bot has.
	CountLeases(ctx context.Context, org, bot string, now int64) (ofOrg, ofBot int64, err error)
	// LeasesOf lists the leases of a bot, expired ones included.
	LeasesOf(ctx context.Context, bot string, limit int) ([]NamedLease, error)
	// ExpiredLeases lists leases of an org that expired at or before now, the oldest first.
	ExpiredLeases(ctx context.Context, org string, now int64, limit int) ([]NamedLease, error)
	PutLease(ctx context.Context, l *NamedLease) error
	// ExtendLease sets how long a lease lasts, and when it expires.
	ExtendLease(ctx context.Context, id string, ttl, until int64) error
	DeleteLease(ctx context.Context, id string) error
	// LeaseWaits lists the waits of an org that count, by place. live is by the clock of the node.
	LeaseWaits(ctx context.Context, org string, now int64, live Live, limit int) ([]LeaseWait, error)
	// PutLeaseWait adds a wait, or replaces the note, the duration, the node and the end of the one
	// with its id.
	PutLeaseWait(ctx context.Context, w *LeaseWait) error
	DeleteLeaseWait(ctx context.Context, id string) error
	// EndLeaseWaits removes the waits of an org that do not count, and returns how many.
	EndLeaseWaits(ctx context.Context, org string, now int64, live Live) (int64, error)
}
