// Package service is the protocol's use cases: one file an API service, each
// method one transaction.
//
// A method reads who is calling from its context (package call), decides with the
// rules that have no I/O (packages thread, mention, limits, …), and changes the
// store in one Update. Whatever it changes it also appends to the org's log, in
// the same transaction. It answers messages of the schema and *call.Error values;
// it never knows which binding called it.
//
// Checks stand in the order that the specification states, so that a caller with
// two mistakes is always told about the same one.
package service

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/google/uuid"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/auth"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/files"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

// Config is what an operator can set.
type Config struct {
	AdminSecret        string // empty in development only
	PersistMessages    bool   // default of new orgs' persist_messages
	MaxMessage         int    // UTF-16 units of a message's content
	MaxFileSizeMB      int    // of one file; told to sessions
	FileUploadMBPerDay int    // of one org on one day of UTC
	DevMode            bool
	Version            string
	Domain             string // the host that /skill.md names; empty: that of the request
	BasePath           string // before every path, as the OpenAPI document names it; empty: none
	// What artifacts may have; 0: the usual of package limits.
	ArtifactsPerThread  int // versions
	ArtifactMBPerThread int
	ArtifactMBPerDay    int // added by an org on a day of UTC
	ArtifactMBPerOrg    int
	StoredMBPerDay      int // by the changes of an org on a day of UTC; 0: the usual
	BulkMBPerDay        int // of it by those that are no short messages
	PageBytes           int // of the body of a list; 0: limits.MaxPageBody, and never more
}

// Access is what the services ask of the holder of identities (package auth).
type Access interface {
	// Forget drops what is remembered of an org's tokens and sessions, at once.
	Forget(org string)
	// LastSeen answers when a bot last called, if that is newer than what the
	// store has: Unix milliseconds, or 0.
	LastSeen(bot string) int64
	// LastUsed is the same for scoped tokens.
	LastUsed(token string) int64
	// AdminFingerprint returns the fingerprint of the admin secret, which sessions of super
	// admins carry.
	AdminFingerprint(ctx context.Context) (string, error)
}

// Connections is what the services tell about the WebSocket connections of this node.
type Connections interface {
	// Connections answers how many there are, and of how many bots.
	Connections() (clients, bots int)
	// Stats answers what the operator sees of them.
	Stats() *b2bv1.ConnectionStats
}

// Tickets makes the tickets of WebSocket connections (package auth).
type Tickets interface {
	Issue(ctx context.Context, t *store.WsTicket, life time.Duration) (text string, err error)
}

// Deps is what the services work with.
type Deps struct {
	Store    store.Store
	Files    files.Store
	Access   Access
	Tickets  Tickets       // nil: kept in the store
	Keys     *seal.Keyring // what secrets rest under; nil: a key of their own, which nobody keeps
	Events   Events
	Log      *slog.Logger
	Now      func() time.Time
	Webhooks webhookurl.Policy // where they may lead; its Resolver nil: that of the system
	Sockets  Connections       // nil: this node takes none
	OrgEnded func()            // called after an org was destroyed; nil: nobody waits for it
	Config   Config

	Streams   context.Context // streams end with it; nil: never
	Heartbeat time.Duration   // of streams; 0: 15 seconds
}

// New makes every service of the schema.
func New(d Deps) call.Services {
	c := newCore(d)
	return call.Services{
		ArtifactService:  &artifactService{c},
		AuthService:      &authService{c},
		BotService:       &botService{c},
		ChannelService:   &channelService{c},
		EventService:     newEventService(c),
		FileService:      &fileService{c, newGate()},
		OrgService:       &orgService{c},
		OrgThreadService: &orgThreadService{c},
		PlatformService:  &platformService{c},
		ServerService:    newServerService(c),
		ThreadService:    &threadService{c},
		TokenService:     &tokenService{c},
		WebSocketService: &webSocketService{c},
		WebhookService:   &webhookService{c},
	}
}

// core is what all services share.
type core struct {
	Deps
	throttle auth.Throttle
	started  time.Time
}

func newCore(d Deps) *core {
	if d.Webhooks.Resolver == nil {
		d.Webhooks.Resolver = net.DefaultResolver
	}
	if d.Tickets == nil {
		d.Tickets = &auth.Tickets{Store: d.Store}
	}
	if d.Streams == nil {
		d.Streams = context.Background()
	}
	if d.Heartbeat == 0 {
		d.Heartbeat = heartbeat
	}
	if d.Config.PageBytes <= 0 || d.Config.PageBytes > limits.MaxPageBody {
		d.Config.PageBytes = limits.MaxPageBody
	}
	for quota, usual := range map[*int]int{
		&d.Config.ArtifactsPerThread: limits.ArtifactsPerThread, &d.Config.ArtifactMBPerThread: limits.ArtifactMBPerThread,
		&d.Config.ArtifactMBPerDay: limits.ArtifactMBPerDay, &d.Config.ArtifactMBPerOrg: limits.ArtifactMBPerOrg,
		&d.Config.StoredMBPerDay: limits.StoredMBPerDay, &d.Config.BulkMBPerDay: limits.BulkMBPerDay,
	} {
		if *quota <= 0 {
			*quota = usual
		}
	}
	if d.Keys == nil {
		d.Keys = seal.New(seal.NewKey())
	}
	d.Store = checkedStore{d.Store}
	return &core{Deps: d, throttle: auth.Throttle{Store: d.Store, Now: d.Now}, started: d.Now()}
}

// nowMS is the time in Unix milliseconds.
func (c *core) nowMS() int64 { return c.Now().UnixMilli() }

// newID makes an opaque id that grows with time within this process.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// view runs fn over one snapshot and answers its result.
func view[T any](ctx context.Context, c *core, fn func(r store.Reader) (T, error)) (T, error) {
	var out T
	err := c.Store.View(ctx, func(r store.Reader) (err error) {
		out, err = fn(r)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}
