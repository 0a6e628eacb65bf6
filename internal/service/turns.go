package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The loop guard (B2B-LOOP-001 to 007). A turn is a message that no person wrote. The row of a thread
// has how many turns were taken since its last progress; the send of a message has read that row
// anyway, so the guard costs it no statement.

// progressTx ends the turns of a thread.
type progressTx interface {
	threadReader
	resetTx
}

type resetTx interface {
	ResetTurns(ctx context.Context, id string, at int64) error
}

// turnTx takes turns.
type turnTx interface {
	rateTx
	progressTx
	CountTurn(ctx context.Context, id string, at int64) error
	CheckRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (ok bool, retryAfter int64, err error)
}

// progress sets the turns of a thread of the org to 0. It is for changes that bring a thread forward
// and are neither a message nor a change of the thread or its artifacts, which do so themselves: an
// answered decision, for example. A thread that does not exist is left alone.
//
// The settlement of a delivery counts only if its event is no message. Bots that answer and settle
// each message of the other would reach no limit otherwise, and each settlement that counts must
// therefore have a cause that is no turn.
func progress(ctx context.Context, tx progressTx, org, threadID string) error {
	t, err := tx.Thread(ctx, org, threadID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up the thread that has progressed: %w", err)
	}
	return resetTurns(ctx, tx, t)
}

// resetTurns sets the turns of a thread to 0, also in t.
func resetTurns(ctx context.Context, tx resetTx, t *store.Thread) error {
	if t.Turns == 0 {
		return nil
	}
	t.Turns = 0
	if err := tx.ResetTurns(ctx, t.ID, 0); err != nil {
		return fmt.Errorf("reset the turns of a thread: %w", err)
	}
	return nil
}

// isTurn reports whether a message of the caller is a turn. What a person writes over a session is
// none, unless it is marked as automatic.
func isTurn(caller *call.Caller, m store.Marks) bool { return !caller.ViaSession() || m.Automatic }

// The budget of a bot in a thread.
const (
	budgetBucket = "thread:" // and the id of the thread
	budgetWindow = time.Hour
)

// checkTurn refuses a turn that the limit of the thread, or the budget of the bot in it, has no room
// for. It writes nothing, so that a bot that is refused again and again costs others nothing.
func (c *core) checkTurn(ctx context.Context, tx turnTx, t *store.Thread, settings *store.OrgSettings) error {
	if limit, limited := thread.TurnLimit(t.TurnLimit, settings.ThreadTurnLimit); limited && t.Turns >= limit {
		return errTurnLimit(t, limit)
	}
	budget := settings.ThreadMessagesPerHourPerBot
	if budget == nil {
		return nil
	}
	ok, wait, err := tx.CheckRate(ctx, call.CallerOf(ctx).BotID, budgetBucket+t.ID, budgetWindow, *budget, c.nowMS())
	switch {
	case err != nil:
		return fmt.Errorf("check the budget of a bot in a thread: %w", err)
	case ok:
		return nil
	}
	refusal := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BUDGET_EXCEEDED, "More than %d messages of this bot to this thread per hour", *budget)
	refusal.RetryAfter = int(wait)
	return refusal
}

func errTurnLimit(t *store.Thread, limit int64) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TURN_LIMIT,
		"Bots have sent %d messages to this thread without progress, and its limit is %d", t.Turns, limit).
		WithHint("A message of a person, another status, a version of an artifact or an answered decision lets the bots go on.").
		With("turns", t.Turns).With("turn_limit", limit).With("released_by", thread.ReleasedBy)
}

// takeTurn counts a turn against the budget of the bot in a thread, which checkTurn has found to have
// room.
func (c *core) takeTurn(ctx context.Context, tx turnTx, t *store.Thread, settings *store.OrgSettings) error {
	budget := settings.ThreadMessagesPerHourPerBot
	if budget == nil {
		return nil
	}
	_, _, err := tx.TakeRate(ctx, call.CallerOf(ctx).BotID, budgetBucket+t.ID, budgetWindow, *budget, c.nowMS())
	if err != nil {
		return fmt.Errorf("count against the budget of a bot in a thread: %w", err)
	}
	return nil
}

// countMessage writes to the thread that it has a message: a turn, or the progress that a message of
// a person is.
func countMessage(ctx context.Context, tx turnTx, m *store.ThreadMessage, turn bool) error {
	count := tx.ResetTurns
	if turn {
		count = tx.CountTurn
	}
	if err := count(ctx, m.ThreadID, m.CreatedAt); err != nil {
		return fmt.Errorf("count a message of a thread: %w", err)
	}
	return nil
}

// showTurnsLeft sets how many turns are left in the details of a thread (B2B-LOOP-003).
func showTurnsLeft(ctx context.Context, r settingsReader, t *store.Thread, out *b2bv1.Thread) error {
	settings, err := r.OrgSettings(ctx, t.OrgID)
	if err != nil {
		return fmt.Errorf("read the org's settings: %w", err)
	}
	if limit, limited := thread.TurnLimit(t.TurnLimit, settings.ThreadTurnLimit); limited {
		left := max(limit-t.Turns, 0)
		out.TurnsLeft = &left
	}
	return nil
}

// checkOwnLimit refuses a limit of turns by a participant that is wider than that of the org
// (B2B-LOOP-005).
func checkOwnLimit(ctx context.Context, r settingsReader, org string, own *int64) error {
	if own == nil {
		return nil
	}
	settings, err := r.OrgSettings(ctx, org)
	if err != nil {
		return fmt.Errorf("read the org's settings: %w", err)
	}
	most := settings.ThreadTurnLimit
	if most == nil || *own > 0 && *own <= *most {
		return nil
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "turn_limit: only an admin of the org can set more than %d, the org's limit", *most).
		WithHint("Admins use PATCH /api/org/threads/:id.")
}
