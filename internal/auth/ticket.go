package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tally"
)

// Tickets stores the tickets that open WebSocket connections. With Redis they are stored
// there, so that the database has no work when many bots reconnect at once. A ticket that
// Redis does not store is stored in the database.
//
// A ticket is in one of the two and never in both: when the outcome of a write to Redis is
// unknown, that ticket is dropped unsent and another one is made. A Redis that was restarted
// from a snapshot, or a replica that took over, may hold tickets that were already used. So
// each ticket carries the run_id of the Redis process that stored it, and no other process
// accepts it. A client with such a ticket is refused and requests a new one.
type Tickets struct {
	Store  TicketStore
	Redis  *redis.Client // nil: none
	Failed *tally.Log    // requests that Redis did not serve; nil without Redis
}

// ErrUnsure is the error of a ticket that is not in the database while Redis cannot be reached.
// The ticket may be valid.
var ErrUnsure = errors.New("auth: the ticket cannot be looked up")

const ticketKey = "b2b:ticket:"

// Redis runs each script atomically. The arguments of putTicket are the ticket and its lifetime
// in milliseconds.
var (
	putTicket = redis.NewScript(`local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
redis.call('SET', KEYS[1], run .. ARGV[1], 'PX', ARGV[2])
return 1`)
	takeTicket = redis.NewScript(`local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local ticket = redis.call('GETDEL', KEYS[1])
if not ticket or string.sub(ticket, 1, #run) ~= run then return false end
return string.sub(ticket, #run + 1)`)
)

// Issue makes a ticket for the credential in t, sets the hash of t, and returns the text of the
// ticket.
func (k *Tickets) Issue(ctx context.Context, t *store.WsTicket, life time.Duration) (string, error) {
	if k.Redis != nil {
		text := NewWsTicket()
		t.Hash = Hash(text)
		row, err := json.Marshal(t)
		if err != nil {
			return "", fmt.Errorf("marshal a ticket: %w", err)
		}
		if err = putTicket.Run(ctx, k.Redis, []string{ticketKey + t.Hash}, row, life.Milliseconds()).Err(); err == nil {
			return text, nil
		}
		k.Failed.Count("issue", "error", err)
	}
	text := NewWsTicket()
	t.Hash = Hash(text)
	if err := k.Store.Update(ctx, t.OrgID, func(tx TicketTx) error { return tx.CreateWsTicket(ctx, t) }); err != nil {
		return "", fmt.Errorf("store a ticket: %w", err)
	}
	return text, nil
}

// Take uses up the ticket of a text: of several concurrent calls exactly one gets it. The error
// of an unknown ticket is store.ErrNotFound, or ErrUnsure.
func (k *Tickets) Take(ctx context.Context, text string) (*store.WsTicket, error) {
	hash := Hash(text)
	unknown := store.ErrNotFound
	if k.Redis != nil {
		row, err := takeTicket.Run(ctx, k.Redis, []string{ticketKey + hash}).Text()
		switch {
		case err == nil:
			t := new(store.WsTicket)
			if err := json.Unmarshal([]byte(row), t); err != nil {
				return nil, fmt.Errorf("unmarshal a ticket: %w", err)
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
	err = k.Store.Update(ctx, t.OrgID, func(tx TicketTx) error {
		_, err := tx.TakeWsTicket(ctx, hash)
		return err
	})
	return t, err
}
