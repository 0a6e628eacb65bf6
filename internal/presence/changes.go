package presence

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// setOnline makes a bot present on this node, or records that it has streams. Its first presence on
// any node sets the bot online and appends the event. A deleted bot is ignored.
func (t *Tracker) setOnline(ctx context.Context, org, id string) error {
	return t.Store.Update(ctx, org, func(tx Tx) error {
		bot, err := tx.Bot(ctx, org, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if t.Streams {
			return tx.AddStreaming(ctx, id, t.Node.ID)
		}
		if err := tx.AddPresence(ctx, id, t.Node.ID); err != nil {
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
			if _, err := tx.Append(ctx, store.WebhookChanged(id, t.nowMS())); err != nil {
				return fmt.Errorf("append the change of a webhook: %w", err)
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

// setOffline ends the presence of bots of an org on this node, and sets offline those that are
// present on no other; or it records that they have no streams.
func (t *Tracker) setOffline(ctx context.Context, org string, bots []string) error {
	return t.Store.Update(ctx, org, func(tx Tx) error {
		for _, id := range bots {
			if t.Streams {
				if err := tx.RemoveStreaming(ctx, id, t.Node.ID); err != nil {
					return err
				}
				continue
			}
			if err := tx.RemovePresence(ctx, id, t.Node.ID); err != nil {
				return err
			}
			if err := t.setOfflineIfAbsent(ctx, tx, org, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// setOfflineIfAbsent sets a bot offline that the store has online and that is present on no live
// node.
func (t *Tracker) setOfflineIfAbsent(ctx context.Context, tx Tx, org, id string) error {
	bot, err := tx.Bot(ctx, org, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !bot.Online {
		return err
	}
	present, err := tx.Present(ctx, id, t.Node.Live())
	if err != nil || present {
		return err
	}
	if err := tx.SetBotOnline(ctx, id, false); err != nil {
		return err
	}
	if err := tx.TouchBots(ctx, map[string]int64{id: t.nowMS()}); err != nil {
		return err
	}
	return t.appendPresence(ctx, tx, bot, false)
}

// appendPresence appends the event that a bot went online or offline.
func (t *Tracker) appendPresence(ctx context.Context, tx Tx, bot *store.Bot, online bool) error {
	brief := &b2bv1.BotBrief{Id: bot.ID, Name: bot.Name}
	row := store.Event{Audience: store.AudiencePresence, Type: eventtype.BotOffline, At: t.nowMS(), BotID: &bot.ID, ActorID: &bot.ID}
	event := &b2bv1.Event{Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: brief}}}
	if online {
		row.Type = eventtype.BotOnline
		event = &b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: brief}}}
	}
	var err error
	if row.Payload, err = proto.Marshal(event); err != nil {
		return fmt.Errorf("marshal %s: %w", row.Type, err)
	}
	row.Decoded = event
	_, err = tx.Append(ctx, row)
	return err
}

// repeat repeats the changes that failed. After the lease of the node had ended it stores the
// presence of all its bots again, because other nodes may have ended it.
func (t *Tracker) repeat(ctx context.Context) error {
	lapses := t.Node.Lapses()
	all := lapses != t.lapses
	t.mu.Lock()
	due := map[string]*connections{}
	for bot, c := range t.bots {
		if all || c.failed {
			c.users++
			due[bot] = c
		}
	}
	t.mu.Unlock()
	var failed error
	for bot, c := range due {
		c.mu.Lock()
		if failed == nil && (c.count > 0 || c.failed) {
			failed = t.update(ctx, c, bot)
		}
		c.mu.Unlock()
		t.release(bot, c)
	}
	if failed != nil {
		return fmt.Errorf("store the presence of a bot again: %w", failed)
	}
	t.lapses = lapses
	return nil
}

// sweep sets offline the bots that are present on no live node. The records of streams are removed
// with the lease of their node.
func (t *Tracker) sweep(ctx context.Context) error {
	if t.Streams {
		return nil
	}
	for after := ""; ; {
		rows, err := t.Store.OnlineAbsent(ctx, t.Node.Live(), after, page)
		if err != nil {
			return fmt.Errorf("list bots of crashed nodes: %w", err)
		}
		orgs := map[string][]string{}
		for _, row := range rows {
			orgs[row.OrgID] = append(orgs[row.OrgID], row.BotID)
			after = row.BotID
		}
		for org, bots := range orgs {
			err := t.Store.Update(ctx, org, func(tx Tx) error {
				for _, id := range bots {
					if err := t.setOfflineIfAbsent(ctx, tx, org, id); err != nil {
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
