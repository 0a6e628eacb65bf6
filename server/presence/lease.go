package presence

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/store"
)

// setOnline gives this node a lease for a bot; the first lease of all sets it online
// and tells so. A bot that is gone stays gone.
func (t *Tracker) setOnline(ctx context.Context, org, id string) error {
	return t.Store.Update(ctx, org, func(tx store.Tx) error {
		bot, err := tx.Bot(ctx, org, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := tx.PutLease(ctx, id, t.Node, t.nowMS()+Lease.Milliseconds()); err != nil {
			return err
		}
		status, err := tx.WebhookStatus(ctx, id)
		if err != nil {
			return err
		}
		if status.Degraded || status.ConsecutiveFailures > 0 {
			status.Degraded, status.ConsecutiveFailures = false, 0
			if err := tx.PutWebhookStatus(ctx, status); err != nil {
				return err
			}
			if err := t.recovered(ctx, tx, id); err != nil {
				return err
			}
		}
		if bot.Online {
			return nil
		}
		if err := tx.SetBotOnline(ctx, id, true); err != nil {
			return err
		}
		return t.tell(ctx, tx, bot, true)
	})
}

// setOffline ends the leases of this node for bots of an org, and sets those offline
// that have no other one.
func (t *Tracker) setOffline(ctx context.Context, org string, bots []string) error {
	return t.Store.Update(ctx, org, func(tx store.Tx) error {
		now := t.nowMS()
		for _, id := range bots {
			if err := tx.DropLease(ctx, id, t.Node); err != nil {
				return err
			}
			if err := t.settle(ctx, tx, org, id, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle sets a bot offline that is marked online and has no live lease.
func (t *Tracker) settle(ctx context.Context, tx store.Tx, org, id string, now int64) error {
	bot, err := tx.Bot(ctx, org, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !bot.Online {
		return err
	}
	leased, err := tx.Leased(ctx, id, now, latest(now))
	if err != nil || leased {
		return err
	}
	if err := tx.SetBotOnline(ctx, id, false); err != nil {
		return err
	}
	if err := tx.TouchBots(ctx, map[string]int64{id: now}); err != nil {
		return err
	}
	return t.tell(ctx, tx, bot, false)
}

// tell appends the event about a bot that came or went.
func (t *Tracker) tell(ctx context.Context, tx store.Tx, bot *store.Bot, online bool) error {
	brief := &b2bv1.BotBrief{Id: bot.ID, Name: bot.Name}
	row := store.Event{Audience: store.AudiencePresence, Type: "bot_offline", At: t.nowMS(), BotID: &bot.ID, ActorID: &bot.ID}
	event := &b2bv1.Event{Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: brief}}}
	if online {
		row.Type = "bot_online"
		event = &b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: brief}}}
	}
	var err error
	if row.Payload, err = proto.Marshal(event); err != nil {
		return fmt.Errorf("marshal %s: %w", row.Type, err)
	}
	_, err = tx.Append(ctx, row)
	return err
}

// recovered tells whoever serves the webhook of a bot that its health was reset. Nobody
// else is told.
func (t *Tracker) recovered(ctx context.Context, tx store.Tx, bot string) error {
	payload, err := proto.Marshal(&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{BotId: &bot}}})
	if err != nil {
		return fmt.Errorf("marshal access_changed: %w", err)
	}
	_, err = tx.Append(ctx, store.Event{Audience: store.AudienceInternal, Type: "access_changed", At: t.nowMS(), Payload: payload})
	return err
}

// renew moves the leases of this node, removes those that have been dead for long, and makes those anew that are missing: the
// store was away for so long that others took this node for dead, or failed when a
// bot came.
func (t *Tracker) renew(ctx context.Context) error {
	at := t.Now()
	now := at.UnixMilli()
	var held int64
	err := t.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		if held, err = tx.RenewLeases(ctx, t.Node, now+Lease.Milliseconds()); err != nil {
			return err
		}
		_, err = tx.PurgeLeases(ctx, now-2*Lease.Milliseconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("renew leases: %w", err)
	}
	since := at.Sub(t.renewed)
	late := since >= Lease
	if since >= Lease/2 {
		t.judging = at.Add(Lease)
	}
	t.renewed = at
	t.mu.Lock()
	seats := int64(len(t.seats))
	t.mu.Unlock()
	if !late && held >= seats {
		return nil
	}
	there := map[string]bool{}
	if !late {
		if there, err = t.held(ctx); err != nil {
			return err
		}
	}
	return t.makeUp(ctx, there)
}

// held lists the bots that this node has leases for.
func (t *Tracker) held(ctx context.Context) (map[string]bool, error) {
	there := map[string]bool{}
	for after := ""; ; {
		rows, err := t.Store.LeasedBy(ctx, t.Node, after, page)
		if err != nil {
			return nil, fmt.Errorf("list leases: %w", err)
		}
		for _, row := range rows {
			there[row.BotID] = true
			after = row.BotID
		}
		if len(rows) < page {
			return there, nil
		}
	}
}

// makeUp sets those bots online that have connections here and no lease.
func (t *Tracker) makeUp(ctx context.Context, there map[string]bool) error {
	t.mu.Lock()
	missing := map[string]string{} // bot to org
	for bot, s := range t.seats {
		if !there[bot] {
			missing[bot] = s.org
		}
	}
	t.mu.Unlock()
	for bot, org := range missing {
		s := t.take(org, bot)
		s.mu.Lock()
		var err error
		if s.count > 0 {
			if err = t.setOnline(ctx, org, bot); err == nil {
				s.leased = true
			}
		}
		s.mu.Unlock()
		t.give(bot, s)
		if err != nil {
			return fmt.Errorf("set a bot online again: %w", err)
		}
	}
	return nil
}

// latest is when a lease ends at the latest, also by a clock that is as far ahead as a lease
// is long: one that ends later was given before the clock was put back, and is dead
// (B2B-LIFE-020).
func latest(now int64) int64 { return now + 2*Lease.Milliseconds() }

// sweep sets those bots offline whose leases are dead.
func (t *Tracker) sweep(ctx context.Context) error {
	now := t.nowMS()
	for after := ""; ; {
		rows, err := t.Store.Stranded(ctx, now, latest(now), after, page)
		if err != nil {
			return fmt.Errorf("list bots without a lease: %w", err)
		}
		orgs := map[string][]string{}
		for _, row := range rows {
			orgs[row.OrgID] = append(orgs[row.OrgID], row.BotID)
			after = row.BotID
		}
		for org, bots := range orgs {
			err := t.Store.Update(ctx, org, func(tx store.Tx) error {
				for _, id := range bots {
					if err := t.settle(ctx, tx, org, id, now); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("set bots of a dead node offline: %w", err)
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}
