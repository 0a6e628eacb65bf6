package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectLoginFailures = read(onLoginFailures, "SELECT "+columns[store.LoginFailures]("")+" FROM login_failures WHERE "+anyOf("key"))
	putLoginFailures    = insertRow[store.LoginFailures](onLoginFailures,
		" ON CONFLICT (key) DO UPDATE SET failed = excluded.failed, ends_at = excluded.ends_at")
)

func (r reader) LoginFailures(ctx context.Context, keys []string) ([]store.LoginFailures, error) {
	arg, err := jsonList(keys)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return list[store.LoginFailures](ctx, r, selectLoginFailures, arg)
}

func (t *tx) PutLoginFailures(ctx context.Context, f *store.LoginFailures) error {
	return put(ctx, t, putLoginFailures, f)
}

var deleteLoginFailures = remove(onLoginFailures, "DELETE FROM login_failures WHERE key = ?")

func (t *tx) DeleteLoginFailures(ctx context.Context, key string) error {
	return t.c.exec(ctx, deleteLoginFailures, key)
}

var purgeLoginFailures = remove(onLoginFailures, `DELETE FROM login_failures WHERE key IN
		(SELECT key FROM login_failures WHERE ends_at <= ? ORDER BY ends_at LIMIT ? + 0)`)

func (t *tx) PurgeLoginFailures(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeLoginFailures, now, max(limit, 0))
}
