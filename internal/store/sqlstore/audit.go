package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (r reader) Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error) {
	var w where
	w.and("org_id = ?", q.OrgID)
	if q.Since != 0 {
		w.and("created_at > ?", q.Since)
	}
	for _, f := range []struct{ column, value string }{
		{"action", q.Action}, {"target_type", q.TargetType}, {"target_id", q.TargetID}, {"bot_id", q.BotID},
	} {
		if f.value != "" {
			w.and(f.column+" = ?", f.value)
		}
	}
	if q.Before != nil {
		w.and("(created_at, id) < (?, ?)", q.Before.At, q.Before.ID)
	}
	l := listing{
		columns: columns[store.AuditEntry](r, ""), long: "detail", from: " FROM audit_log" + w.text.String(),
		order: "created_at DESC, id DESC", limit: q.Limit,
	}
	return page[store.AuditEntry](long(ctx), r, r.d.composed(l.query(r.d)), l.args(w.args)...)
}

// insertAudit writes an entry. The writer of SQLite defers it (deferred).
var insertAudit = insert(onAuditLog, `INSERT INTO audit_log (id, org_id, bot_id, action, target_type, target_id, detail, created_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)

func (t *tx) InsertAudit(ctx context.Context, e *store.AuditEntry) error {
	return t.c.exec(ctx, insertAudit, e.ID, e.OrgID, e.BotID, e.Action, e.TargetType, e.TargetID, e.Detail, e.CreatedAt)
}

var setAuditDetail = update(onAuditLog, "UPDATE audit_log SET detail = ? WHERE org_id = ? AND created_at = ? AND id = ?")

func (t *tx) SetAuditDetail(ctx context.Context, e *store.AuditEntry) error {
	return t.must(ctx, setAuditDetail, e.Detail, e.OrgID, e.CreatedAt, e.ID)
}
