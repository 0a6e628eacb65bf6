package auth

import (
	"context"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A connection authenticates by the hash of its token, and is refused as soon as the token is
// revoked or its bot is not active.
func TestConnectionByTokenHash(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	bot := call.Credentials{TokenHash: Hash(primary), OrgID: "org"}
	reader := call.Credentials{TokenHash: Hash(scoped), OrgID: "org"}
	if c := b.accepted(bot); c.BotID != "bot" || c.Scopes != call.ScopeFull || !c.Admin {
		t.Errorf("the primary token's hash resolves to %+v", c)
	}
	if c := b.accepted(reader); c.TokenID != "token" || c.Scopes != call.ScopeRead|call.ScopeProfile {
		t.Errorf("the scoped token's hash resolves to %+v", c)
	}
	if seen := b.auth.activity.pending.bots; len(seen) != 0 {
		t.Errorf("authenticating a connection changed the last-seen times of %v", seen)
	}
	b.refused(call.Credentials{TokenHash: Hash(primary), OrgID: "other"}, b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH)
	b.refused(call.Credentials{TokenHash: "no hash"}, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.refused(call.Credentials{TokenHash: Hash("other")}, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.changeAccess(func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteToken(ctx, "bot", "token")
		return err
	})
	b.refused(reader, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	b.accepted(bot)
	b.setStatus(store.BotRejected)
	b.refused(bot, b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE)
}

func TestConnectionBySessionHash(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	hash := Hash(b.login(store.RoleOrgAdmin))
	held := call.Credentials{SessionHash: hash}
	ttl := SessionTTL(store.RoleOrgAdmin).Milliseconds()
	b.clock.Add(ttl - 1) // in the second half of its life, where a call would extend it
	if c := b.accepted(held); c.Kind != call.OrgAdmin || c.Session.ExpiresAt != start+ttl {
		t.Errorf("the session's hash resolves to %+v", c)
	}
	b.clock.Add(1)
	b.refused(held, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	b.refused(call.Credentials{SessionHash: "no hash"}, b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED)
	owner := Hash(b.login(store.RoleBotOwner))
	b.accepted(call.Credentials{SessionHash: owner})
	b.setOrg(store.OrgSuspended)
	b.refused(call.Credentials{SessionHash: owner}, b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED)
}
