// Package service implements the operations of the protocol. Every service of the schema is a
// type, and every operation is a method that runs in one transaction.
//
// A method takes the caller from its context (package call), decides with the rules of packages
// without I/O (thread, mention, limits, …), and changes the store in one Update. In the same
// transaction it appends events about the changes to the org's log. It returns messages of the
// schema and *call.Error values, and does not depend on the binding that called it.
//
// Checks run in the order that SPEC.md states, so that a request with two mistakes always gets
// the same error.
package service

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config holds the settings of the operator that services use.
type Config struct {
	AdminSecret        string // empty in development only
	PersistMessages    bool   // persist_messages of new orgs by default
	MaxMessage         int    // UTF-16 units of a message's content
	MaxFileSizeMB      int    // of one file
	FileUploadMBPerDay int    // of one org on a day (UTC)
	DevMode            bool
	Version            string
	Domain             string // the host in /skill.md; empty: the host of the request
	BasePath           string // the path prefix in the OpenAPI document; empty: none
	MCP                bool   // the server has the profile mcp
	A2A                bool   // the server has the profile a2a
	// Quotas of artifacts; 0: the default of package limits.
	ArtifactsPerThread  int // versions
	ArtifactMBPerThread int
	ArtifactMBPerDay    int // added by an org on a day (UTC)
	ArtifactMBPerOrg    int
	StoredMBPerDay      int // stored by the changes of an org on a day (UTC); 0: the default
	BulkMBPerDay        int // the part of it for changes other than short messages
	PageBytes           int // of the body of a list, at most limits.MaxPageBody; 0: that
}

// Access is the part of package auth that services use.
type Access interface {
	// Forget drops the cached tokens and sessions of an org; of super admins, with an empty org.
	Forget(org string)
	// LastSeen returns when a bot called before its latest call, in Unix milliseconds, or 0 if
	// the store has that time.
	LastSeen(bot string) int64
	// LastUsed is LastSeen for scoped tokens.
	LastUsed(token string) int64
	// AdminFingerprint returns the fingerprint of the admin secret, which sessions of super
	// admins carry.
	AdminFingerprint(ctx context.Context) (string, error)
}

// Connections returns figures about the WebSocket connections of this node.
type Connections interface {
	// Connections returns the number of connections, and of the bots that they belong to.
	Connections() (clients, bots int)
	// Stats returns the figures for the operator.
	Stats() *b2bv1.ConnectionStats
}

// Streaming is called for streams of events of bots that authenticated with a token (package
// presence).
type Streaming interface {
	Join(ctx context.Context, org, bot string)
	Leave(org, bot string)
}

// Tickets issues the tickets of WebSocket connections (package auth).
type Tickets interface {
	Issue(ctx context.Context, t *store.WsTicket, life time.Duration) (text string, err error)
}

// Deps are the dependencies of the services.
type Deps struct {
	Store    Store
	Files    files.Store
	Access   Access
	Tickets  Tickets
	Throttle *auth.Throttle // of logins
	Keys     *seal.Keyring  // the keys that seal stored secrets; nil: a new key, which is not kept
	Events   subscription.Log
	Log      *slog.Logger
	Now      func() time.Time
	Webhooks webhookurl.Policy // the allowed addresses of webhooks; a nil Resolver is the system's
	Sockets  Connections       // nil: this node accepts no WebSocket connections
	OrgEnded func()            // called after an org was deleted; may be nil
	Node     *node.Node        // calls that wait count while its lease is live
	Config   Config
	Single   bool // no other process changes the database

	Streaming Streaming       // nil: senders are not told of streams
	Streams   context.Context // streams end when it is done; nil: never
	Heartbeat time.Duration   // of streams; 0: 15 seconds
}

// New returns every service of the schema.
func New(d Deps) call.Services {
	c := newCore(d)
	return call.Services{
		ArtifactService:  &artifactService{c, d.Store},
		AuthService:      &authService{c, d.Store},
		BotService:       &botService{c, d.Store, newBotLists(c, d.Store, d.Single)},
		ChannelService:   &channelService{c, d.Store},
		DeliveryService:  newDeliveryService(c, d.Store),
		DecisionService:  &decisionService{c, d.Store},
		EventService:     newEventService(c, d.Store),
		FileService:      &fileService{c, d.Store, newGate()},
		LeaseService:     newLeaseService(c, d.Store),
		OrgService:       &orgService{c, d.Store},
		OrgThreadService: &orgThreadService{c, d.Store},
		PlatformService:  &platformService{c, d.Store},
		SearchService:    &searchService{c, d.Store},
		ServerService:    newServerService(c, d.Store),
		ThreadService:    &threadService{c, d.Store},
		TokenService:     &tokenService{c, d.Store},
		WebSocketService: &webSocketService{c},
		WebhookService:   &webhookService{c, d.Store},
	}
}

// core is shared by all services.
type core struct {
	Deps
	db      database
	started time.Time
	settled func(org, bot string) // wakes the claims of a bot that has settled a delivery
}

func newCore(d Deps) *core {
	if d.Webhooks.Resolver == nil {
		d.Webhooks.Resolver = net.DefaultResolver
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
	for quota, byDefault := range map[*int]int{
		&d.Config.ArtifactsPerThread: limits.ArtifactsPerThread, &d.Config.ArtifactMBPerThread: limits.ArtifactMBPerThread,
		&d.Config.ArtifactMBPerDay: limits.ArtifactMBPerDay, &d.Config.ArtifactMBPerOrg: limits.ArtifactMBPerOrg,
		&d.Config.StoredMBPerDay: limits.StoredMBPerDay, &d.Config.BulkMBPerDay: limits.BulkMBPerDay,
	} {
		if *quota <= 0 {
			*quota = byDefault
		}
	}
	if d.Node == nil {
		d.Node = node.New(node.Config{Log: d.Log, Now: d.Now}) // without a lease: no wait counts
	}
	if d.Keys == nil {
		d.Keys = seal.New(seal.NewKey())
	}
	db := checkedStore{d.Store}
	d.Store = nil // services read through the parts that they state
	return &core{Deps: d, db: db, started: d.Now()}
}

// nowMS returns the time in Unix milliseconds.
func (c *core) nowMS() int64 { return c.Now().UnixMilli() }

// newID returns an opaque id. Ids of one process increase over time.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
