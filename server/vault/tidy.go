package vault

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/server/auth"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

// batch is how many rows are read, and at most changed, at once.
const batch = 500

var kinds = []store.SecretKind{store.WebhookSecrets, store.WebhookURLs, store.TicketSecrets, store.InviteSecrets}

// tidy seals what lies bare, and seals anew what is sealed under another key (B2B-LIFE-008).
func (c Config) tidy(ctx context.Context, ring *seal.Ring, state store.SealState) error {
	sealed := 0
	for _, kind := range kinds {
		read := func(after *store.SecretRow) ([]store.SecretRow, error) {
			rows, err := c.Store.BareSecrets(ctx, kind, after, batch)
			sealed += len(rows)
			return rows, err
		}
		err := c.each(ctx, read, func(tx store.Tx, row *store.SecretRow) error { return sealBare(ctx, tx, ring, kind, row) })
		if err != nil {
			return fmt.Errorf("seal secrets: %w", err)
		}
	}
	if sealed > 0 {
		c.Log.InfoContext(ctx, "sealed secrets that lay in plain text", "rows", sealed)
	}
	if state.Under == ring.First() {
		return nil
	}
	lost := map[store.SecretKind]int{}
	for _, kind := range kinds {
		read := func(after *store.SecretRow) ([]store.SecretRow, error) {
			return c.Store.SealedSecrets(ctx, kind, ring.First(), after, batch)
		}
		unread := map[string]struct{}{} // a change may run again
		err := c.each(ctx, read, func(tx store.Tx, row *store.SecretRow) error {
			plain, err := ring.Open(place(kind, row.ID), *row.Sealed)
			if err != nil {
				unread[row.ID] = struct{}{}
				return nil
			}
			return tx.PutSealed(ctx, kind, row.ID, ring.Seal(place(kind, row.ID), plain))
		})
		if len(unread) > 0 {
			lost[kind] = len(unread)
		}
		if err != nil {
			return fmt.Errorf("seal secrets under the new key: %w", err)
		}
	}
	if len(lost) > 0 {
		c.Log.ErrorContext(ctx, "secrets cannot be read: they are sealed under a key that this server does not have. Their webhooks get nothing, "+
			"their codes are not shown; all else works. Give the old key back (behind the new one in B2B_SECRET_KEY), or let those bots register anew",
			"webhooks", lost[store.WebhookSecrets], "webhook_urls", lost[store.WebhookURLs], "tickets", lost[store.TicketSecrets], "invite_codes", lost[store.InviteSecrets])
		return nil
	}
	_, err := c.put(ctx, state, store.SealState{Key: state.Key, Under: ring.First()})
	return err
}

// each changes the rows that read gives page by page, those of one organisation at a time.
func (c Config) each(ctx context.Context, read func(after *store.SecretRow) ([]store.SecretRow, error),
	change func(store.Tx, *store.SecretRow) error) error {
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
			err := c.Store.Update(ctx, rows[start].OrgID, func(tx store.Tx) error {
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

func sealBare(ctx context.Context, tx store.Tx, ring *seal.Ring, kind store.SecretKind, row *store.SecretRow) error {
	switch kind {
	case store.TicketSecrets:
		hash := auth.Hash(row.ID) // the row is known by it from now on, too
		sealed, err := ring.SealTicket(hash, seal.Ticket{ID: row.ID, Code: row.Bare})
		if err != nil {
			return fmt.Errorf("seal a ticket: %w", err)
		}
		return tx.SealTicket(ctx, row.OrgID, row.ID, &store.OrgTicket{ID: hash, IDHash: &hash, Sealed: &sealed})
	default:
		return tx.PutSealed(ctx, kind, row.ID, ring.Seal(place(kind, row.ID), *row.Bare))
	}
}

func place(kind store.SecretKind, id string) string {
	switch kind {
	case store.WebhookSecrets:
		return seal.Webhook(id)
	case store.WebhookURLs:
		return seal.WebhookURL(id)
	case store.TicketSecrets:
		return seal.TicketRow(id)
	default:
		return seal.Invite(id)
	}
}
