package auth

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Store is what an Authenticator needs of the store.
type Store interface {
	logTops
	SessionsOf(ctx context.Context, scope store.SessionScope, now int64, limit int) ([]store.Session, error)
	// View runs fn on one snapshot ([store.Store]).
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
	OnCommit(fn func(org string, events []store.Event)) (remove func())
}

// logTops is what the topReader of an Authenticator reads.
type logTops interface {
	LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error)
}

// Reader is what an Authenticator reads on a snapshot.
type Reader interface {
	TokenReader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	Org(ctx context.Context, id string) (*store.Org, error)
	SessionByHash(ctx context.Context, hash string) (*store.Session, error)
	TokenByID(ctx context.Context, bot, id string) (*store.Token, error)
}

// TokenReader is what FindToken needs.
type TokenReader interface {
	BotByID(ctx context.Context, id string) (*store.Bot, error)
	BotByTokenHash(ctx context.Context, hash string) (*store.Bot, error)
	TokenByHash(ctx context.Context, hash string) (*store.Token, error)
}

// Tx is what the changes of an Authenticator need.
type Tx interface {
	TouchBots(ctx context.Context, seen map[string]int64) error
	Installation(ctx context.Context, proposed string) (string, error)
	ExtendSession(ctx context.Context, hash string, expiresAt int64) error
	DeleteSessionsOfOtherSecrets(ctx context.Context, fingerprint string) (int64, error)
	TouchTokens(ctx context.Context, used map[string]int64) error
}

// ThrottleStore is what a Throttle needs of the store.
type ThrottleStore interface {
	failureReader
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(ThrottleTx) error) error
}

// failureReader is what a Throttle reads, before its change and in it.
type failureReader interface {
	LoginFailures(ctx context.Context, keys []string) ([]store.LoginFailures, error)
}

// ThrottleTx is what the changes of a Throttle need.
type ThrottleTx interface {
	failureReader
	PutLoginFailures(ctx context.Context, f *store.LoginFailures) error
	DeleteLoginFailures(ctx context.Context, key string) error
}

// TicketStore is what Tickets need of the store.
type TicketStore interface {
	WsTicket(ctx context.Context, hash string) (*store.WsTicket, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(TicketTx) error) error
}

// TicketTx is what the changes of Tickets need.
type TicketTx interface {
	CreateWsTicket(ctx context.Context, t *store.WsTicket) error
	TakeWsTicket(ctx context.Context, hash string) (*store.WsTicket, error)
}
