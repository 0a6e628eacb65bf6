package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var inviteCodes = readBetween(onInviteCodes, "SELECT "+columns[store.InviteCode]("")+" FROM invite_codes",
	" ORDER BY created_at DESC, id DESC LIMIT ? + 0", "", "(created_at, id) < (?, ?)")

func (r reader) InviteCodes(ctx context.Context, before *store.PageKey, limit int) ([]store.InviteCode, error) {
	return paged[store.InviteCode](ctx, r, inviteCodes.choose().page(before), limit)
}

var insertInviteCode = insertRow[store.InviteCode](onInviteCodes, "")

func (t *tx) CreateInviteCode(ctx context.Context, c *store.InviteCode) error {
	return put(ctx, t, insertInviteCode, c)
}

var deleteInviteCode = remove(onInviteCodes, "DELETE FROM invite_codes WHERE id = ?")

func (t *tx) DeleteInviteCode(ctx context.Context, id string) error {
	return t.must(ctx, deleteInviteCode, id)
}

var redeemInviteCode = update(onInviteCodes, `UPDATE invite_codes SET use_count = use_count + 1
	WHERE code_hash = ? AND (expires_at = 0 OR expires_at > ?) AND (max_uses = 0 OR use_count < max_uses)
	RETURNING `+columns[store.InviteCode](""))

func (t *tx) RedeemInviteCode(ctx context.Context, codeHash string, now int64) (*store.InviteCode, error) {
	return one[store.InviteCode](ctx, t.reader, redeemInviteCode, codeHash, now)
}
