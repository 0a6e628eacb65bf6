package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// quotaClass is how a change counts against the daily storage quotas (B2B-LIM-012).
type quotaClass int

const (
	bulk   quotaClass = iota // any other change; counts against the bulk quota, as ending does
	short                    // a short message
	ending                   // a change that ends or removes something, or a login
)

// quotaClassOf returns the class of a request that is not a message.
func quotaClassOf(req request) quotaClass {
	switch req.(type) {
	case *b2bv1.DeleteBotRequest, *b2bv1.DeleteMeRequest, *b2bv1.DeleteTokenRequest, *b2bv1.DeleteOrgTicketRequest,
		*b2bv1.DeleteOrgSessionRequest, *b2bv1.DeleteTombstoneRequest, *b2bv1.RemoveParticipantRequest,
		*b2bv1.RemoveOrgThreadParticipantRequest, *b2bv1.LeaveThreadRequest, *b2bv1.RejectJoinRequestRequest,
		*b2bv1.AnswerDecisionRequest, *b2bv1.WithdrawDecisionRequest, *b2bv1.RotateSecretRequest, *b2bv1.UpdateBotRoleRequest, *b2bv1.UpdateBotStatusRequest:
		return ending
	}
	return bulk
}

// checkStorageQuota returns an error when an org has used up its storage quota of this day (UTC)
// (B2B-LIM-012). Changes other than short messages have a smaller quota within it, so that large
// changes, and changes without a rate limit, leave room for messages. Changes that end something
// have twice the quota, so that an org can remove a bot that used it up. A change is allowed as
// long as the quota is not used up, even if it then exceeds it, because its size is known only
// when it is done.
func (c *core) checkStorageQuota(ctx context.Context, tx quotaTx, of quotaClass) error {
	now := c.Now().UTC()
	used, err := tx.StoredOn(ctx, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("read the storage used by the org today: %w", err)
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
		what = fmt.Sprintf(" for changes other than messages of up to %d bytes", limits.ShortMessage)
	}
	left := now.Truncate(day).Add(day).Sub(now).Truncate(time.Minute) + time.Minute
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "This org has used up its quota of %d MiB of storage a day (UTC)%s", most, what).
		WithHint(fmt.Sprintf("The next day begins in %d:%02d hours. The operator may allow more (%s).",
			int(left.Hours()), int(left.Minutes())%60, setting))
}
