package vault

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

// batch is the number of rows read at once, and the most changed in one transaction.
const batch = 500

var kinds = []store.SecretKind{store.WebhookSecrets, store.WebhookURLs, store.TicketSecrets, store.InviteSecrets, store.PushSecrets}

// tidy seals secrets in plain text, and reseals those sealed with another key (B2B-LIFE-008).
func (c Config) tidy(ctx context.Context, keyring *seal.Keyring, state store.SealState) error {
	sealed := 0
	for _, kind := range kinds {
		read := func(after *store.SecretRow) ([]store.SecretRow, error) {
			rows, err := c.Store.BareSecrets(ctx, kind, after, batch)
			sealed += len(rows)
			return rows, err
		}
		err := c.each(ctx, read, func(tx Tx, row *store.SecretRow) error { return sealBare(ctx, tx, keyring, kind, row) })
		if err != nil {
			return fmt.Errorf("seal secrets: %w", err)
		}
	}
	if sealed > 0 {
		c.Log.InfoContext(ctx, "sealed secrets that were in plain text", "rows", sealed)
	}
	if state.Under == keyring.First() {
		return nil
	}
	lost := map[store.SecretKind]int{}
	for _, kind := range kinds {
		read := func(after *store.SecretRow) ([]store.SecretRow, error) {
			return c.Store.SealedSecrets(ctx, kind, keyring.First(), after, batch)
		}
		unread := map[string]struct{}{} // a change may run again
		err := c.each(ctx, read, func(tx Tx, row *store.SecretRow) error {
			plain, err := keyring.Open(place(kind, row.ID), *row.Sealed)
			if err != nil {
				unread[row.ID] = struct{}{}
				return nil
			}
			return tx.PutSealed(ctx, kind, row.ID, keyring.Seal(place(kind, row.ID), plain))
		})
		if len(unread) > 0 {
			lost[kind] = len(unread)
		}
		if err != nil {
			return fmt.Errorf("seal secrets with the new key: %w", err)
		}
	}
	if len(lost) > 0 {
		c.Log.ErrorContext(ctx, "secrets cannot be read: this server does not have their key. Their webhooks get no events and their codes are "+
			"not shown. Set the old key again (after the new one in B2B_SECRET_KEY), or register these bots again",
			"webhooks", lost[store.WebhookSecrets], "webhook_urls", lost[store.WebhookURLs], "tickets", lost[store.TicketSecrets], "invite_codes", lost[store.InviteSecrets],
			"push_configs", lost[store.PushSecrets])
		return nil
	}
	_, err := c.put(ctx, state, store.SealState{Key: state.Key, Under: keyring.First()})
	return err
}

// each changes the rows that read gives page by page, those of one organisation at a time.
func (c Config) each(ctx context.Context, read func(after *store.SecretRow) ([]store.SecretRow, error),
	change func(Tx, *store.SecretRow) error) error {
	for after := (*store.SecretRow)(nil); ; {
		rows, err := read(after)
		if err != nil || len(rows) == 0 {
			return err
		}
		after = &rows[len(rows)-1]
		for start := 0; start < len(rows); {
			end := start + 1
			for end < len(rows) && rows[end].OrgID == rows[start].OrgID {
				end++
			}
			err := c.Store.Update(ctx, rows[start].OrgID, func(tx Tx) error {
				for i := start; i < end; i++ {
					if err := change(tx, &rows[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			start = end
		}
	}
}

// sealBare seals a secret in plain text.
func sealBare(ctx context.Context, tx Tx, keyring *seal.Keyring, kind store.SecretKind, row *store.SecretRow) error {
	switch kind {
	case store.TicketSecrets:
		hash := auth.Hash(row.ID) // the row gets it as its id
		sealed, err := keyring.SealTicket(hash, seal.Ticket{ID: row.ID, Code: row.Bare})
		if err != nil {
			return fmt.Errorf("seal a ticket: %w", err)
		}
		return tx.SealTicket(ctx, row.OrgID, row.ID, &store.OrgTicket{ID: hash, IDHash: &hash, Sealed: &sealed})
	default:
		return tx.PutSealed(ctx, kind, row.ID, keyring.Seal(place(kind, row.ID), *row.Bare))
	}
}

// place returns the place of a secret.
func place(kind store.SecretKind, id string) string {
	switch kind {
	case store.WebhookSecrets:
		return seal.Webhook(id)
	case store.WebhookURLs:
		return seal.WebhookURL(id)
	case store.TicketSecrets:
		return seal.TicketRow(id)
	case store.PushSecrets:
		return seal.Push(id)
	default:
		return seal.Invite(id)
	}
}
