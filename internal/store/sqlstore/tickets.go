package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectTicket = read(onOrgTickets, "SELECT "+columns[store.OrgTicket]("")+
		" FROM org_tickets WHERE id_hash = ? OR code_hash = ? ORDER BY CASE WHEN id_hash = ? THEN 0 ELSE 1 END LIMIT 1")
	selectTicketByID = read(onOrgTickets, "SELECT "+columns[store.OrgTicket]("")+" FROM org_tickets WHERE id = ?")
	ticketsOf        = readBetween(onOrgTickets, "SELECT "+columns[store.OrgTicket]("")+" FROM org_tickets",
		" ORDER BY created_at DESC, id DESC LIMIT ? + 0", "org_id = ? AND NOT consumed AND (expires_at = 0 OR expires_at > ?)",
		"(created_at, id) < (?, ?)")
)

func (r reader) Ticket(ctx context.Context, hash string) (*store.OrgTicket, error) {
	return one[store.OrgTicket](ctx, r, selectTicket, hash, hash, hash)
}

func (r reader) Tickets(ctx context.Context, org string, now int64, before *store.PageKey, limit int) ([]store.OrgTicket, error) {
	c := ticketsOf.choose(org, now).page(before)
	return list[store.OrgTicket](ctx, r, c.statement(r.d, limit), c.all(max(limit, 0))...)
}

func (t *tx) CreateTicket(ctx context.Context, k *store.OrgTicket) error {
	return put(ctx, t, insertOrgTickets.one, k)
}

var consumeTicket = update(onOrgTickets, "UPDATE org_tickets SET consumed = TRUE WHERE id = ? AND NOT consumed AND NOT reusable")

func (t *tx) ConsumeTicket(ctx context.Context, id string) (bool, error) {
	n, err := t.c.execNow(ctx, consumeTicket, id)
	return n == 1, err
}

var deleteTicket = remove(onOrgTickets, "DELETE FROM org_tickets WHERE id = ?")

func (t *tx) DeleteTicket(ctx context.Context, org, hash, row string) (*store.OrgTicket, error) {
	k, err := t.Ticket(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		k, err = one[store.OrgTicket](ctx, t.reader, selectTicketByID, row)
	}
	if err != nil {
		return nil, err
	}
	if k.OrgID != org {
		return nil, store.ErrNotFound
	}
	return k, t.must(ctx, deleteTicket, k.ID)
}

var deleteUnconsumedTickets = remove(onOrgTickets, "DELETE FROM org_tickets WHERE org_id = ? AND NOT consumed")

func (t *tx) DeleteUnconsumedTickets(ctx context.Context, org string) (int64, error) {
	return t.c.execNow(ctx, deleteUnconsumedTickets, org)
}
