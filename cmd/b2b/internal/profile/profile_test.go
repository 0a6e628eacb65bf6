package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
)

const secret = "bot_0123456789"

func saved(t *testing.T, names ...string) profile.Store {
	t.Helper()
	s := profile.Store{Folder: filepath.Join(t.TempDir(), "b2b")}
	for _, name := range names {
		if err := s.Save(&profile.Profile{Name: name, URL: "http://" + name, Token: secret + name}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	s := saved(t, "b", "a")
	p, err := s.Load("a")
	if err != nil || p.Token != secret+"a" || p.Name != "a" {
		t.Fatalf("%+v, %v", p, err)
	}
	if names, err := s.List(); err != nil || strings.Join(names, " ") != "a b" {
		t.Errorf("%q, %v", names, err)
	}
	info, err := os.Stat(s.Path("a"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(s.Folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(s.Path("a"))); err != nil || len(entries) != 2 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	s := saved(t, "a", "b")
	if name, err := s.Current(); name != "" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if err := s.SetCurrent("c"); !errors.Is(err, profile.ErrNone) {
		t.Errorf("a profile that does not exist: %v", err)
	}
	for _, name := range []string{"a", "b"} {
		if err := s.SetCurrent(name); err != nil {
			t.Fatal(err)
		}
	}
	if name, err := s.Current(); name != "b" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if err := errors.Join(s.Remove("a"), s.Remove("b")); err != nil {
		t.Fatal(err)
	}
	if name, err := s.Current(); name != "" || err != nil {
		t.Errorf("after its removal: %q, %v", name, err)
	}
	if err := s.Remove("b"); !errors.Is(err, profile.ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "my-bot_2.x": true, "": false, "..": false, ".a": false, "-a": false, "a/b": false, `a\b`: false, "a b": false,
		"é":                     false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "../../etc/passwd": false, "a\n": false,
	} {
		if err := profile.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestErrorsHaveNoToken: whatever is wrong with a profile, its token is in no error.
func TestErrorsHaveNoToken(t *testing.T) {
	t.Parallel()
	s := saved(t, "open", "damaged", "large")
	must(t, os.Chmod(s.Path("open"), 0o644))
	must(t, os.WriteFile(s.Path("damaged"), []byte(`{"token": "`+secret+`", "url": 3}`), 0o600))
	must(t, os.WriteFile(s.Path("large"), []byte(`{"token": "`+secret+`"}`+strings.Repeat(" ", 2<<20)), 0o600))
	for _, name := range []string{"open", "damaged", "large"} {
		_, err := s.Load(name)
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnwritable(t *testing.T) {
	t.Parallel()
	s := profile.Store{Folder: filepath.Join(t.TempDir(), "file", "b2b")}
	must(t, os.WriteFile(filepath.Dir(s.Folder), nil, 0o600)) // no folder can be made there, even by root
	for _, err := range []error{s.Writable(), s.Save(&profile.Profile{Name: "a", Token: secret})} {
		if err == nil || !strings.Contains(err.Error(), s.Folder) || !strings.Contains(err.Error(),
			"XDG_CONFIG_HOME") || strings.Contains(err.Error(), secret) {
			t.Error(err)
		}
	}
	if err := saved(t).Writable(); err != nil {
		t.Errorf("a folder that can be made: %v", err)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/b2b"}, {"", "/h", "/h/.config/b2b"}, {"relative", "/h", "/h/.config/b2b"}, {"", "", ""},
	} {
		got, err := profile.Folder(func(name string) string {
			return map[string]string{"XDG_CONFIG_HOME": tt.xdg,
				"HOME": tt.home}[name]
		})
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
