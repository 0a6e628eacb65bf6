package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Why the bytes at the path of a file are not imported (B2B-IMP-010).
const (
	outside  = "its path is not one below files/ in the folder of the files: its bytes did not come over"
	foreign  = "its path leads to the files of another organisation: its bytes did not come over"
	twice    = "a file of another organisation has the same path: its bytes did not come over"
	noFile   = "its path leads to nothing that is a file: its bytes did not come over"
	filesDir = "files"
)

// openFolder opens the folder of all bytes as a root that no path or symbolic link can leave.
// If there is no folder, none is the reason.
func (im *Importer) openFolder() (root *os.Root, none string, err error) {
	if im.Source.Files == "" {
		return nil, noFolder, nil
	}
	if _, err := os.Stat(im.Source.Files); err != nil {
		return nil, "", fmt.Errorf("open the folder of the files: %w", err)
	}
	root, err = os.OpenRoot(filepath.Join(im.Source.Files, filesDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noBytes, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("open the folder of the files: %w", err)
	}
	return root, "", nil
}

// sharedPaths returns the paths that files of several orgs have; the old server never writes
// such rows. It reads all rows at its first call.
func (im *Importer) sharedPaths(ctx context.Context) (map[string]bool, error) {
	if im.shared != nil {
		return im.shared, nil
	}
	seed := maphash.MakeSeed()
	owner, shared := map[uint64]uint64{}, map[string]bool{}
	q := "SELECT " + im.Source.list("files", "org_id path") + " FROM files t"
	err := im.Source.each(ctx, "files", q, nil, func(r *row) error {
		name := r.text("path")
		of, org := maphash.String(seed, name), maphash.String(seed, r.text("org_id"))
		if first, seen := owner[of]; seen && first != org {
			shared[name] = true
		}
		owner[of] = org
		return nil
	})
	if err != nil {
		return nil, err
	}
	im.shared = shared
	return shared, nil
}

// fileBelow returns the name, below the folder files/, of a file of an org, or why
// its path may not be followed. The old server writes files/<name> and files/<org>/…/<name>,
// and no two rows with one path.
func fileBelow(text, org string, shared map[string]bool) (name, why string) {
	below, ok := strings.CutPrefix(text, filesDir+"/")
	if !ok || path.Clean(text) != text || strings.ContainsRune(text, 0) || !filepath.IsLocal(filepath.FromSlash(below)) {
		return "", outside
	}
	if owner, _, tree := strings.Cut(below, "/"); tree && owner != org {
		return "", foreign
	}
	if shared[text] {
		return "", twice
	}
	return filepath.FromSlash(below), ""
}

// ofTheMachine reports whether an error of opening a file is caused by the system and not by
// the path, so that the import can succeed later.
func ofTheMachine(err error) bool {
	for _, reason := range []error{fs.ErrPermission, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}
