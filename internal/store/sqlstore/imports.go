package sqlstore

import (
	"context"
	"reflect"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (r reader) Import(ctx context.Context, scope string) (*store.Import, error) {
	return one[store.Import](ctx, r, r.d.composed("SELECT "+columns[store.Import](r, "")+" FROM imports WHERE scope = ?"), scope)
}

func (t *tx) PutImport(ctx context.Context, i *store.Import) error {
	q, args := insertion(t.reader, "imports", i)
	return t.c.exec(ctx, t.d.composed(q+` ON CONFLICT (scope) DO UPDATE SET source = excluded.source, imported_at = excluded.imported_at,
		last_seq = excluded.last_seq, last_audit = excluded.last_audit, detail = excluded.detail`), args...)
}

func (t *tx) ImportInviteCode(ctx context.Context, c *store.InviteCode) error {
	q, args := insertion(t.reader, "invite_codes", c)
	return t.c.exec(ctx, t.d.composed(q+` ON CONFLICT (id) DO UPDATE SET use_count = excluded.use_count
		WHERE invite_codes.use_count < excluded.use_count`), args...)
}

func (t *tx) ImportOrg(ctx context.Context, org *store.Org) error {
	epoch, err := t.createOrg(ctx, org)
	if err == nil && org.ID == t.org { // the log begins within this change
		t.log.loaded, t.log.exists, t.log.epoch = true, true, epoch
		t.log.seq, t.log.bytes, t.log.stored = 0, dayBytes{}, stored{}
	}
	return err
}

// importChannel is a row of channels.
type importChannel struct {
	store.Channel `bun:",extend"`
	Pair          *string `bun:"pair"`
}

func (t *tx) ImportRows(ctx context.Context, rows *store.ImportRows) error {
	channels := make([]importChannel, len(rows.Channels))
	for i, c := range rows.Channels {
		channels[i] = importChannel{Channel: c.Channel}
		if c.BotA != "" && c.BotB != "" {
			key := pair(c.BotA, c.BotB)
			channels[i].Pair = &key
		}
	}
	for _, write := range []func() error{
		func() error { return insertAll(ctx, t, "org_settings", rows.Settings) },
		func() error { return insertAll(ctx, t, "bots", rows.Bots) },
		func() error { return insertAll(ctx, t, "tombstones", rows.Tombstones) },
		func() error { return insertAll(ctx, t, "bot_tokens", rows.Tokens) },
		func() error { return insertAll(ctx, t, "org_tickets", rows.Tickets) },
		func() error { return insertAll(ctx, t, "webhook_status", rows.WebhookStatuses) },
		func() error { return insertAll(ctx, t, "channels", channels) },
		func() error { return insertAll(ctx, t, "channel_members", rows.Members) },
		func() error { return insertAll(ctx, t, "channel_messages", rows.ChannelMessages) },
		func() error { return insertAll(ctx, t, "threads", rows.Threads) },
		func() error { return insertAll(ctx, t, "thread_participants", rows.Participants) },
		func() error { return insertAll(ctx, t, "thread_join_requests", rows.JoinRequests) },
		func() error { return insertAll(ctx, t, "thread_messages", rows.ThreadMessages) },
		func() error { return insertAll(ctx, t, "artifacts", rows.Artifacts) },
		func() error { return t.countImportedArtifacts(ctx, rows.Artifacts) },
		func() error { return insertAll(ctx, t, "files", rows.Files) },
		func() error { return t.countImported(ctx, rows.Files) },
		func() error { return insertAll(ctx, t, "audit_log", rows.Audit) },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// countImported adds the files of the newest day, which may be today, to the sum of that day.
func (t *tx) countImported(ctx context.Context, files []store.File) error {
	newest := int64(0)
	for _, f := range files {
		newest = max(newest, f.CreatedAt/dayMS)
	}
	for _, f := range files {
		if f.CreatedAt/dayMS != newest {
			continue
		}
		if err := t.countUpload(ctx, f.OrgID, f.UploaderID, f.CreatedAt, f.Size); err != nil {
			return err
		}
	}
	return nil
}

// insertAtOnce is how many rows one statement of insertAll writes. It stays below
// the arguments that a statement may have (SQLite 32,766, PostgreSQL 65,535) with
// the widest table.
const rowsPerInsert = 50

// insertAll writes rows with few statements, and uses two texts for each table: one for
// rowsPerInsert rows and one for a single row. On PostgreSQL it waits for each statement of
// many rows, which bounds the deferred data.
func insertAll[T any](ctx context.Context, t *tx, table string, rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	fields := t.d.bun.Table(reflect.TypeFor[T]()).Fields
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	one := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	insert := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES " + one
	args := make([]any, 0, rowsPerInsert*len(fields))
	values := func(rows []T) []any {
		args = args[:0]
		for i := range rows {
			v := reflect.ValueOf(&rows[i]).Elem()
			for _, f := range fields {
				args = append(args, f.Value(v).Interface())
			}
		}
		return args
	}
	if len(rows) >= rowsPerInsert {
		many := insert + strings.Repeat(", "+one, rowsPerInsert-1)
		for ; len(rows) >= rowsPerInsert; rows = rows[rowsPerInsert:] {
			if _, err := t.c.execNow(ctx, t.d.composed(many), values(rows[:rowsPerInsert])...); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		if err := t.c.exec(ctx, t.d.composed(insert), values(rows[i:i+1])...); err != nil {
			return err
		}
	}
	return nil
}
