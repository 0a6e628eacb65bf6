package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var selectFile = read(onFiles, "SELECT "+columns[store.File]("")+" FROM files WHERE id = ? AND org_id = ?")

func (r reader) File(ctx context.Context, org, id string) (*store.File, error) {
	return one[store.File](ctx, r, selectFile, id, org)
}

const dayMS = 24 * 60 * 60 * 1000

var selectUploadedOn = read(onUploadDays, `SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT), CAST(coalesce(sum(CASE WHEN uploader_id = ? THEN bytes ELSE 0 END), 0) AS BIGINT)
		FROM upload_days WHERE org_id = ? AND day = ?`)

func (r reader) UploadedOn(ctx context.Context, org, uploader string, at int64) (all, own int64, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&all, &own) },
		selectUploadedOn, uploader, org, at/dayMS)
	return all, own, err
}

var countUpload = insert(onUploadDays, `INSERT INTO upload_days (org_id, day, uploader_id, bytes) VALUES (?, ?, ?, ?)
		ON CONFLICT (org_id, day, uploader_id) DO UPDATE SET bytes = upload_days.bytes + excluded.bytes`)

var forgetUploads = remove(onUploadDays, "DELETE FROM upload_days WHERE org_id = ? AND day < ?")

// countUpload adds to the sum of uploads of a day. The day before is kept, because the clocks
// of nodes differ around midnight.
func (t *tx) countUpload(ctx context.Context, org string, uploader *string, at, bytes int64) error {
	who := ""
	if uploader != nil {
		who = *uploader
	}
	err := t.c.exec(ctx, countUpload, org, at/dayMS, who, bytes)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, forgetUploads, org, at/dayMS-1)
}

// selectKnownFiles does not compare the org: SQLite would read all its files.
var selectKnownFiles = read(onFiles, "SELECT id, org_id FROM files WHERE "+anyOf("id")+" ORDER BY id")

func (r reader) KnownFiles(ctx context.Context, org string, ids []string) (known []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	wanted, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	err = each(ctx, r, func(rows rowSet) error {
		var id, of string
		err := rows.Scan(&id, &of)
		if of == org {
			known = append(known, id)
		}
		return err
	}, selectKnownFiles, wanted)
	return known, err
}

var selectAnyFile = read(onFiles, "SELECT count(*) FROM (SELECT 1 FROM files LIMIT 1) AS f")

func (r reader) AnyFile(ctx context.Context) (bool, error) {
	n, err := value[int64](ctx, r, selectAnyFile)
	return n > 0, err
}

func (t *tx) CreateFile(ctx context.Context, f *store.File) error {
	if err := putNow(ctx, t, insertFiles.one, f); err != nil {
		return err
	}
	return t.countUpload(ctx, f.OrgID, f.UploaderID, f.CreatedAt, f.Size)
}

var putInstallation = insert(onInstallation, "INSERT INTO installation (place, id) VALUES (1, ?) ON CONFLICT (place) DO NOTHING")

var selectInstallation = read(onInstallation, "SELECT id FROM installation WHERE place = 1")

func (t *tx) Installation(ctx context.Context, proposed string) (string, error) {
	err := t.c.exec(ctx, putInstallation, proposed)
	if err != nil {
		return "", err
	}
	return value[string](ctx, t.reader, selectInstallation)
}
