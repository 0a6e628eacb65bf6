package importer

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

// batch is how many rows are buffered and written together.
const batch = 500

// carrier reads the rows of one org from the old database and writes them in one change.
type carrier struct {
	*tally
	src   *Source
	keys  *seal.Keyring
	org   string
	noNUL bool
	tx    Tx
	bytes map[string]string  // by file id: why the bytes of the file were not imported
	step  func(table string) // a row was read

	rows     store.ImportRows
	buffered int

	hooked []string // the bots that have a webhook
}

// all imports the org and all its rows, in an order in which each row refers only to earlier
// ones. Rows that refer to rows that do not exist are skipped.
func (c *carrier) all(ctx context.Context) error {
	if err := c.organisation(ctx); err != nil {
		return err
	}
	for _, carry := range []func(context.Context) error{
		c.settings, c.bots, c.tombstones, c.tokens, c.tickets, c.webhooks,
		c.channels, c.members, c.messages,
		c.threads, c.participants, c.joinRequests, c.threadMessages, c.artifacts,
		c.files, c.audit, c.catchup,
	} {
		if err := carry(ctx); err != nil {
			return err
		}
		if err := c.flush(ctx); err != nil { // the next table may refer to these rows
			return err
		}
	}
	return c.startWebhooks(ctx)
}

// startWebhooks sets the positions of the webhooks to the end of the log, so that imported
// events are not delivered.
func (c *carrier) startWebhooks(ctx context.Context) error {
	for _, bot := range c.hooked {
		if err := c.tx.StartWebhook(ctx, bot); err != nil {
			return fmt.Errorf("start the webhook of bot %s: %w", bot, err)
		}
	}
	return nil
}

// from reads the rows of a table of the org. more is added to the columns,
// joins to the tables; fn handles each row.
func (c *carrier) from(ctx context.Context, name, columns, more, joins, order string, fn func(*row) error) error {
	t := named(name)
	if c.src.columns[name] == nil {
		return nil
	}
	t.join += " " + joins
	q := t.of(c.src.list(name, columns)+more) + " ORDER BY " + order
	return c.src.each(ctx, name, q, []any{c.org}, func(r *row) error {
		r.noNUL, r.changed = c.noNUL, c.change
		if err := fn(r); err != nil {
			return err
		}
		c.step(name)
		return nil
	})
}

// took counts a buffered row, and writes the buffer when it is full.
func (c *carrier) took(ctx context.Context, table string) error {
	c.carried[table]++
	if c.buffered++; c.buffered < batch {
		return nil
	}
	return c.flush(ctx)
}

func (c *carrier) flush(ctx context.Context) error {
	if c.buffered == 0 {
		return nil
	}
	if err := c.tx.ImportRows(ctx, &c.rows); err != nil {
		return fmt.Errorf("write rows of org %s: %w", c.org, err)
	}
	r := &c.rows
	*r = store.ImportRows{
		Settings: r.Settings[:0], Bots: r.Bots[:0], Tombstones: r.Tombstones[:0], Tokens: r.Tokens[:0], Tickets: r.Tickets[:0],
		WebhookStatuses: r.WebhookStatuses[:0], Channels: r.Channels[:0], Members: r.Members[:0],
		ChannelMessages: r.ChannelMessages[:0], Threads: r.Threads[:0], Participants: r.Participants[:0],
		JoinRequests: r.JoinRequests[:0], ThreadMessages: r.ThreadMessages[:0], Artifacts: r.Artifacts[:0], Files: r.Files[:0], Audit: r.Audit[:0],
	}
	c.buffered = 0
	return nil
}

func (c *carrier) organisation(ctx context.Context) error {
	return c.from(ctx, "orgs", "id name org_secret persist_messages status created_at join_approval_required", "", "", "t.id", func(r *row) error {
		c.carried["orgs"]++
		org := &store.Org{
			ID: r.text("id"), Name: r.text("name"), SecretHash: r.text("org_secret"), PersistMessages: r.number("persist_messages", 1) != 0,
			Status: r.oneOf("status", store.OrgActive, store.OrgSuspended, store.OrgActive), JoinApprovalRequired: r.flag("join_approval_required"), CreatedAt: r.number("created_at", 0),
		}
		if err := c.tx.ImportOrg(ctx, org); err != nil {
			return fmt.Errorf("write org %s: %w", c.org, err)
		}
		return nil
	})
}

func (c *carrier) settings(ctx context.Context) error {
	const columns = `org_id messages_per_minute_per_bot threads_per_hour_per_bot file_upload_mb_per_day_per_bot message_ttl_days
		thread_auto_close_days artifact_retention_days default_thread_permission_policy updated_at`
	return c.from(ctx, "org_settings", columns, "", "", "t.org_id", func(r *row) error {
		c.rows.Settings = append(c.rows.Settings, store.OrgSettings{
			OrgID:                         c.org,
			MessagesPerMinutePerBot:       r.number("messages_per_minute_per_bot", store.DefaultMessagesPerMinute),
			ThreadsPerHourPerBot:          r.number("threads_per_hour_per_bot", store.DefaultThreadsPerHour),
			FileUploadMBPerDayPerBot:      r.number("file_upload_mb_per_day_per_bot", store.DefaultUploadMBPerDay),
			MessageTTLDays:                r.when("message_ttl_days"),
			ThreadAutoCloseDays:           r.when("thread_auto_close_days"),
			ArtifactRetentionDays:         r.when("artifact_retention_days"),
			DefaultThreadPermissionPolicy: r.json("default_thread_permission_policy", objectOrArray),
			UpdatedAt:                     r.number("updated_at", 0),
		})
		return c.took(ctx, "org_settings")
	})
}

// webhooks imports the health of webhooks, so that a disabled webhook stays disabled.
func (c *carrier) webhooks(ctx context.Context) error {
	return c.from(ctx, "webhook_status", "bot_id last_success last_failure consecutive_failures degraded", "", "", "t.bot_id", func(r *row) error {
		c.rows.WebhookStatuses = append(c.rows.WebhookStatuses, store.WebhookStatus{
			BotID: r.text("bot_id"), LastSuccess: r.when("last_success"), LastFailure: r.when("last_failure"),
			ConsecutiveFailures: r.number("consecutive_failures", 0), Degraded: r.flag("degraded"),
		})
		return c.took(ctx, "webhook_status")
	})
}

// audit imports the audit log, without the ids of sessions.
func (c *carrier) audit(ctx context.Context) error {
	return c.from(ctx, "audit_log", "id bot_id action target_type target_id detail created_at", "", "", "t.created_at, t.id", func(r *row) error {
		e := store.AuditEntry{
			ID: r.text("id"), OrgID: c.org, BotID: r.maybe("bot_id"), Action: r.text("action"), TargetType: r.text("target_type"),
			TargetID: r.text("target_id"), Detail: r.json("detail", object), CreatedAt: r.number("created_at", 0),
		}
		if e.TargetType == "session" {
			redact(&e.TargetID, "")
		}
		redactMembers(e.Detail)
		c.rows.Audit = append(c.rows.Audit, e)
		return c.took(ctx, "audit_log")
	})
}
