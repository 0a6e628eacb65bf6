package importer

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (c *carrier) threads(ctx context.Context) error {
	const columns = `id topic tags status context close_reason permission_policy visibility join_policy revision
		created_at updated_at last_activity_at resolved_at`
	const joins = `LEFT JOIN bots i ON i.id = t.initiator_id AND i.org_id = t.org_id
		LEFT JOIN channels h ON h.id = t.channel_id AND h.org_id = t.org_id AND h.type = 'direct'`
	return c.from(ctx, "threads", columns, ", i.id AS initiator, h.id AS channel", joins, "t.id", func(r *row) error {
		created := r.number("created_at", 0)
		visibility := r.oneOf("visibility", "public", "private", "members", "public")
		joinPolicy := r.oneOf("join_policy", "open", "invite_only", "approval", "open")
		if visibility == "private" {
			joinPolicy = "invite_only" // B2B-THR-011
		}
		c.rows.Threads = append(c.rows.Threads, store.Thread{
			ID: r.text("id"), OrgID: c.org, Topic: r.text("topic"), Tags: r.json("tags", texts),
			Status:      r.oneOf("status", "active", "closed", "active", "blocked", "reviewing", "resolved"),
			InitiatorID: r.maybe("initiator"), ChannelID: r.maybe("channel"), Context: r.maybe("context"),
			CloseReason:      r.oneOrNone("close_reason", "manual", "timeout", "error"),
			PermissionPolicy: r.json("permission_policy", objectOrArray), Visibility: visibility,
			JoinPolicy: joinPolicy, Revision: r.number("revision", 1), CreatedAt: created,
			UpdatedAt: r.number("updated_at", created), LastActivityAt: r.number("last_activity_at", created), ResolvedAt: r.when("resolved_at"),
		})
		return c.took(ctx, "threads")
	})
}

func (c *carrier) participants(ctx context.Context) error {
	return c.from(ctx, "thread_participants", "thread_id bot_id label joined_at", withBot, joinBot, "t.thread_id, t.bot_id", func(r *row) error {
		if r.value("known_bot") == nil {
			c.skip("thread_participants", r.text("thread_id"), noBot)
			return nil
		}
		c.rows.Participants = append(c.rows.Participants, store.Participant{
			ThreadID: r.text("thread_id"), BotID: r.text("bot_id"), Label: r.maybe("label"), JoinedAt: r.number("joined_at", 0), JoinedSeq: firstInLog,
		})
		return c.took(ctx, "thread_participants")
	})
}

// joinRequests imports join requests. On PostgreSQL, HXA-Connect has no index against two
// pending requests of a bot for a thread: the oldest stays pending.
func (c *carrier) joinRequests(ctx context.Context) error {
	const joins = joinBot + " LEFT JOIN bots y ON y.id = t.resolved_by AND y.org_id = p.org_id"
	var thread, bot string // of the last pending request
	return c.from(ctx, "thread_join_requests", "id thread_id bot_id status requested_at resolved_at", withBot+", y.id AS resolver", joins,
		"t.thread_id, t.bot_id, t.status, t.requested_at, t.id", func(r *row) error {
			q := store.JoinRequest{
				ID: r.text("id"), ThreadID: r.text("thread_id"), BotID: r.text("bot_id"), Status: r.oneOf("status", store.JoinPending, store.JoinRejected, store.JoinPending, store.JoinApproved),
				RequestedAt: r.number("requested_at", 0), ResolvedAt: r.when("resolved_at"), ResolvedBy: r.maybe("resolver"),
			}
			pending := q.Status == store.JoinPending
			switch {
			case r.value("known_bot") == nil:
				c.skip("thread_join_requests", q.ID, noBot)
				return nil
			case pending && q.ThreadID == thread && q.BotID == bot:
				c.skip("thread_join_requests", q.ID, "an older request of the same bot waits already")
				return nil
			case pending:
				thread, bot = q.ThreadID, q.BotID
			}
			c.rows.JoinRequests = append(c.rows.JoinRequests, q)
			return c.took(ctx, "thread_join_requests")
		})
}

func (c *carrier) threadMessages(ctx context.Context) error {
	const columns = "id thread_id sender_id content content_type parts metadata created_at mentions mention_all reply_to_id"
	return c.from(ctx, "thread_messages", columns, "", "", "t.thread_id, t.created_at, t.id", func(r *row) error {
		c.rows.ThreadMessages = append(c.rows.ThreadMessages, store.ThreadMessage{
			ID: r.text("id"), ThreadID: r.text("thread_id"), SenderID: r.maybe("sender_id"), Content: r.text("content"),
			ContentType: r.textOr("content_type", defaultType), Parts: r.json("parts", objects), Metadata: r.maybe("metadata"),
			Mentions: r.json("mentions", objects), MentionAll: r.flag("mention_all"), ReplyToID: r.maybe("reply_to_id"),
			CreatedAt: r.number("created_at", 0),
		})
		return c.took(ctx, "thread_messages")
	})
}

func (c *carrier) artifacts(ctx context.Context) error {
	const columns = "id thread_id artifact_key type title content language url mime_type version format_warning created_at updated_at"
	const joins = "LEFT JOIN bots b ON b.id = t.contributor_id AND b.org_id = p.org_id"
	return c.from(ctx, "artifacts", columns, ", b.id AS contributor", joins, "t.thread_id, t.artifact_key, t.version, t.id", func(r *row) error {
		created := r.number("created_at", 0)
		c.rows.Artifacts = append(c.rows.Artifacts, store.Artifact{
			ID: r.text("id"), ThreadID: r.text("thread_id"), Key: r.text("artifact_key"), Type: r.oneOf("type", defaultType, defaultType, "markdown", "json", "code", "file", "link"),
			Title: r.maybe("title"), Content: r.maybe("content"), Language: r.maybe("language"), URL: r.maybe("url"), MimeType: r.maybe("mime_type"),
			ContributorID: r.maybe("contributor"), Version: r.number("version", 1), FormatWarning: r.flag("format_warning"),
			CreatedAt: created, UpdatedAt: r.number("updated_at", created),
		})
		return c.took(ctx, "artifacts")
	})
}
