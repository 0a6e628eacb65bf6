package importer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/b2b-protocol/b2b/internal/files"
)

// Every file comes over with its bytes, from both layouts on disk; one whose bytes were
// lost there is without them here.
func TestFilesComeOver(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		for _, to := range targets(t) {
			t.Run(s.name+" into "+to.name, func(t *testing.T) {
				importInto(t, s.from, s.dir, to)
				f := &facts{site: &site{TB: t}}
				db := to.open(t)
				disk := must(files.OpenDisk(filepath.Join(to.dir, "b2b-files"), slog.New(slog.DiscardHandler)))(t)
				for _, want := range s.expected.Files {
					id, org := text(want, "id"), text(want, "org_id")
					row := must(db.File(t.Context(), org, id))(t)
					got := map[string]any{
						"name": row.Name, "mime_type": row.MIMEType, "size": row.Size, "uploader_id": row.UploaderID, "created_at": row.CreatedAt,
						"sha256": nil, "on_disk": false,
					}
					object, err := disk.Open(t.Context(), files.Key{Org: org, File: id})
					switch {
					case err == nil:
						h := sha256.New()
						_, err := io.Copy(h, object)
						if err := errors.Join(err, object.Close()); err != nil {
							t.Fatal(err)
						}
						got["sha256"], got["on_disk"] = hex.EncodeToString(h.Sum(nil)), true
					case !errors.Is(err, files.ErrNotFound):
						t.Fatal(err)
					}
					for name, value := range got {
						f.is("file "+id+" "+name, want[name], value)
					}
				}
				if err := errors.Join(db.Close(), disk.Close()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
