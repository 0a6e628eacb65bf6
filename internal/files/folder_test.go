package files_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/files"
)

// otherDatabase is one that has no files, and is none that a folder names.
type otherDatabase struct{}

func (otherDatabase) Update(context.Context, string, func(files.Tx) error) error { return nil }

func (otherDatabase) AnyFile(context.Context) (bool, error) { return false, nil }

// B2B-ENV-007: a folder that the server made is for it alone; one that it did not make is
// used when nothing else is in it, and keeps its mode.
func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	owner, org := uuid.NewString()+"\n", uuid.NewString()
	for _, test := range []struct {
		name    string
		holds   map[string]string // files and their texts; a name that ends in / is a folder
		refused bool
		mode    fs.FileMode
		warned  bool
	}{
		{"empty", nil, false, 0o755, true},
		{"a file system of its own", map[string]string{"lost+found/": ""}, false, 0o755, true},
		{"left before it was claimed", map[string]string{"_staging/": ""}, false, 0o755, true},
		{"files without a note", map[string]string{org + "/": "", "seal-0123.key": ""}, false, 0o755, true},
		{"ours", map[string]string{"owner.txt": owner, "_staging/": "", org + "/": "", "imported-org/": "", "seal-0123.key": ""}, false, 0o700, false},
		{"ours among others'", map[string]string{"owner.txt": owner, "systemd-private.tmp": ""}, false, 0o755, true},
		{"another's", map[string]string{"passwd": ""}, true, 0o755, false},
		{"another's, hidden", map[string]string{".profile": ""}, true, 0o755, false},
		{"another's folders", map[string]string{"home/": "", "root/": ""}, true, 0o755, false},
		{"another's note", map[string]string{"owner.txt": "Alice\n"}, true, 0o755, false},
	} {
		dir := t.TempDir()
		for name, text := range test.holds {
			var err error
			if strings.HasSuffix(name, "/") {
				err = os.Mkdir(filepath.Join(dir, name), 0o700)
			} else {
				err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := files.CheckDisk(t.Context(), dir, otherDatabase{}); (err != nil) != (test.refused || test.holds["owner.txt"] != "") {
			t.Errorf("%s: checked: %v", test.name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "owner.txt")); err == nil && test.holds["owner.txt"] == "" {
			t.Errorf("%s: a check marked the folder", test.name)
		}
		var logged bytes.Buffer
		d, err := files.OpenDisk(dir, slog.New(slog.NewTextHandler(&logged, nil)))
		if err == nil {
			err = d.Close()
		}
		if (err != nil) != test.refused || err != nil && (!strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "name an empty folder of its own")) {
			t.Errorf("%s: %v", test.name, err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != test.mode {
			t.Errorf("%s: the folder has mode %v (%v), want %v", test.name, info.Mode(), err, test.mode)
		}
		if got := strings.Contains(logged.String(), "level=WARN"); got != test.warned {
			t.Errorf("%s: logged %q", test.name, logged.String())
		}
		if made, err := os.ReadDir(dir); err != nil || test.refused && len(made) != len(test.holds) {
			t.Errorf("%s: the refused folder has %v (%v)", test.name, made, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "not", "there")
	if err := openDisk(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the new folder %s has mode %v (%v)", made, info.Mode(), err)
		}
	}
}

// B2B-ENV-007: a folder with a name of the server's own is closed to others; where a link
// leads is the operator's.
func TestPrivateFolder(t *testing.T) {
	t.Parallel()
	there, target := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]fs.FileMode{there: 0o700, link: 0o755, filepath.Join(there, "a", "b"): 0o700} {
		for _, made := range []string{there, target} {
			if err := os.Chmod(made, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := files.PrivateFolder(dir); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", dir, info.Mode(), err, want)
		}
	}
}
