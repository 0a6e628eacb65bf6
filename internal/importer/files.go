package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Why a file was imported without its bytes, or not at all.
const (
	noBytes   = "its bytes are not in the folder of the files: downloads answer 404, as they did"
	noFolder  = "no folder of files was named (--files): its bytes did not come over"
	badFileID = "its id cannot name bytes"
)

const fileColumns = "id name mime_type size path created_at"

// files imports the rows of files. copyFiles has copied their bytes before.
func (c *carrier) files(ctx context.Context) error {
	const joins = "LEFT JOIN bots b ON b.id = t.uploader_id AND b.org_id = t.org_id"
	return c.from(ctx, "files", fileColumns, ", b.id AS uploader", joins, "t.created_at, t.id", func(r *row) error {
		f := store.File{
			ID: r.text("id"), OrgID: c.org, UploaderID: r.maybe("uploader"), Name: r.text("name"),
			MIMEType: r.textOr("mime_type", "application/octet-stream"), Size: r.number("size", 0), CreatedAt: r.number("created_at", 0),
		}
		if (files.Key{Org: c.org, File: f.ID}).Check() != nil {
			c.skip("files", f.ID, badFileID)
			return nil
		}
		if why := c.bytes[f.ID]; why != "" {
			c.change("files", f.ID, why)
		}
		c.rows.Files = append(c.rows.Files, f)
		return c.took(ctx, "files")
	})
}

// copyFiles copies the bytes of the files of an org, before its rows are imported, so that no
// row is without its bytes. Bytes that are already in the target stay. It returns, by file id,
// why bytes could not be copied.
func (im *Importer) copyFiles(ctx context.Context, org string) (lost map[string]string, err error) {
	lost = map[string]string{}
	root, none, err := im.openFolder()
	if err != nil {
		return nil, err
	}
	if root != nil {
		defer func() { err = errors.Join(err, root.Close()) }()
	}
	shared, err := im.sharedPaths(ctx)
	if err != nil {
		return nil, err
	}
	q := named("files").of(im.Source.list("files", "id size path"))
	return lost, im.Source.each(ctx, "files", q, []any{org}, func(r *row) error {
		key := files.Key{Org: org, File: r.text("id")}
		if key.Check() != nil {
			return nil
		}
		why := none
		if root != nil {
			var name string
			if name, why = fileBelow(r.text("path"), org, shared); why == "" {
				why, err = im.copyBytes(ctx, root, key, name)
			}
		}
		if why != "" {
			lost[key.File] = why
		}
		return err
	})
}

// copyBytes copies the bytes of one file, or returns why it cannot. It returns an error only for
// failures of the disk or the target; a name without a file is a reason, not an error.
func (im *Importer) copyBytes(ctx context.Context, root *os.Root, key files.Key, name string) (why string, err error) {
	in, err := root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noBytes, nil
	case err != nil && ofTheMachine(err):
		return "", fmt.Errorf("read the bytes of file %s: %w", key.File, err)
	case err != nil:
		return noFile, nil
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read the bytes of file %s: %w", key.File, err)
	case !info.Mode().IsRegular():
		return noFile, nil
	case im.Files == nil:
		im.fileBytes += info.Size()
		return "", nil
	}
	switch there, err := im.Files.Open(ctx, key); {
	case err == nil:
		same := there.Size() == info.Size()
		if err := there.Close(); err != nil || same {
			return "", err
		}
	case !errors.Is(err, files.ErrNotFound):
		return "", fmt.Errorf("check whether the bytes of file %s are in the target: %w", key.File, err)
	}
	n, err := im.Files.Put(ctx, key, in)
	if err != nil {
		return "", fmt.Errorf("store the bytes of file %s: %w", key.File, err)
	}
	im.fileBytes += n
	return "", nil
}

// strayBytes reports the files in the folder that no row names.
func (im *Importer) strayBytes(ctx context.Context, all *tally) error {
	if im.Source.Files == "" {
		return nil
	}
	seed := maphash.MakeSeed()
	known := map[uint64]struct{}{}
	err := im.Source.each(ctx, "files", "SELECT path FROM files", nil, func(r *row) error {
		known[maphash.String(seed, path.Clean(r.text("path")))] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	err = filepath.WalkDir(filepath.Join(im.Source.Files, "files"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(im.Source.Files, file)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !contains(known, maphash.String(seed, name)) {
			note(all.skips, onDisk, "no row of the old database names it", 1, validText(name))
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the folder of the files: %w", err)
	}
	return nil
}

// onDisk is the table name of files without a row in the report.
const onDisk = "(files on disk)"

func contains(set map[uint64]struct{}, k uint64) bool {
	_, ok := set[k]
	return ok
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
