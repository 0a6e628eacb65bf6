package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var auditEntries = listing{
	columns: columns[store.AuditEntry](""), long: "detail", from: " FROM audit_log", order: "created_at DESC, id DESC",
}.of(onAuditLog, "org_id = ?", []string{
	auditSince:      "created_at > ?",
	auditAction:     "action = ?",
	auditTargetType: "target_type = ?",
	auditTargetID:   "target_id = ?",
	auditBot:        "bot_id = ?",
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
	for _, f := range []struct {
		condition int
		value     string
	}{{auditAction, q.Action}, {auditTargetType, q.TargetType}, {auditTargetID, q.TargetID}, {auditBot, q.BotID}} {
		if f.value != "" {
			c.and(f.condition, f.value)
		}
	}
	if q.Before != nil {
		c.and(auditBefore, q.Before.At, q.Before.ID)
	}
	return listed[store.AuditEntry](long(ctx), r, c, q.Limit)
}

// insertAudit writes an entry. The writer of SQLite defers it (deferred).
var insertAudit = insert(onAuditLog, into+auditColumns+auditValues)

const (
	auditColumns = " audit_log (id, org_id, bot_id, action, target_type, target_id, detail, created_at) VALUES "
	auditValues  = "(?, ?, ?, ?, ?, ?, ?, ?)"
)

func (t *tx) InsertAudit(ctx context.Context, e *store.AuditEntry) error {
	return t.c.exec(ctx, insertAudit, e.ID, e.OrgID, e.BotID, e.Action, e.TargetType, e.TargetID, e.Detail, e.CreatedAt)
}

var setAuditDetail = update(onAuditLog, "UPDATE audit_log SET detail = ? WHERE org_id = ? AND created_at = ? AND id = ?")

func (t *tx) SetAuditDetail(ctx context.Context, e *store.AuditEntry) error {
	return t.must(ctx, setAuditDetail, e.Detail, e.OrgID, e.CreatedAt, e.ID)
}
