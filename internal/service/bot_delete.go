package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const botDeleted = "The bot was deleted. Its name stays taken until a human releases it."

func (s *botService) DeleteBot(ctx context.Context, req *b2bv1.DeleteBotRequest) (*b2bv1.DeleteBotResponse, error) {
	caller := call.CallerOf(ctx)
	by := "session"
	if caller.Kind == call.Bot {
		by = caller.BotID
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx botTx) (*b2bv1.DeleteBotResponse, error) {
		if err := s.deleteBot(ctx, tx, req.GetId(), by, detail{"deleted_by": by}); err != nil {
			return nil, err
		}
		return &b2bv1.DeleteBotResponse{Ok: true, Message: botDeleted}, nil
	})
}

func (s *botService) DeleteMe(ctx context.Context, req *b2bv1.DeleteMeRequest) (*b2bv1.DeleteMeResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx botTx) (*b2bv1.DeleteMeResponse, error) {
		if err := s.deleteBot(ctx, tx, caller.BotID, caller.BotID, detail{"self": true}); err != nil {
			return nil, err
		}
		return &b2bv1.DeleteMeResponse{Ok: true, Message: botDeleted}, nil
	})
}

// deleteBot deletes a bot of the caller's org (B2B-BOT-013) and emits the events: to the org that
// the bot is offline, and to its threads that it left (B2B-THR-086, B2B-EVT-004).
func (s *botService) deleteBot(ctx context.Context, tx botTx, id, by string, how detail) error {
	caller := call.CallerOf(ctx)
	leases, err := tx.LeasesOf(ctx, id, limits.LeasesOfBot+limits.LeaseWaitsOfBot)
	if err != nil {
		return fmt.Errorf("list the leases of a bot: %w", err)
	}
	if _, err := tx.Bot(ctx, caller.OrgID, id); err != nil {
		return notFound(err, "Bot")
	}
	if err := s.withdrawOfDeleted(ctx, tx, id); err != nil {
		return fmt.Errorf("withdraw the decisions of a bot: %w", err)
	}
	gone, err := tx.DeleteBot(ctx, caller.OrgID, id, by, s.nowMS())
	if err != nil {
		return notFound(err, "Bot")
	}
	bot := &gone.Bot
	how["name"] = bot.Name
	if err := s.audit(ctx, tx, bot.OrgID, &bot.ID, "bot.delete", "bot", bot.ID, how); err != nil {
		return err
	}
	for i := range gone.Threads {
		if err := s.emitLeftByDeletion(ctx, tx, bot, &gone.Threads[i]); err != nil {
			return fmt.Errorf("emit the events of thread %s: %w", gone.Threads[i].Thread.ID, err)
		}
	}
	if err := s.releaseOfDeleted(ctx, tx, bot, leases); err != nil {
		return fmt.Errorf("release the leases of a bot: %w", err)
	}
	err = s.emit(ctx, tx, toOrg(), &b2bv1.Event{Event: &b2bv1.Event_BotOffline{
		BotOffline: &b2bv1.BotOfflineEvent{Bot: &b2bv1.BotBrief{Id: bot.ID, Name: bot.Name}},
	}})
	if err != nil {
		return err
	}
	return s.statusChanged(ctx, tx, bot.ID, true)
}

// emitLeftByDeletion emits that a deleted bot left a live thread, and that the thread was closed
// if the bot was its last participant.
func (s *botService) emitLeftByDeletion(ctx context.Context, tx botTx, bot *store.Bot, left *store.LeftThread) error {
	if thread.Status(left.WasStatus).Terminal() {
		return nil
	}
	by := call.CallerOf(ctx).Actor()
	err := s.emitParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
		ThreadId: left.Thread.ID, BotId: bot.ID, BotName: bot.Name,
		Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT, By: by,
	})
	if err != nil || !left.Closed {
		return err
	}
	return s.emit(ctx, tx, toThread(left.Thread.ID), &b2bv1.Event{Event: &b2bv1.Event_ThreadStatusChanged{
		ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{
			ThreadId: left.Thread.ID, Topic: left.Thread.Topic,
			From: enumOf[b2bv1.ThreadStatus](b2bv1.ThreadStatus_value, "THREAD_STATUS_", left.WasStatus),
			To:   b2bv1.ThreadStatus_THREAD_STATUS_CLOSED, By: by,
		},
	}})
}
