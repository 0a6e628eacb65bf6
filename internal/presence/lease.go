package presence

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// setOnline gives this node a lease for a bot. The first lease of all nodes sets the bot online
// and appends the event. A deleted bot is ignored.
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
			if err := t.appendReset(ctx, tx, id); err != nil {
				return err
			}
		}
		if bot.Online {
			return nil
		}
		if err := tx.SetBotOnline(ctx, id, true); err != nil {
			return err
		}
		return t.appendPresence(ctx, tx, bot, true)
	})
}

// setOffline ends the leases of this node for bots of an org, and sets offline those that have
// no other lease.
func (t *Tracker) setOffline(ctx context.Context, org string, bots []string) error {
	return t.Store.Update(ctx, org, func(tx store.Tx) error {
		now := t.nowMS()
		for _, id := range bots {
			if err := tx.DropLease(ctx, id, t.Node); err != nil {
				return err
			}
			if err := t.setOfflineIfUnleased(ctx, tx, org, id, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// setOfflineIfUnleased sets a bot offline that the store has online and that has no live lease.
func (t *Tracker) setOfflineIfUnleased(ctx context.Context, tx store.Tx, org, id string, now int64) error {
	bot, err := tx.Bot(ctx, org, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !bot.Online {
		return err
	}
	leased, err := tx.Leased(ctx, id, now, latestExpiry(now))
	if err != nil || leased {
		return err
	}
	if err := tx.SetBotOnline(ctx, id, false); err != nil {
		return err
	}
	if err := tx.TouchBots(ctx, map[string]int64{id: now}); err != nil {
		return err
	}
	return t.appendPresence(ctx, tx, bot, false)
}

// appendPresence appends the event that a bot went online or offline.
func (t *Tracker) appendPresence(ctx context.Context, tx store.Tx, bot *store.Bot, online bool) error {
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

// appendReset appends the internal event by which the node that serves the webhook of a bot
// learns that its health was reset.
func (t *Tracker) appendReset(ctx context.Context, tx store.Tx, bot string) error {
	payload, err := proto.Marshal(&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{BotId: &bot}}})
	if err != nil {
		return fmt.Errorf("marshal access_changed: %w", err)
	}
	_, err = tx.Append(ctx, store.Event{Audience: store.AudienceInternal, Type: "access_changed", At: t.nowMS(), Payload: payload})
	return err
}

// renew extends the leases of this node and removes those that ended long ago. It takes missing
// leases again: the store failed when a bot connected, or was unavailable for so long that other
// nodes ended them.
func (t *Tracker) renew(ctx context.Context) error {
	at := t.Now()
	now := at.UnixMilli()
	var renewed int64
	err := t.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		if renewed, err = tx.RenewLeases(ctx, t.Node, now+Lease.Milliseconds()); err != nil {
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
		t.sweepFrom = at.Add(Lease)
	}
	t.renewed = at
	t.mu.Lock()
	connected := int64(len(t.bots))
	t.mu.Unlock()
	if !late && renewed >= connected {
		return nil
	}
	leased := map[string]bool{}
	if !late {
		if leased, err = t.leasedBots(ctx); err != nil {
			return err
		}
	}
	return t.restoreLeases(ctx, leased)
}

// leasedBots returns the bots that this node has leases for.
func (t *Tracker) leasedBots(ctx context.Context) (map[string]bool, error) {
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

// restoreLeases sets online the bots that are connected here and have no lease.
func (t *Tracker) restoreLeases(ctx context.Context, leased map[string]bool) error {
	t.mu.Lock()
	missing := map[string]string{} // bot to org
	for bot, c := range t.bots {
		if !leased[bot] {
			missing[bot] = c.org
		}
	}
	t.mu.Unlock()
	for bot, org := range missing {
		c := t.acquire(org, bot)
		c.mu.Lock()
		var err error
		if c.count > 0 {
			if err = t.setOnline(ctx, org, bot); err == nil {
				c.leased = true
			}
		}
		c.mu.Unlock()
		t.release(bot, c)
		if err != nil {
			return fmt.Errorf("set a bot online again: %w", err)
		}
	}
	return nil
}

// latestExpiry returns the latest end of a valid lease, in Unix milliseconds. It allows for a
// clock that is a lease ahead. A lease that ends later was taken before the clock was set back,
// and counts as ended (B2B-LIFE-020).
func latestExpiry(now int64) int64 { return now + 2*Lease.Milliseconds() }

// sweep sets offline the bots with no live lease.
func (t *Tracker) sweep(ctx context.Context) error {
	now := t.nowMS()
	for after := ""; ; {
		rows, err := t.Store.OnlineUnleased(ctx, now, latestExpiry(now), after, page)
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
					if err := t.setOfflineIfUnleased(ctx, tx, org, id, now); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("set the bots of a crashed node offline: %w", err)
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}
