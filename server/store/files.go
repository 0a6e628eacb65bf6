package store

import "context"

// File is what is known of an uploaded file. Its bytes are kept elsewhere, under its
// organisation and its id; they are there before the row is and never change.
type File struct {
	ID         string  `bun:"id,pk"`
	OrgID      string  `bun:"org_id"`
	UploaderID *string `bun:"uploader_id"` // nil once that bot is deleted
	Name       string  `bun:"name"`
	MIMEType   string  `bun:"mime_type"`
	Size       int64   `bun:"size"` // bytes
	CreatedAt  int64   `bun:"created_at"`
}

// FileReader reads what is known of files.
type FileReader interface {
	File(ctx context.Context, org, id string) (*File, error)
	// UploadedOn tells the size of the files of an organisation that were created on
	// the day of UTC that a time (Unix ms) is of: of all, and of those of one uploader.
	// Days before the last two with files may be forgotten.
	UploadedOn(ctx context.Context, org, uploader string, at int64) (all, own int64, err error)
	// KnownFiles gives those of the ids that are files of the organisation.
	KnownFiles(ctx context.Context, org string, ids []string) ([]string, error)
	// AnyFile tells whether there is a file in any organisation.
	AnyFile(ctx context.Context) (bool, error)
}

// FileWriter adds files, inside Update of their organisation.
type FileWriter interface {
	CreateFile(ctx context.Context, f *File) error
}

// InstallationWriter names the database.
type InstallationWriter interface {
	// Installation gives the id of this database, which is proposed unless it has one.
	// What is kept outside the database is marked with it, so that no other database's
	// server takes it for its own. Inside Update(ctx, "", …).
	Installation(ctx context.Context, proposed string) (string, error)
}
