package store

import "context"

// File describes an uploaded file. Package files stores its bytes, under the org and the id;
// they are stored before the row, and never change.
type File struct {
	ID         string  `bun:"id,pk"`
	OrgID      string  `bun:"org_id"`
	UploaderID *string `bun:"uploader_id"` // nil once that bot is deleted
	Name       string  `bun:"name"`
	MIMEType   string  `bun:"mime_type"`
	Size       int64   `bun:"size"` // bytes
	CreatedAt  int64   `bun:"created_at"`
}

// FileReader reads the descriptions of files.
type FileReader interface {
	File(ctx context.Context, org, id string) (*File, error)
	// UploadedOn returns the size of the files of an org that were created on
	// the day of UTC that a time (Unix ms) is of: of all, and of those of one uploader.
	// Days before the last two with files may be forgotten.
	UploadedOn(ctx context.Context, org, uploader string, at int64) (all, own int64, err error)
	// KnownFiles returns those of the ids that are files of the org.
	KnownFiles(ctx context.Context, org string, ids []string) ([]string, error)
	// AnyFile reports whether there is a file in any org.
	AnyFile(ctx context.Context) (bool, error)
}

// FileWriter adds files, inside Update of their org.
type FileWriter interface {
	CreateFile(ctx context.Context, f *File) error
}

// InstallationWriter names the database.
type InstallationWriter interface {
	// Installation returns the id of this database, which it sets to proposed if there is none.
	// The store of files has a note with this id, so that the server of another database does
	// not use its files. Inside Update(ctx, "", …).
	Installation(ctx context.Context, proposed string) (string, error)
}
