package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// PrivateFolder creates a folder that only the server's user can enter, or removes the access of
// other users to an existing one (B2B-ENV-007). It is for folders that the server names itself.
// A folder of another owner, or behind a symbolic link, stays as it is.
func PrivateFolder(dir string) error {
	if made, err := mkdir(dir); made || err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("files: examine the folder: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("files: remove the access of other users to the folder: %w", err)
	}
	return nil
}

// takeFolder creates the folder that an operator named, for the server's user only. An existing
// folder must be empty or have the files of a server. Only the latter loses the access of other
// users: a folder that no server made keeps its mode (B2B-ENV-007).
func takeFolder(dir string, log *slog.Logger) error {
	if made, err := mkdir(dir); made || err != nil {
		return err
	}
	owned, foreign, err := usable(dir)
	if err != nil {
		return err
	}
	if owned && foreign == "" {
		if err := PrivateFolder(dir); err != nil {
			return err
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("files: examine the folder: %w", err)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		log.Warn("others may look into the folder of files, which the server did not make and leaves as it is: "+
			"give it a folder of its own, with mode 0700", "folder", dir, "mode", perm.String())
	}
	return nil
}

// usable is look, with an error for a folder that a server must not use.
func usable(dir string) (owned bool, foreign string, err error) {
	owned, foreign, err = look(dir)
	if err != nil {
		return false, "", fmt.Errorf("files: examine the folder: %w", err)
	}
	if foreign != "" && !owned {
		return false, "", fmt.Errorf("files: the folder %s holds something else (%s) and no %s of a server: "+
			"name an empty folder of its own (B2B_FILES_DIR)", dir, foreign, OwnerNote)
	}
	return owned, foreign, nil
}

// CheckDisk returns why OpenDisk or Claim would refuse a folder for a database, and changes
// nothing of the folder (B2B-IMP-031).
func CheckDisk(ctx context.Context, dir string, db Database) (err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return Claim(ctx, unmarked{&Disk{dir: dir}}, db)
	}
	if _, _, err := usable(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("files: open the folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return Claim(ctx, unmarked{&Disk{root: root, dir: dir}}, db)
}

// unmarked is a Disk that writes no notes; without a root it also has none.
type unmarked struct{ *Disk }

func (u unmarked) Note(ctx context.Context, name string) (string, error) {
	if u.root == nil {
		return "", nil
	}
	return u.Disk.Note(ctx, name)
}

func (unmarked) SetNote(context.Context, string, string) error { return nil }

// mkdir creates a folder and its parents. made is false if it existed.
func mkdir(dir string) (made bool, err error) {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return false, fmt.Errorf("files: make the folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("files: make the folder: %w", err)
	} else if err != nil {
		return false, nil
	}
	return true, nil
}

// look reports whether a folder has the owner note of a server, and returns the name of an entry
// that no server makes, if there is one.
func look(dir string) (owned bool, foreign string, err error) {
	note, err := os.ReadFile(filepath.Join(dir, OwnerNote))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, "", err
	}
	owned = uuid.Validate(strings.TrimSpace(string(note))) == nil
	f, err := os.Open(dir)
	if err != nil {
		return false, "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		names, err := f.Readdirnames(PageSize)
		for _, name := range names {
			if !serverName(name, owned) {
				return owned, name, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return owned, "", nil
		}
		if err != nil {
			return false, "", err
		}
	}
}

// serverName reports whether a server makes entries of this name in a folder of files: the
// staging folder, notes, and orgs, which have UUIDs as ids unless imported. The root of a file
// system also has lost+found.
func serverName(name string, owned bool) bool {
	switch {
	case name == staging, name == "lost+found":
		return true
	case name == OwnerNote:
		return owned
	case strings.HasPrefix(name, "seal-") && strings.HasSuffix(name, ".key"):
		return true
	}
	return uuid.Validate(name) == nil || owned && IsName(name)
}
