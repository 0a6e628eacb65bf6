package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// rehearsal is the target of a dry run (B2B-IMP-031): a copy of an SQLite target, or a PostgreSQL
// target in which each change is rolled back.
type rehearsal struct {
	folder string // of the copy; "": none
	before int64  // bytes of the copied database
	empty  bool   // the target does not exist yet
	close  func() error
}

// rehearse opens the target of a dry run. It returns the same error as an import if nothing can be
// imported to the target.
func (do *importing) rehearse(ctx context.Context, im *importer.Importer) (r *rehearsal, err error) {
	im.DryRun, im.Keys = true, seal.New(seal.NewKey())
	if !do.Embedded() {
		there, err := sqlstore.Migrated(ctx, do.DatabaseURL)
		if err != nil {
			return nil, fmt.Errorf("check the database to import to: %w", err)
		}
		if there {
			st, err := sqlstore.Open(ctx, sqlstore.Config{URL: do.DatabaseURL, NoTimeouts: true})
			if err != nil {
				return nil, fmt.Errorf("open the database to import to: %w", err)
			}
			im.Store = importer.Rehearsal{Store: importerStore(st)}
			if err := do.checkFiles(ctx, st); err != nil {
				return nil, errors.Join(err, st.Close())
			}
			return &rehearsal{close: st.Close}, nil
		}
	} else if err := sqlstore.InUse(ctx, do.StorePath()); err != nil {
		return nil, err
	}
	r = &rehearsal{}
	if r.folder, err = os.MkdirTemp("", "b2b-dry-run-"); err != nil {
		return nil, fmt.Errorf("make a folder for the copy of the target: %w", err)
	}
	r.close = func() error { return os.RemoveAll(r.folder) }
	if r.empty = !do.Embedded(); !r.empty {
		if err := r.copy(do.StorePath()); err != nil {
			return nil, errors.Join(fmt.Errorf("copy the database to import to: %w", err), r.close())
		}
	}
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: r.database(), CacheMB: importCacheMB})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a copy of %s: %w", do.StorePath(), err), r.close())
	}
	im.Store = importerStore(st)
	r.close = func() error { return errors.Join(st.Close(), os.RemoveAll(r.folder)) }
	if err := do.checkFiles(ctx, st); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// checkFiles checks that the folder of the target's files can be used. It does not check a bucket.
func (do *importing) checkFiles(ctx context.Context, db *sqlstore.Store) error {
	if do.FilesURL != "" {
		return nil
	}
	return files.CheckDisk(ctx, do.FilesPath(), filesStore(db))
}

func (r *rehearsal) database() string { return filepath.Join(r.folder, "b2b.db") }

// copy copies an SQLite database that is not open, with the changes in its log.
func (r *rehearsal) copy(path string) error {
	for _, suffix := range []string{"", "-wal"} {
		in, err := os.Open(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		out, err := os.OpenFile(r.database()+suffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return errors.Join(err, in.Close())
		}
		n, err := io.Copy(out, in)
		if err := errors.Join(err, in.Close(), out.Close()); err != nil {
			return err
		}
		r.before += n
	}
	return nil
}

// grown returns by how many bytes the copy is larger than the target, including its log.
func (r *rehearsal) grown() (int64, error) {
	if r.folder == "" || r.empty {
		return 0, nil // the disk of PostgreSQL is not accessible
	}
	var now int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(r.database() + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("get the size of the copy: %w", err)
		}
		now += info.Size()
	}
	return max(0, now-r.before), nil
}

// room returns an error if the folders of the target have no room for the import.
func (do *importing) room(database, uploaded int64) error {
	if do.FilesURL != "" {
		uploaded = 0
	}
	if do.FilesDir == "" {
		return roomIn(do.DataDir, database+uploaded)
	}
	return errors.Join(roomIn(do.DataDir, database), roomIn(do.FilesDir, uploaded))
}

// roomIn checks the disk of a folder, or of its nearest existing parent.
func roomIn(folder string, need int64) error {
	path, err := filepath.Abs(folder)
	if err != nil {
		return fmt.Errorf("find the folder %s: %w", folder, err)
	}
	for {
		_, err := os.Stat(path)
		if err == nil {
			break
		}
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path {
			return fmt.Errorf("check the folder %s: %w", folder, err)
		}
		path = parent
	}
	free, err := freeBytes(path)
	if err != nil {
		return fmt.Errorf("get the free space of %s: %w", path, err)
	}
	if need > free {
		return fmt.Errorf("%s has room for %d MiB, and the import needs %d MiB there", path, free>>20, need>>20+1)
	}
	return nil
}
