package service

import (
	"context"
	"fmt"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/store"
)

// weight is how a change counts against the quotas of a day.
type weight int

const (
	bulk   weight = iota // any change but for these:
	short                // a short message
	ending               // what ends or removes something, or gets people in who do so
)

// weightOf is that of a request that is no message.
func weightOf(req request) weight {
	switch req.(type) {
	case *b2bv1.DeleteBotRequest, *b2bv1.DeleteMeRequest, *b2bv1.DeleteTokenRequest, *b2bv1.DeleteOrgTicketRequest,
		*b2bv1.DeleteOrgSessionRequest, *b2bv1.DeleteTombstoneRequest, *b2bv1.RemoveParticipantRequest,
		*b2bv1.RemoveOrgThreadParticipantRequest, *b2bv1.LeaveThreadRequest, *b2bv1.RejectJoinRequestRequest,
		*b2bv1.RotateSecretRequest, *b2bv1.UpdateBotRoleRequest, *b2bv1.UpdateBotStatusRequest:
		return ending
	}
	return bulk
}

// withinDay refuses a change of an org that has stored all that it may on this day of UTC
// (B2B-LIM-012). Changes that are no short messages have a quota of their own within it, so
// that large ones, and those that no rate bounds, leave room to talk; what ends something has
// twice as much, so that an org can get rid of who used it up. A change is taken whole while
// less than the quota is used: what it stores is known when it is done.
func (c *core) withinDay(ctx context.Context, tx store.Tx, of weight) error {
	now := c.Now().UTC()
	used, err := tx.StoredOn(ctx, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("look up what the org stored today: %w", err)
	}
	most, setting, what := c.Config.StoredMBPerDay, "B2B_STORED_MB_PER_DAY", ""
	if of == ending {
		most *= 2
	}
	if used.All < int64(most)<<20 {
		if of != bulk || used.Bulk < int64(c.Config.BulkMBPerDay)<<20 {
			return nil
		}
		most, setting = c.Config.BulkMBPerDay, "B2B_BULK_MB_PER_DAY"
		what = fmt.Sprintf(" by other changes than messages of up to %d bytes", limits.ShortMessage)
	}
	left := now.Truncate(day).Add(day).Sub(now).Truncate(time.Minute) + time.Minute
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "This org has stored the %d MiB that it may on one day (UTC)%s", most, what).
		WithHint(fmt.Sprintf("The next day begins in %d:%02d hours. The operator may allow more (%s).",
			int(left.Hours()), int(left.Minutes())%60, setting))
}
