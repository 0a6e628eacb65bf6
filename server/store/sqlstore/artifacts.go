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

func (r reader) Artifacts(ctx context.Context, thread string, limit int) ([]store.Artifact, error) {
	return list[store.Artifact](ctx, r, "SELECT "+columns[store.Artifact](r, "a.")+" FROM artifacts a WHERE a.thread_id = ? AND "+
		latest+" ORDER BY a.created_at, a.artifact_key LIMIT ? + 0", thread, max(limit, 0))
}

func (r reader) ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]store.Artifact, error) {
	return list[store.Artifact](ctx, r, "SELECT "+columns[store.Artifact](r, "a.")+" FROM artifacts a WHERE a.thread_id = ? AND a.artifact_key > ? AND "+
		latest+" ORDER BY a.artifact_key LIMIT ? + 0", thread, afterKey, max(limit, 0))
}

func (r reader) ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]store.Artifact, error) {
	return list[store.Artifact](ctx, r, "SELECT "+columns[store.Artifact](r, "")+
		" FROM artifacts WHERE thread_id = ? AND artifact_key = ? AND version > ? ORDER BY version LIMIT ? + 0",
		thread, key, afterVersion, max(limit, 0))
}

func (t *tx) InsertArtifact(ctx context.Context, a *store.Artifact) error {
	q, args := insertion(t.reader, "artifacts", a)
	_, err := t.c.execNow(ctx, q, args...)
	return err
}
