package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// slots is the number of slots of a window.
const slots = 60

// clockSkew is how far the clocks of nodes may differ, in milliseconds.
const clockSkew = 10_000

// rateCache holds the slots of recently used rate limits. Its owner empties it when another
// process may have written.
type rateCache map[rateKey][]rateSlot

type rateKey struct{ bot, bucket string }

type rateSlot struct{ slot, uses, lastAt int64 }

// rateCacheMax bounds the bots in a rateCache.
const rateCacheMax = 8192

var forgetUses = remove(onRateSlots, "DELETE FROM rate_slots WHERE bot_id = ? AND bucket = ? AND (last_at <= ? OR last_at > ?)")

// rateWindow is the window of a rate limit at a time.
type rateWindow struct {
	width int64
	gone  int64 // uses at or before this time have left the window
	// ahead: uses after this time were counted before the clock was set back. They are ignored, else
	// they would count until the clock has reached their time again (B2B-LIFE-020).
	ahead int64
}

func windowAt(window time.Duration, now int64) rateWindow {
	width := window.Milliseconds()
	return rateWindow{width: width, gone: now - width, ahead: now + clockSkew}
}

func (w rateWindow) outside(s rateSlot) bool { return s.lastAt <= w.gone || s.lastAt > w.ahead }

// left reports whether the limit has room for one more use, and otherwise the seconds until it has.
func (w rateWindow) left(all []rateSlot, limit int64) (ok bool, wait int64) {
	var used, oldest int64
	for _, s := range all {
		if w.outside(s) {
			continue
		}
		if used += s.uses; oldest == 0 || s.lastAt < oldest {
			oldest = s.lastAt
		}
	}
	if used < limit {
		return true, 0
	}
	return false, min(max((oldest-w.gone+999)/1000, 1), max(w.width/1000, 1))
}

func (t *tx) CheckRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (bool, int64, error) {
	all, err := t.rateSlots(ctx, rateKey{bot, bucket})
	if err != nil {
		return false, 0, err
	}
	ok, wait := windowAt(window, now).left(all, limit)
	return ok, wait, nil
}

func (t *tx) TakeRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (bool, int64, error) {
	w, key := windowAt(window, now), rateKey{bot, bucket}
	all, err := t.rateSlots(ctx, key)
	if err != nil {
		return false, 0, err
	}
	if ok, wait := w.left(all, limit); !ok {
		return false, wait, nil
	}
	t.taken = append(t.taken, key)
	if slices.ContainsFunc(all, w.outside) {
		err := t.c.exec(ctx, forgetUses, bot, bucket, w.gone, w.ahead)
		if err != nil {
			return false, 0, err
		}
		all = slices.DeleteFunc(all, w.outside)
	}
	slot := now / max(w.width/slots, 1)
	if i := slices.IndexFunc(all, func(s rateSlot) bool { return s.slot == slot }); i >= 0 {
		all[i].uses++
		all[i].lastAt = now
	} else {
		all = append(all, rateSlot{slot, 1, now})
	}
	t.rates[key] = all
	return true, 0, t.c.exec(ctx, countUses, bot, bucket, slot, int64(1), now)
}

// countUses adds uses to a slot. Writers defer it (deferred).
var countUses = insert(onRateSlots, `INSERT INTO rate_slots (bot_id, bucket, slot, uses, last_at) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (bot_id, bucket, slot) DO UPDATE SET uses = rate_slots.uses + excluded.uses, last_at = excluded.last_at`)

var selectRateSlots = read(onRateSlots, "SELECT slot, uses, last_at FROM rate_slots WHERE bot_id = ? AND bucket = ?")

func (t *tx) rateSlots(ctx context.Context, key rateKey) ([]rateSlot, error) {
	if all, ok := t.rates[key]; ok {
		return all, nil
	}
	all, err := scanner[rateSlot](func(rows rowSet, s *rateSlot) error {
		return rows.Scan(&s.slot, &s.uses, &s.lastAt)
	}).list(ctx, t.reader, selectRateSlots, key.bot, key.bucket)
	if err != nil {
		return nil, err
	}
	if len(t.rates) >= rateCacheMax {
		clear(t.rates)
	}
	t.rates[key] = all
	return all, nil
}

// undone removes from the cache the slots that a change counted before it was undone.
func (t *tx) undone() {
	for _, key := range t.taken {
		delete(t.rates, key)
	}
}

var selectIdempotency = read(onIdempotency, `SELECT org_id, caller, request_id, hash, response, created_at FROM idempotency
		WHERE org_id = ? AND caller = ? AND request_id = ?`)

func (r reader) Idempotency(ctx context.Context, org, caller, requestID string) (*store.IdempotencyRecord, error) {
	return scanner[store.IdempotencyRecord](func(rows rowSet, i *store.IdempotencyRecord) error {
		return rows.Scan(&i.OrgID, &i.Caller, &i.RequestID, &i.Hash, &i.Response, &i.CreatedAt)
	}).one(ctx, r, selectIdempotency, org, caller, requestID)
}

var putIdempotency = insert(onIdempotency, "INSERT INTO idempotency (org_id, caller, request_id, hash, response, created_at) VALUES (?, ?, ?, ?, ?, ?)")

func (t *tx) PutIdempotency(ctx context.Context, i *store.IdempotencyRecord) error {
	response := i.Response
	if response == nil {
		response = []byte{}
	}
	return t.c.exec(ctx, putIdempotency,
		i.OrgID, i.Caller, i.RequestID, i.Hash, response, i.CreatedAt)
}

var purgeIdempotency = remove(onIdempotency, `DELETE FROM idempotency WHERE (org_id, caller, request_id) IN
		(SELECT org_id, caller, request_id FROM idempotency WHERE created_at < ? ORDER BY created_at LIMIT ? + 0)`)

func (t *tx) PurgeIdempotency(ctx context.Context, before int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeIdempotency, before, max(limit, 0))
}
