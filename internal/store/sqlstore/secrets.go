package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

// secretColumns are the table and columns of a kind of secret.
type secretColumns struct {
	table, org, bare, sealed string
	isBare                   string // the condition of the index of what is bare
}

var secrets = map[store.SecretKind]secretColumns{
	store.WebhookSecrets: {"bots", "org_id", "webhook_secret", "sealed_secret", "webhook_secret IS NOT NULL"},
	store.WebhookURLs:    {"bots", "org_id", "webhook_url", "sealed_url", "webhook_url IS NOT NULL"},
	store.TicketSecrets:  {"org_tickets", "org_id", "code", "sealed", "id_hash IS NULL"},
	store.InviteSecrets:  {"invite_codes", "''", "code", "sealed", "code IS NOT NULL"},
}

func (r reader) SealState(ctx context.Context) (store.SealState, error) {
	s, err := one[store.SealState](ctx, r, r.d.composed("SELECT "+columns[store.SealState](r, "")+" FROM installation WHERE place = 1"))
	if errors.Is(err, store.ErrNotFound) {
		return store.SealState{}, nil
	}
	if err != nil {
		return store.SealState{}, err
	}
	return *s, nil
}

func (r reader) BareSecrets(ctx context.Context, kind store.SecretKind, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	var w where
	w.and(secrets[kind].isBare)
	return r.secrets(ctx, kind, &w, after, limit)
}

func (r reader) SealedSecrets(ctx context.Context, kind store.SecretKind, but string, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	var w where
	w.and(secrets[kind].sealed + " IS NOT NULL")
	w.and(fmt.Sprintf("substr(%s, 1, %d) <> ?", secrets[kind].sealed, len(but)), but)
	return r.secrets(ctx, kind, &w, after, limit)
}

func (r reader) secrets(ctx context.Context, kind store.SecretKind, w *where, after *store.SecretRow, limit int) ([]store.SecretRow, error) {
	c := secrets[kind]
	order := "org_id, id"
	if kind == store.InviteSecrets {
		order = "id"
	}
	switch {
	case after == nil:
	case kind == store.InviteSecrets:
		w.and("id > ?", after.ID)
	default:
		w.and("(org_id, id) > (?, ?)", after.OrgID, after.ID)
	}
	return list[store.SecretRow](long(ctx), r, r.d.composed("SELECT "+c.org+" AS org_id, id, "+c.bare+" AS bare, "+c.sealed+" AS sealed FROM "+c.table+
		w.text.String()+" ORDER BY "+order+" LIMIT ? + 0"), append(w.args, max(limit, 0))...)
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
	c := secrets[kind]
	return t.c.exec(ctx, t.d.composed("UPDATE "+c.table+" SET "+c.sealed+" = ?, "+c.bare+" = NULL WHERE id = ?"), sealed, id)
}

var sealTicket = update(onOrgTickets, "UPDATE org_tickets SET id = ?, id_hash = ?, sealed = ?, code = NULL WHERE id = ?")

var sealTicketInAudit = update(onAuditLog, "UPDATE audit_log SET target_id = ? WHERE org_id = ? AND target_type = 'org_ticket' AND target_id = ?")

func (t *tx) SealTicket(ctx context.Context, org, id string, now *store.OrgTicket) error {
	if err := t.overwrite(ctx); err != nil {
		return err
	}
	err := t.c.exec(ctx, sealTicket, now.ID, now.IDHash, now.Sealed, id)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, sealTicketInAudit, now.ID, org, id)
}

var overwriteDeleted = control("PRAGMA secure_delete = ON")

// overwrite makes SQLite overwrite deleted content, until the process ends. Else a freed page
// would keep the plain secret until it is used again.
func (t *tx) overwrite(ctx context.Context) error {
	if t.d.postgres {
		return nil
	}
	_, err := value[int64](ctx, t.reader, overwriteDeleted)
	return err
}
