package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// dayBytes is the number of bytes that an org stored on a day. It is kept in the row of its
// log, so that counting needs no statement of its own.
type dayBytes struct {
	day    int64 // of UTC, since 1970
	stored store.Stored
}

// on returns the count for the day of a time, which is zero on a new day. Times up to
// clockSkew before the current day count to it, because the clocks of nodes differ; earlier
// times begin a new count.
func (d dayBytes) on(at int64) dayBytes {
	if at/dayMS == d.day || at < d.day*dayMS && at+clockSkew >= d.day*dayMS {
		return d
	}
	return dayBytes{day: at / dayMS}
}

func (t *tx) StoredOn(ctx context.Context, at int64) (store.Stored, error) {
	if err := t.log.load(ctx, t.c, t.org); err != nil {
		return store.Stored{}, t.fail(failure(loadLog, err))
	}
	return t.log.bytes.on(at).stored, nil
}

func (t *tx) CountStored(ctx context.Context, at int64, bulk bool) error {
	if err := t.log.load(ctx, t.c, t.org); err != nil {
		return t.fail(failure(loadLog, err))
	}
	if !t.log.exists {
		return nil
	}
	b := t.log.bytes.on(at)
	b.stored.All += t.written
	if bulk {
		b.stored.Bulk += t.written
	}
	t.log.bytes = b
	return nil
}

// writes counts the texts and blobs that a statement stores.
func (t *tx) writes(q *statement, args []any) {
	if q.kind != inserts && q.kind != updates {
		return
	}
	for _, a := range args {
		switch a := a.(type) {
		case string:
			t.written += int64(len(a))
		case *string:
			if a != nil {
				t.written += int64(len(*a))
			}
		case []byte:
			t.written += int64(len(a))
		}
	}
}
