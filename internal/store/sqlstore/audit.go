package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

const auditFields = "id, org_id, bot_id, action, target_type, target_id, detail, created_at"

var auditRows scanner[store.AuditEntry] = func(rows rowSet, e *store.AuditEntry) error {
	id, target := &e.ID, &e.TargetID
	err := rows.Scan(packedID{&id}, &e.OrgID, packedID{&e.BotID}, &e.Action, &e.TargetType, packedID{&target}, packedText{text{&e.Detail}}, &e.CreatedAt)
	if err == nil && (id == nil || target == nil) {
		return errors.New("store: an audit entry has no id or no target")
	}
	if err == nil {
		e.ID, e.TargetID = *id, *target
	}
	return err
}

// Entries of SQLite may have packed ids, and those that were imported or are older have texts: so a
// condition has both. Times that are equal order by the packed ids first.
var auditEntries = listing{
	columns: auditFields, long: "detail", from: " FROM audit_log", order: "created_at DESC, id DESC",
}.of(onAuditLog, "org_id = ?", []string{
	auditSince:      "created_at > ?",
	auditAction:     "action = ?",
	auditTargetType: "target_type = ?",
	auditTargetID:   "target_id IN (?, ?)",
	auditBot:        "bot_id IN (?, ?)",
	auditBefore:     "(created_at, id) < (?, ?)",
}...)

// The conditions of auditEntries.
const (
	auditSince = iota
	auditAction
	auditTargetType
	auditTargetID
	auditBot
	auditBefore
)

func (r reader) Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error) {
	c := auditEntries.choose(q.OrgID)
	if q.Since != 0 {
		c.and(auditSince, q.Since)
	}
	if q.Action != "" {
		c.and(auditAction, q.Action)
	}
	if q.TargetType != "" {
		c.and(auditTargetType, q.TargetType)
	}
	if q.TargetID != "" {
		c.and(auditTargetID, q.TargetID, r.d.packed(&q.TargetID))
	}
	if q.BotID != "" {
		c.and(auditBot, q.BotID, r.d.packed(&q.BotID))
	}
	if q.Before != nil {
		id, err := r.auditKey(ctx, q.OrgID, q.Before)
		if err != nil {
			return nil, err
		}
		c.and(auditBefore, q.Before.At, id)
	}
	return auditRows.listed(long(ctx), r, c, q.Limit, 0)
}

var selectAuditText = read(onAuditLog, "SELECT 1 FROM audit_log WHERE org_id = ? AND created_at = ? AND id = ?")

// auditKey returns the id of an entry as its row has it.
func (r reader) auditKey(ctx context.Context, org string, at *store.PageKey) (any, error) {
	packed := r.d.packed(&at.ID)
	if packed == any(at.ID) {
		return packed, nil
	}
	there, err := value[int64](ctx, r, selectAuditText, org, at.At, at.ID)
	if err != nil || there == 0 {
		return packed, err
	}
	return at.ID, nil
}

// insertAudit writes an entry. Writers defer it (deferred).
var insertAudit = insert(onAuditLog, into+auditColumns+auditValues)

const (
	auditColumns = " audit_log (" + auditFields + ") VALUES "
	auditValues  = "(?, ?, ?, ?, ?, ?, ?, ?)"
)

func (t *tx) InsertAudit(ctx context.Context, e *store.AuditEntry) error {
	return t.c.exec(ctx, insertAudit, t.d.packed(&e.ID), e.OrgID, t.d.packed(e.BotID), e.Action, e.TargetType, t.d.packed(&e.TargetID),
		t.d.packedText(e.Detail), e.CreatedAt)
}

var setAuditDetail = update(onAuditLog, "UPDATE audit_log SET detail = ? WHERE org_id = ? AND created_at = ? AND id IN (?, ?)")

func (t *tx) SetAuditDetail(ctx context.Context, e *store.AuditEntry) error {
	return t.must(ctx, setAuditDetail, t.d.packedText(e.Detail), e.OrgID, e.CreatedAt, e.ID, t.d.packed(&e.ID))
}
