package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (r reader) InviteCodes(ctx context.Context, before *store.PageKey, limit int) ([]store.InviteCode, error) {
	var w where
	if before != nil {
		w.and("(created_at, id) < (?, ?)", before.At, before.ID)
	}
	return page[store.InviteCode](ctx, r, r.d.composed("SELECT "+columns[store.InviteCode](r, "")+" FROM invite_codes"+
		w.text.String()+" ORDER BY created_at DESC, id DESC LIMIT ? + 0"), append(w.args, max(limit, 0))...)
}

func (t *tx) CreateInviteCode(ctx context.Context, c *store.InviteCode) error {
	return put(ctx, t.reader, "invite_codes", c)
}

var deleteInviteCode = remove(onInviteCodes, "DELETE FROM invite_codes WHERE id = ?")

func (t *tx) DeleteInviteCode(ctx context.Context, id string) error {
	return t.must(ctx, deleteInviteCode, id)
}

func (t *tx) RedeemInviteCode(ctx context.Context, codeHash string, now int64) (*store.InviteCode, error) {
	return one[store.InviteCode](ctx, t.reader, t.d.composed(`UPDATE invite_codes SET use_count = use_count + 1
		WHERE code_hash = ? AND (expires_at = 0 OR expires_at > ?) AND (max_uses = 0 OR use_count < max_uses)
		RETURNING `+columns[store.InviteCode](t.reader, "")), codeHash, now)
}
