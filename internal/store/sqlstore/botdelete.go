package sqlstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/store"
)

var selectChannelsOfBot = read(onChannelMembers, "SELECT channel_id FROM channel_members WHERE bot_id = ? ORDER BY channel_id")

var deleteRatesOfBot = remove(onRateSlots, "DELETE FROM rate_slots WHERE bot_id = ?")

var deleteBot = remove(withBots, "DELETE FROM bots WHERE id = ?").byID(1)

func (t *tx) DeleteBot(ctx context.Context, org, id, deletedBy string, at int64) (*store.BotDeletion, error) {
	b, err := t.Bot(ctx, org, id)
	if err != nil {
		return nil, err
	}
	d := &store.BotDeletion{Bot: *b}
	if d.Threads, err = t.leaveThreads(ctx, id, at); err != nil {
		return nil, err
	}
	err = each(ctx, t.reader, func(rows rowSet) error {
		var channel string
		err := rows.Scan(&channel)
		d.Channels = append(d.Channels, channel)
		return err
	}, selectChannelsOfBot, id)
	if err != nil {
		return nil, err
	}
	stone, err := uuid.NewV7()
	if err != nil {
		return nil, t.fail(err)
	}
	err = t.PutTombstone(ctx, &store.Tombstone{ID: stone.String(), OrgID: org, Name: b.Name, DeletedAt: at, DeletedBy: deletedBy})
	if err != nil {
		return nil, err
	}
	if err := t.c.exec(ctx, deleteRatesOfBot, id); err != nil {
		return nil, err
	}
	return d, t.must(long(ctx), deleteBot, id)
}

var selectThreadsOfBot = read(onThreads|onThreadParticipants, "SELECT "+threadColumns("t.")+`, p.label,
		(SELECT count(*) FROM thread_participants o WHERE o.thread_id = t.id AND o.bot_id <> p.bot_id)
		FROM thread_participants p JOIN threads t ON t.id = p.thread_id WHERE p.bot_id = ? ORDER BY t.id`)

// leaveThreads changes the threads of a bot that is about to be deleted.
func (t *tx) leaveThreads(ctx context.Context, bot string, at int64) ([]store.LeftThread, error) {
	var left []store.LeftThread
	err := each(ctx, t.reader, func(rows rowSet) error {
		var l store.LeftThread
		if err := rows.Scan(append(threadFields(&l.Thread), &l.Label, &l.Remaining)...); err != nil {
			return err
		}
		left = append(left, l)
		return nil
	}, selectThreadsOfBot, bot)
	if err != nil {
		return nil, err
	}
	for i := range left {
		l := &left[i]
		th := &l.Thread
		l.WasStatus = th.Status
		if l.WasInitiator = th.InitiatorID != nil && *th.InitiatorID == bot; l.WasInitiator {
			th.InitiatorID = nil // as the foreign key is about to do
		}
		was := th.Revision
		th.Revision++
		th.UpdatedAt = at
		if l.Remaining == 0 && th.Status != "resolved" && th.Status != "closed" {
			l.Closed = true
			reason := "manual"
			th.Status, th.CloseReason, th.LastActivityAt = "closed", &reason, at
		}
		if err := t.UpdateThread(ctx, th, was); err != nil {
			return nil, err
		}
		if l.Closed && th.Turns > 0 { // a change of the status
			th.Turns = 0
			if err := t.ResetTurns(ctx, th.ID, 0); err != nil {
				return nil, err
			}
		}
	}
	return left, nil
}
