package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// checkArtifactQuota returns an error for a version with which its thread or org would exceed a
// quota of the operator (B2B-ART-014). Existing artifacts stay, even above the quota.
func (s *artifactService) checkArtifactQuota(ctx context.Context, r artifactTx, a *store.Artifact) error {
	now := s.Now().UTC()
	used, err := r.ArtifactUse(ctx, call.CallerOf(ctx).OrgID, a.ThreadID, now.UnixMilli())
	if err != nil {
		return fmt.Errorf("read the storage used by artifacts: %w", err)
	}
	size, most := a.Bytes(), s.Config
	over := func(used int64, mb int) bool { return used+size > int64(mb)<<20 }
	full := func(owner, hint, format string, args ...any) error {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED,
			"The artifacts of this "+owner+" have reached their quota: "+format, args...).WithHint(hint)
	}
	switch {
	case used.Versions >= int64(most.ArtifactsPerThread):
		return full("thread", "Go on in another thread.", "%d versions", most.ArtifactsPerThread)
	case over(used.ThreadBytes, most.ArtifactMBPerThread):
		return full("thread", "Go on in another thread, or upload large contents as files.", "%d MiB", most.ArtifactMBPerThread)
	case over(used.OrgBytes, most.ArtifactMBPerOrg):
		return full("org", "An admin can set artifact_retention_days to delete old artifacts; the operator can raise the quota.", "%d MiB", most.ArtifactMBPerOrg)
	case over(used.DayBytes, most.ArtifactMBPerDay):
		refusal := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "More than %d MiB of artifacts of one org on one day (UTC)", most.ArtifactMBPerDay)
		refusal.RetryAfter = int(now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now)/time.Second) + 1
		return refusal
	}
	return nil
}
