package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/tally"
)

// Tickets keeps the tickets that open WebSocket connections. With Redis they are
// there, so that many bots that come back at once cost the database nothing; a ticket
// that cannot be put there is kept in the database.
//
// A ticket is in one of the two and never in both: one whose fate in Redis is unknown is
// never told to anybody, and another is made. A Redis that was restarted from a snapshot,
// or that took over from another, may hold tickets that were spent: so each carries the
// run_id of the process that took it, and is worthless to any other. Who brings one that
// is lost like this is refused, and asks for a new one.
type Tickets struct {
	Store  store.Store
	Redis  *redis.Client // nil: none
	Failed *tally.Log    // requests that Redis did not serve; nil without Redis
}

// ErrUnsure is the answer to a ticket that is in Redis, if anywhere, while Redis cannot
// be asked: it may be good, and is lost.
var ErrUnsure = errors.New("auth: the ticket cannot be looked up")

const ticketKey = "b2b:ticket:"

// The scripts run as one. Argument of the first are the ticket and for how many
// milliseconds it is kept.
var (
	putTicket = redis.NewScript(`local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
redis.call('SET', KEYS[1], run .. ARGV[1], 'PX', ARGV[2])
return 1`)
	takeTicket = redis.NewScript(`local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local ticket = redis.call('GETDEL', KEYS[1])
if not ticket or string.sub(ticket, 1, #run) ~= run then return false end
return string.sub(ticket, #run + 1)`)
)

// Issue makes a ticket for what t says, which gets its hash, and answers its text.
func (k *Tickets) Issue(ctx context.Context, t *store.WsTicket, life time.Duration) (string, error) {
	if k.Redis != nil {
		text := NewWsTicket()
		t.Hash = Hash(text)
		row, err := json.Marshal(t)
		if err != nil {
			return "", fmt.Errorf("write a ticket: %w", err)
		}
		if err = putTicket.Run(ctx, k.Redis, []string{ticketKey + t.Hash}, row, life.Milliseconds()).Err(); err == nil {
			return text, nil
		}
		k.Failed.Count("issue", "error", err)
	}
	text := NewWsTicket()
	t.Hash = Hash(text)
	if err := k.Store.Update(ctx, t.OrgID, func(tx store.Tx) error { return tx.CreateWsTicket(ctx, t) }); err != nil {
		return "", fmt.Errorf("keep a ticket: %w", err)
	}
	return text, nil
}

// Take spends the ticket of a text: of many who bring it one gets it. One that is
// unknown is store.ErrNotFound, or ErrUnsure.
func (k *Tickets) Take(ctx context.Context, text string) (*store.WsTicket, error) {
	hash := Hash(text)
	unknown := store.ErrNotFound
	if k.Redis != nil {
		row, err := takeTicket.Run(ctx, k.Redis, []string{ticketKey + hash}).Text()
		switch {
		case err == nil:
			t := new(store.WsTicket)
			if err := json.Unmarshal([]byte(row), t); err != nil {
				return nil, fmt.Errorf("read a ticket: %w", err)
			}
			return t, nil
		case !errors.Is(err, redis.Nil):
			k.Failed.Count("redeem", "error", err)
			unknown = ErrUnsure
		}
	}
	t, err := k.Store.WsTicket(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	err = k.Store.Update(ctx, t.OrgID, func(tx store.Tx) error {
		_, err := tx.TakeWsTicket(ctx, hash)
		return err
	})
	return t, err
}
