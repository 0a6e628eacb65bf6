package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

const platform = "" // the scope of what belongs to no organisation

// inviteCodes imports the invite codes of the platform. A code that an earlier import has
// brought and that was deleted on this server stays deleted. The use count of others only rises.
func (im *Importer) inviteCodes(ctx context.Context, all *tally) error {
	const table = "platform_invite_codes"
	if im.Source.columns[table] == nil {
		return nil
	}
	var codes []store.InviteCode
	columns := im.Source.list(table, "id code_hash code label max_uses use_count expires_at created_at")
	err := im.Source.each(ctx, table, "SELECT "+columns+" FROM "+table+" t ORDER BY t.created_at, t.id", nil, func(r *row) error {
		r.noNUL, r.changed = im.NoNUL, all.change
		id := r.text("id")
		var sealed *string
		if code := r.maybe("code"); code != nil {
			text := im.Keys.Seal(seal.Invite(id), *code)
			sealed = &text
		}
		codes = append(codes, store.InviteCode{
			ID: id, CodeHash: r.text("code_hash"), Sealed: sealed, Label: r.maybe("label"), MaxUses: r.number("max_uses", 0),
			UseCount: r.number("use_count", 0), ExpiresAt: r.number("expires_at", 0), CreatedAt: r.number("created_at", 0),
		})
		im.step(table)
		return nil
	})
	if err != nil {
		return err
	}
	var t *tally
	err = im.Store.Update(ctx, platform, func(tx Tx) error {
		t = newTally()
		return im.putInviteCodes(ctx, tx, codes, t)
	})
	if err != nil {
		return fmt.Errorf("import invite codes: %w", err)
	}
	all.add(t)
	return nil
}

func (im *Importer) putInviteCodes(ctx context.Context, tx Tx, codes []store.InviteCode, t *tally) error {
	const table = "platform_invite_codes"
	brought, err := im.broughtBefore(ctx, tx)
	if err != nil {
		return err
	}
	here, byHash, err := codesHere(ctx, tx)
	if err != nil {
		return err
	}
	for i := range codes {
		c := &codes[i]
		switch owner, taken := byHash[c.CodeHash]; {
		case taken && owner != c.ID:
			t.skip(table, c.ID, "another invite code has the same text")
			continue
		case brought[c.ID] && !here[c.ID]:
			t.skip(table, c.ID, "it was deleted here after an earlier import")
			continue
		case here[c.ID]:
			t.present[table]++
		default:
			t.carried[table]++
		}
		byHash[c.CodeHash], brought[c.ID] = c.ID, true
		if err := tx.ImportInviteCode(ctx, c); err != nil {
			return err
		}
	}
	ids, err := json.Marshal(slices.Sorted(maps.Keys(brought)))
	if err != nil {
		return err
	}
	return tx.PutImport(ctx, &store.Import{Scope: platform, ImportedAt: im.Now().UnixMilli(), Detail: string(ids)})
}

// broughtBefore returns the ids of the invite codes of earlier imports.
func (im *Importer) broughtBefore(ctx context.Context, tx Tx) (map[string]bool, error) {
	brought := map[string]bool{}
	switch before, err := tx.Import(ctx, platform); {
	case err == nil:
		var ids []string
		if err := json.Unmarshal([]byte(before.Detail), &ids); err != nil {
			return nil, fmt.Errorf("read the note of the last import: %w", err)
		}
		for _, id := range ids {
			brought[id] = true
		}
	case !isMissing(err):
		return nil, err
	}
	return brought, nil
}

// codesHere returns all invite codes of the store, by id and by hash.
func codesHere(ctx context.Context, r Tx) (here map[string]bool, byHash map[string]string, err error) {
	here, byHash = map[string]bool{}, map[string]string{}
	for before := (*store.PageKey)(nil); ; {
		page, err := r.InviteCodes(ctx, before, batch)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range page {
			here[c.ID], byHash[c.CodeHash] = true, c.ID
			before = &store.PageKey{At: c.CreatedAt, ID: c.ID}
		}
		if len(page) < batch {
			return here, byHash, nil
		}
	}
}
