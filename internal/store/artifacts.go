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

// Bytes returns the bytes that a version counts against the quotas of artifacts.
func (a *Artifact) Bytes() int64 {
	n := len(a.Key)
	for _, text := range []*string{a.Title, a.Content, a.Language, a.URL, a.MimeType} {
		if text != nil {
			n += len(*text)
		}
	}
	return int64(n)
}

// ArtifactUse is the use of the quotas of artifacts.
type ArtifactUse struct {
	Versions    int64 // of the thread
	ThreadBytes int64
	OrgBytes    int64
	DayBytes    int64 // added by the org on a day of UTC, including removed versions
}

// ArtifactReader reads artifacts.
type ArtifactReader interface {
	// LatestArtifact and FirstArtifact give the newest and the oldest version there is.
	LatestArtifact(ctx context.Context, thread, key string) (*Artifact, error)
	FirstArtifact(ctx context.Context, thread, key string) (*Artifact, error)
	// Artifacts lists the latest version of each key, by its created_at, key, after an
	// entry with this created_at and key (nil: from the start).
	Artifacts(ctx context.Context, thread string, after *PageKey, limit int) ([]Artifact, error)
	// ArtifactsPage lists the latest version of each key, by key in byte order,
	// after afterKey (empty: from the start).
	ArtifactsPage(ctx context.Context, thread, afterKey string, limit int) ([]Artifact, error)
	// ArtifactUse looks up what is used by a thread and its org, and on the day
	// of a time.
	ArtifactUse(ctx context.Context, org, thread string, at int64) (ArtifactUse, error)
	// ArtifactVersions lists the versions of a key above afterVersion, ascending.
	ArtifactVersions(ctx context.Context, thread, key string, afterVersion int64, limit int) ([]Artifact, error)
}

// ArtifactWriter adds versions. Each added or removed version changes the ArtifactUse.
type ArtifactWriter interface {
	// InsertArtifact fails with ConflictArtifactKey when this version of the key exists.
	InsertArtifact(ctx context.Context, a *Artifact) error
}
