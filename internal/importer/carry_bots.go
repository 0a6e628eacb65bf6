package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

func (c *carrier) bots(ctx context.Context) error {
	const columns = `id name token auth_role metadata webhook_url webhook_secret bio role function team tags languages protocols
		status_text timezone active_hours version runtime last_seen_at created_at
		join_status join_status_changed_by join_status_changed_at join_status_reason`
	return c.from(ctx, "bots", columns, "", "", "t.id", func(r *row) error {
		b := store.Bot{
			ID: r.text("id"), OrgID: c.org, Name: r.text("name"), TokenHash: r.text("token"), AuthRole: r.oneOf("auth_role", store.AuthMember, store.AuthMember, store.AuthAdmin),
			Metadata: r.json("metadata", anyJSON),
			Bio:      r.maybe("bio"), Role: r.maybe("role"), Function: r.maybe("function"), Team: r.maybe("team"),
			Tags: r.json("tags", texts), Languages: r.json("languages", texts), Protocols: r.json("protocols", objectOrArray),
			StatusText: r.maybe("status_text"), Timezone: r.maybe("timezone"), ActiveHours: r.maybe("active_hours"),
			Version: r.maybe("version"), Runtime: r.maybe("runtime"),
			LastSeenAt: r.when("last_seen_at"), CreatedAt: r.number("created_at", 0),
			JoinStatus: r.oneOf("join_status", store.BotActive, store.BotRejected, store.BotPending, store.BotActive), JoinStatusChangedBy: r.maybe("join_status_changed_by"),
			JoinStatusChangedAt: r.when("join_status_changed_at"), JoinStatusReason: r.maybe("join_status_reason"),
		}
		if limits.LikeID(b.Name) {
			r.note("name", "has the form of an id: it is kept, and the bot is reached by its own id alone until it takes another")
		}
		if secret := r.maybe("webhook_secret"); secret != nil {
			sealed := c.keys.Seal(seal.Webhook(b.ID), *secret)
			b.SealedSecret = &sealed
		}
		if url := r.maybe("webhook_url"); url != nil && *url != "" {
			c.hooked = append(c.hooked, b.ID)
			sealed := c.keys.Seal(seal.WebhookURL(b.ID), *url)
			b.SealedURL = &sealed
		}
		redact(b.JoinStatusChangedBy, "session:")
		c.rows.Bots = append(c.rows.Bots, b)
		return c.took(ctx, "bots")
	})
}

func (c *carrier) tombstones(ctx context.Context) error {
	return c.from(ctx, "deleted_bot_names", "id name deleted_at deleted_by", "", "", "t.id", func(r *row) error {
		c.rows.Tombstones = append(c.rows.Tombstones, store.Tombstone{
			ID: r.text("id"), OrgID: c.org, Name: r.text("name"), DeletedAt: r.number("deleted_at", 0), DeletedBy: r.text("deleted_by"),
		})
		return c.took(ctx, "deleted_bot_names")
	})
}

// tokens imports scoped tokens. Invalid scopes mean all scopes, as in HXA-Connect.
func (c *carrier) tokens(ctx context.Context) error {
	return c.from(ctx, "bot_tokens", "id bot_id token scopes label expires_at created_at last_used_at", "", "", "t.id", func(r *row) error {
		t := store.Token{
			ID: r.text("id"), BotID: r.text("bot_id"), TokenHash: r.text("token"), Scopes: `["full"]`, Label: r.maybe("label"),
			ExpiresAt: r.when("expires_at"), CreatedAt: r.number("created_at", 0), LastUsedAt: r.when("last_used_at"),
		}
		if scopes := r.json("scopes", texts); scopes != nil {
			t.Scopes = *scopes
		}
		c.rows.Tokens = append(c.rows.Tokens, t)
		return c.took(ctx, "bot_tokens")
	})
}

// tickets imports org tickets. This server looks codes up by their hash; tickets of old versions
// have no code and are found by id. HXA-Connect allows two tickets with the same code: the older
// keeps it.
func (c *carrier) tickets(ctx context.Context) error {
	const columns = "id code reusable skip_approval consumed expires_at created_by created_at"
	const older = `, (SELECT count(*) FROM org_tickets d WHERE d.code = t.code AND (d.created_at < t.created_at OR (d.created_at = t.created_at AND d.id < t.id))) AS older`
	more := older
	if !c.src.columns["org_tickets"]["code"] {
		more = ", 0 AS older"
	}
	return c.from(ctx, "org_tickets", columns, more, "", "t.created_at, t.id", func(r *row) error {
		id, code := r.text("id"), r.maybe("code")
		t := store.OrgTicket{
			OrgID: c.org, Reusable: r.flag("reusable"), SkipApproval: r.flag("skip_approval"),
			Consumed: r.flag("consumed"), ExpiresAt: r.number("expires_at", 0), CreatedBy: r.maybe("created_by"), CreatedAt: r.number("created_at", 0),
		}
		switch {
		case code == nil:
		case r.number("older", 0) > 0:
			r.note("code", "an older ticket has the same code: this one is known by its id")
			code = nil
		default:
			hash := hashOf(*code)
			t.CodeHash = &hash
		}
		t.ID = hashOf(id)
		sealed, err := c.keys.SealTicket(t.ID, seal.Ticket{ID: id, Code: code})
		if err != nil {
			return fmt.Errorf("seal a ticket: %w", err)
		}
		t.IDHash, t.Sealed = &t.ID, &sealed
		c.rows.Tickets = append(c.rows.Tickets, t)
		return c.took(ctx, "org_tickets")
	})
}

// hashOf returns the hash of a secret, in the form that HXA-Connect and this server store.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
