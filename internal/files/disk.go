package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Disk is a Store in a folder. Several nodes may share one (a network file system that
// renames atomically and keeps what was synced).
type Disk struct {
	root *os.Root // no path leads outside of it
	dir  string
}

// staging is the folder of uploads in progress. It is no valid id of an org.
const staging = "_staging"

// OpenDisk opens a folder, and creates it if it does not exist. An existing folder must be empty
// or have the files of a server.
func OpenDisk(dir string, log *slog.Logger) (*Disk, error) {
	if err := takeFolder(dir, log); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("files: open the folder: %w", err)
	}
	d := &Disk{root: root, dir: dir}
	if err := d.makeFolder(staging); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// Close closes the folder.
func (d *Disk) Close() error { return d.root.Close() }

// Put writes a temporary file, syncs it, renames it to its path, and syncs the folder, so that
// a power cut leaves the whole file or none.
func (d *Disk) Put(ctx context.Context, key Key, r io.Reader) (int64, error) {
	if err := key.Check(); err != nil {
		return 0, err
	}
	return d.put(ctx, key.Path(), r)
}

func (d *Disk) put(ctx context.Context, place string, r io.Reader) (n int64, err error) {
	name := staging + "/" + uuid.NewString()
	n, err = d.stage(ctx, name, r)
	if err == nil {
		err = d.move(name, place)
	}
	if err != nil {
		if gone := d.root.Remove(name); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return 0, Local(fmt.Errorf("files: store %s: %w", place, err))
	}
	return n, nil
}

func (d *Disk) stage(ctx context.Context, name string, r io.Reader) (n int64, err error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if n, err = Copy(ctx, f, r); err != nil {
		return n, err
	}
	return n, f.Sync()
}

// move renames a staged file to its path. If the org is deleted with its folders meanwhile, the
// folders are created again, and the file is an orphan that Sweep removes.
func (d *Disk) move(name, place string) (err error) {
	folder := path.Dir(place)
	for range 3 {
		if err = d.makeFolder(folder); err != nil {
			continue
		}
		if err = d.root.Rename(name, place); err == nil {
			return d.sync(folder)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// makeFolder creates a folder and its parents, and syncs each.
func (d *Disk) makeFolder(folder string) error {
	if folder == "." {
		return nil
	}
	if _, err := d.root.Stat(folder); err == nil {
		return nil
	}
	above := path.Dir(folder)
	if err := d.makeFolder(above); err != nil {
		return err
	}
	if err := d.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.sync(above)
}

func (d *Disk) sync(folder string) error {
	f, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open opens the file of a key.
func (d *Disk) Open(_ context.Context, key Key) (Object, error) {
	if err := key.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	f, err := d.root.Open(key.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("files: open: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", key.Path())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("files: open: %w", err), f.Close())
	}
	return diskObject{f, info.Size()}, nil
}

type diskObject struct {
	*os.File
	size int64
}

func (o diskObject) Size() int64 { return o.size }

// Delete removes the file of a key.
func (d *Disk) Delete(_ context.Context, key Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	if err := d.root.Remove(key.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("files: delete: %w", err)
	}
	return nil
}

// DeleteOrg removes the folder of an org.
func (d *Disk) DeleteOrg(_ context.Context, org string) error {
	if !IsName(org) {
		return nil // nothing can be there
	}
	if err := d.root.RemoveAll(org); err != nil {
		return fmt.Errorf("files: delete an organisation: %w", err)
	}
	return nil
}

// Walk reads the folders. It skips files at paths that Put does not use.
func (d *Disk) Walk(ctx context.Context, fn func(org string, page []Stored) error) error {
	orgs, err := d.list(".")
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if !org.IsDir() || !IsName(org.Name()) {
			continue
		}
		shards, err := d.list(org.Name())
		if err != nil {
			return err
		}
		for _, s := range shards {
			if err := d.walkShard(ctx, org.Name(), s.Name(), fn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Disk) walkShard(ctx context.Context, org, folder string, fn func(string, []Stored) error) error {
	entries, err := d.list(org + "/" + folder)
	if err != nil {
		return err
	}
	var page []Stored
	for i, e := range entries {
		if IsName(e.Name()) && shard(e.Name()) == folder && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil { // an error means that the file is deleted
				page = append(page, Stored{e.Name(), info.ModTime()})
			}
		}
		if len(page) == PageSize || i == len(entries)-1 && len(page) > 0 {
			if err := errors.Join(ctx.Err(), fn(org, page)); err != nil {
				return err
			}
			page = nil
		}
	}
	return nil
}

// list reads a folder. A path that does not exist or is no folder has no entries.
func (d *Disk) list(folder string) ([]fs.DirEntry, error) {
	info, err := d.root.Lstat(folder)
	if err == nil && info.IsDir() {
		var entries []fs.DirEntry
		if entries, err = fs.ReadDir(d.root.FS(), folder); err == nil {
			return entries, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("files: list %s: %w", folder, err)
	}
	return nil, nil
}

// Tidy removes staged files that were last written earlier than before.
func (d *Disk) Tidy(ctx context.Context, before time.Time) (int, error) {
	entries, err := d.list(staging)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // gone, or under way
		}
		if err := errors.Join(ctx.Err(), d.root.Remove(staging+"/"+e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, fmt.Errorf("files: tidy up: %w", err)
		}
		n++
	}
	return n, nil
}

// Note reads a note.
func (d *Disk) Note(_ context.Context, name string) (string, error) {
	text, err := d.root.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("files: read %s: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// SetNote writes a note that only the server's user may read.
func (d *Disk) SetNote(ctx context.Context, name, text string) error {
	_, err := d.put(ctx, name, strings.NewReader(text+"\n"))
	return err
}

// String names the folder.
func (d *Disk) String() string { return "the folder " + d.dir }
