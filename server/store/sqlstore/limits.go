package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

// slots is how many slots a window has.
const slots = 60

func (t *tx) TakeRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (bool, int64, error) {
	width := window.Milliseconds()
	gone := now - width // uses at or before this time have left the window
	var used, oldest, expired int64
	err := each(ctx, t.reader, func(rows *sql.Rows) error { return rows.Scan(&used, &oldest, &expired) },
		`SELECT CAST(coalesce(sum(CASE WHEN last_at > ? THEN uses END), 0) AS BIGINT),
			coalesce(min(CASE WHEN last_at > ? THEN last_at END), 0), count(CASE WHEN last_at <= ? THEN 1 END)
		FROM rate_slots WHERE bot_id = ? AND bucket = ?`, gone, gone, gone, bot, bucket)
	if err != nil {
		return false, 0, err
	}
	if used >= limit {
		wait := (oldest - gone + 999) / 1000
		return false, min(max(wait, 1), max(width/1000, 1)), nil
	}
	if expired > 0 {
		err := t.c.exec(ctx, "DELETE FROM rate_slots WHERE bot_id = ? AND bucket = ? AND last_at <= ?", bot, bucket, gone)
		if err != nil {
			return false, 0, err
		}
	}
	return true, 0, t.c.exec(ctx, `INSERT INTO rate_slots (bot_id, bucket, slot, uses, last_at) VALUES (?, ?, ?, 1, ?)
		ON CONFLICT (bot_id, bucket, slot) DO UPDATE SET uses = rate_slots.uses + 1, last_at = excluded.last_at`,
		bot, bucket, now/max(width/slots, 1), now)
}

func (r reader) Idempotency(ctx context.Context, org, caller, requestID string) (*store.IdempotencyRecord, error) {
	return scanner[store.IdempotencyRecord](func(rows *sql.Rows, i *store.IdempotencyRecord) error {
		return rows.Scan(&i.OrgID, &i.Caller, &i.RequestID, &i.Hash, &i.Response, &i.CreatedAt)
	}).one(ctx, r, `SELECT org_id, caller, request_id, hash, response, created_at FROM idempotency
		WHERE org_id = ? AND caller = ? AND request_id = ?`, org, caller, requestID)
}

func (t *tx) PutIdempotency(ctx context.Context, i *store.IdempotencyRecord) error {
	response := i.Response
	if response == nil {
		response = []byte{}
	}
	return t.c.exec(ctx, "INSERT INTO idempotency (org_id, caller, request_id, hash, response, created_at) VALUES (?, ?, ?, ?, ?, ?)",
		i.OrgID, i.Caller, i.RequestID, i.Hash, response, i.CreatedAt)
}

func (t *tx) PurgeIdempotency(ctx context.Context, before int64) (int64, error) {
	return t.c.execNow(ctx, "DELETE FROM idempotency WHERE created_at < ?", before)
}
