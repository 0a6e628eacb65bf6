package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectImport = read(onImports, "SELECT "+columns[store.Import]("")+" FROM imports WHERE scope = ?")
	putImport    = insertRow[store.Import](onImports, ` ON CONFLICT (scope) DO UPDATE SET source = excluded.source, imported_at = excluded.imported_at,
		last_seq = excluded.last_seq, last_audit = excluded.last_audit, detail = excluded.detail`)
	importInviteCode = insertRow[store.InviteCode](onInviteCodes, ` ON CONFLICT (id) DO UPDATE SET use_count = excluded.use_count
		WHERE invite_codes.use_count < excluded.use_count`)
)

func (r reader) Import(ctx context.Context, scope string) (*store.Import, error) {
	return one[store.Import](ctx, r, selectImport, scope)
}

func (t *tx) PutImport(ctx context.Context, i *store.Import) error {
	return put(ctx, t, putImport, i)
}

func (t *tx) ImportInviteCode(ctx context.Context, c *store.InviteCode) error {
	return put(ctx, t, importInviteCode, c)
}

func (t *tx) ImportOrg(ctx context.Context, org *store.Org) error {
	epoch, err := t.createOrg(ctx, org)
	if err == nil && org.ID == t.org { // the log begins within this change
		t.log.loaded, t.log.exists, t.log.epoch = true, true, epoch
		t.log.seq, t.log.indexed, t.log.clock, t.log.bytes, t.log.stored = 0, 0, clock{}, dayBytes{}, stored{}
	}
	return err
}

// importChannel is a row of channels.
type importChannel struct {
	store.Channel `bun:",extend"`
	Pair          *string `bun:"pair"`
}

// The insertions of the rows of an org.
var (
	insertSettings           = insertRows[store.OrgSettings](onOrgSettings)
	insertBots               = insertRows[store.Bot](onBots)
	insertTombstones         = insertRows[store.Tombstone](onTombstones)
	insertBotTokens          = insertRows[store.Token](onBotTokens)
	insertOrgTickets         = insertRows[store.OrgTicket](onOrgTickets)
	insertWebhookStatus      = insertRows[store.WebhookStatus](onWebhookStatus)
	insertChannels           = insertRows[importChannel](onChannels)
	insertChannelMembers     = insertRows[store.ImportMember](onChannelMembers)
	insertChannelMessages    = insertRows[store.ChannelMessage](onChannelMessages)
	insertThreads            = insertRows[store.Thread](onThreads)
	insertThreadParticipants = insertRows[store.Participant](onThreadParticipants)
	insertThreadJoinRequests = insertRows[store.JoinRequest](onThreadJoinRequests)
	insertThreadMessages     = insertRows[store.ThreadMessage](onThreadMessages)
	insertArtifacts          = insertRows[store.Artifact](onArtifacts)
	insertFiles              = insertRows[store.File](onFiles)
	insertAuditEntries       = insertRows[store.AuditEntry](onAuditLog)
)

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
		func() error { return insertAll(ctx, t, insertSettings, rows.Settings) },
		func() error { return insertAll(ctx, t, insertBots, rows.Bots) },
		func() error { return insertAll(ctx, t, insertTombstones, rows.Tombstones) },
		func() error { return insertAll(ctx, t, insertBotTokens, rows.Tokens) },
		func() error { return insertAll(ctx, t, insertOrgTickets, rows.Tickets) },
		func() error { return insertAll(ctx, t, insertWebhookStatus, rows.WebhookStatuses) },
		func() error { return insertAll(ctx, t, insertChannels, channels) },
		func() error { return insertAll(ctx, t, insertChannelMembers, rows.Members) },
		func() error { return insertAll(ctx, t, insertChannelMessages, rows.ChannelMessages) },
		func() error { return insertAll(ctx, t, insertThreads, rows.Threads) },
		func() error { return insertAll(ctx, t, insertThreadParticipants, rows.Participants) },
		func() error { return insertAll(ctx, t, insertThreadJoinRequests, rows.JoinRequests) },
		func() error { return insertAll(ctx, t, insertThreadMessages, rows.ThreadMessages) },
		func() error { return insertAll(ctx, t, insertArtifacts, rows.Artifacts) },
		func() error { return t.countImportedArtifacts(ctx, rows.Artifacts) },
		func() error { return insertAll(ctx, t, insertFiles, rows.Files) },
		func() error { return t.countImported(ctx, rows.Files) },
		func() error { return insertAll(ctx, t, insertAuditEntries, rows.Audit) },
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
