package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

// secretStatements are the statements for a kind of secret.
type secretStatements struct {
	bare   *family    // lists those that are not sealed
	sealed *family    // lists those that are sealed with another key
	put    *statement // stores one that has been sealed
}

var secrets = map[store.SecretKind]secretStatements{
	store.WebhookSecrets: secretsIn(onBots, "org_id", "webhook_secret", "sealed_secret", "webhook_secret IS NOT NULL"),
	store.WebhookURLs:    secretsIn(onBots, "org_id", "webhook_url", "sealed_url", "webhook_url IS NOT NULL"),
	store.TicketSecrets:  secretsIn(onOrgTickets, "org_id", "code", "sealed", "id_hash IS NULL"),
	store.InviteSecrets:  secretsIn(onInviteCodes, "''", "code", "sealed", "code IS NOT NULL"),
	store.PushSecrets:    alwaysSealed(onPushConfigs),
}

// secretsIn declares the statements for secrets in two columns of a table: bare, and sealed.
// isBare is the condition of the index of what is bare.
func secretsIn(t tables, org, bare, sealed, isBare string) secretStatements {
	before := "SELECT " + org + " AS org_id, id, " + bare + " AS bare, " + sealed + " AS sealed FROM " + t.name()
	order, after := "org_id, id", "(org_id, id) > (?, ?)"
	if t == onInviteCodes {
		order, after = "id", "id > ?"
	}
	list := func(given string) *family {
		return readBetween(t, before, " ORDER BY "+order+" LIMIT ? + 0", given, after)
	}
	return secretStatements{
		bare:   list(isBare),
		sealed: list(sealed + " IS NOT NULL AND substr(" + sealed + ", 1, ? + 0) <> ?"),
		put:    update(t, "UPDATE "+t.name()+" SET "+sealed+" = ?, "+bare+" = NULL WHERE id = ?"),
	}
}

// alwaysSealed declares the statements for a table without a column for what is bare.
func alwaysSealed(t tables) secretStatements {
	list := func(given string) *family {
		return readBetween(t, "SELECT org_id, id, NULL AS bare, sealed FROM "+t.name(), " ORDER BY org_id, id LIMIT ? + 0", given, "(org_id, id) > (?, ?)")
	}
	return secretStatements{
		bare: list("sealed = ''"), sealed: list("substr(sealed, 1, ? + 0) <> ?"),
		put: update(t, "UPDATE "+t.name()+" SET sealed = ? WHERE id = ?"),
	}
}

var selectSealState = read(onInstallation, "SELECT "+columns[store.SealState]("")+" FROM installation WHERE place = 1")

func (r reader) SealState(ctx context.Context) (store.SealState, error) {
	s, err := one[store.SealState](ctx, r, selectSealState)
	if errors.Is(err, store.ErrNotFound) {
		return store.SealState{}, nil
	}
	if err != nil {
		return store.SealState{}, err
	}
	return *s, nil
}

func (r reader) BareSecrets(ctx context.Context, kind store.SecretKind, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	return r.secrets(ctx, kind, secrets[kind].bare.choose(), after, limit)
}

func (r reader) SealedSecrets(ctx context.Context, kind store.SecretKind, but string, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	return r.secrets(ctx, kind, secrets[kind].sealed.choose(len(but), but), after, limit)
}

func (r reader) secrets(ctx context.Context, kind store.SecretKind, c *choice, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	switch {
	case after == nil:
	case kind == store.InviteSecrets:
		c.and(0, after.ID)
	default:
		c.and(0, after.OrgID, after.ID)
	}
	return list[store.SecretRow](long(ctx), r, c.statement(r.d, limit), c.all(max(limit, 0))...)
}

var setSealState = update(onInstallation, "UPDATE installation SET seal_key = ?, sealed_under = ? WHERE place = 1 AND seal_key = ? AND sealed_under = ?")

func (t *tx) SetSealState(ctx context.Context, was, now store.SealState) (store.SealState, error) {
	err := t.c.exec(ctx, setSealState,
		now.Key, now.Under, was.Key, was.Under)
	if err != nil {
		return store.SealState{}, err
	}
	return t.SealState(ctx)
}

func (t *tx) PutSealed(ctx context.Context, kind store.SecretKind, id, sealed string) error {
	if err := t.overwrite(ctx); err != nil {
		return err
	}
	return t.c.exec(ctx, secrets[kind].put, sealed, id)
}

var sealTicket = update(onOrgTickets, "UPDATE org_tickets SET id = ?, id_hash = ?, sealed = ?, code = NULL WHERE id = ?")

var sealTicketInAudit = update(onAuditLog, "UPDATE audit_log SET target_id = ? WHERE org_id = ? AND target_type = 'org_ticket' AND target_id IN (?, ?)")

func (t *tx) SealTicket(ctx context.Context, org, id string, now *store.OrgTicket) error {
	if err := t.overwrite(ctx); err != nil {
		return err
	}
	err := t.c.exec(ctx, sealTicket, now.ID, now.IDHash, now.Sealed, id)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, sealTicketInAudit, now.ID, org, id, t.d.packed(&id))
}

var overwriteDeleted = controlOf(forSQLite, "PRAGMA secure_delete = ON")

// overwrite makes SQLite overwrite deleted content, until the process ends. Else a freed page
// would keep the plain secret until it is used again.
func (t *tx) overwrite(ctx context.Context) error {
	if t.d.database == forPostgres {
		return nil
	}
	_, err := value[int64](ctx, t.reader, overwriteDeleted)
	return err
}
