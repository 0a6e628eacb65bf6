package store

import "context"

// Artifact is one version of a shared document of a thread.
type Artifact struct {
	ID            string  `bun:"id,pk"`
	ThreadID      string  `bun:"thread_id"`
	Key           string  `bun:"artifact_key"`
	Type          string  `bun:"type"`
	Title         *string `bun:"title"`
	Content       *string `bun:"content"`
	Language      *string `bun:"language"`
	URL           *string `bun:"url"`
	MimeType      *string `bun:"mime_type"`
	ContributorID *string `bun:"contributor_id"` // author of this version
	Version       int64   `bun:"version"`
	FormatWarning bool    `bun:"format_warning"`
	CreatedAt     int64   `bun:"created_at"`
	UpdatedAt     int64   `bun:"updated_at"`
}

// ArtifactReader reads artifacts.
type ArtifactReader interface {
	// LatestArtifact and FirstArtifact give the newest and the oldest version there is.
	LatestArtifact(ctx context.Context, thread, key string) (*Artifact, error)
	FirstArtifact(ctx context.Context, thread, key string) (*Artifact, error)
	// Artifacts lists the latest version of each key, by its created_at, key, after an
	// entry with this created_at and key (nil: from the start).
	Artifacts(ctx context.Context, thread string, after *TimeCursor, limit int) ([]Artifact, error)
	// ArtifactsPage lists the latest version of each key, by key in byte order,
	// after afterKey (empty: from the start).
	ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]Artifact, error)
	// ArtifactVersions lists the versions of a key above afterVersion, ascending.
	ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]Artifact, error)
}

// ArtifactWriter adds versions.
type ArtifactWriter interface {
	// InsertArtifact fails with ConflictArtifactKey when this version of the key is there.
	InsertArtifact(ctx context.Context, a *Artifact) error
}
