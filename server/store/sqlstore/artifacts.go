package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/server/store"
)

func (r reader) LatestArtifact(ctx context.Context, thread, key string) (*store.Artifact, error) {
	return r.artifact(ctx, thread, key, "DESC")
}

func (r reader) FirstArtifact(ctx context.Context, thread, key string) (*store.Artifact, error) {
	return r.artifact(ctx, thread, key, "ASC")
}

func (r reader) artifact(ctx context.Context, thread, key, order string) (*store.Artifact, error) {
	return one[store.Artifact](ctx, r, "SELECT "+columns[store.Artifact](r, "")+
		" FROM artifacts WHERE thread_id = ? AND artifact_key = ? ORDER BY version "+order+" LIMIT 1", thread, key)
}

// latest is the condition that a is the latest version of its key.
const latest = `a.version = (SELECT max(v.version) FROM artifacts v WHERE v.thread_id = a.thread_id AND v.artifact_key = a.artifact_key)`

func (r reader) Artifacts(ctx context.Context, thread string, after *store.TimeCursor, limit int) ([]store.Artifact, error) {
	var w where
	w.and("a.thread_id = ?", thread)
	w.and(latest)
	if after != nil {
		w.and("(a.created_at, a.artifact_key) > (?, ?)", after.At, after.ID)
	}
	return r.artifacts(ctx, &w, "a.created_at, a.artifact_key", limit)
}

func (r reader) ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]store.Artifact, error) {
	var w where
	w.and("a.thread_id = ?", thread)
	w.and("a.artifact_key > ?", afterKey)
	w.and(latest)
	return r.artifacts(ctx, &w, "a.artifact_key", limit)
}

func (r reader) ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]store.Artifact, error) {
	var w where
	w.and("a.thread_id = ?", thread)
	w.and("a.artifact_key = ?", key)
	w.and("a.version > ?", afterVersion)
	return r.artifacts(ctx, &w, "a.version", limit)
}

func (r reader) artifacts(ctx context.Context, w *where, order string, limit int) ([]store.Artifact, error) {
	l := listing{
		columns: columns[store.Artifact](r, "a."), long: "a.title, a.content, a.language, a.url, a.mime_type",
		from: " FROM artifacts a" + w.text.String(), order: order, limit: limit,
		key: "a.id", rejoin: "artifacts a ON a.id = k.key",
	}
	return page[store.Artifact](ctx, r, l.query(r.d), l.args(w.args)...)
}

func (t *tx) InsertArtifact(ctx context.Context, a *store.Artifact) error {
	q, args := insertion(t.reader, "artifacts", a)
	_, err := t.c.execNow(ctx, q, args...)
	return err
}
