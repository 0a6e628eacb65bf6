package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Profile is a bot that this machine can act as.
type Profile struct {
	Name     string    `json:"name"`
	URL      string    `json:"url"`
	Token    string    `json:"token"`
	OrgID    string    `json:"org_id"`
	OrgName  string    `json:"org_name,omitempty"`
	BotID    string    `json:"bot_id"`
	BotName  string    `json:"bot_name"`
	JoinedAt time.Time `json:"joined_at"`
	// Configured lists the changes of other programs' configuration that leave takes back.
	Configured []Configured `json:"configured,omitempty"`
}

// Configured is a change of the configuration of an agent program.
type Configured struct {
	Program string `json:"program"`
	Path    string `json:"path"`
	// Created reports that there was no such file before.
	Created bool `json:"created,omitempty"`
	// Hooks reports that it has hooks of the profile, not its MCP server.
	Hooks bool `json:"hooks,omitempty"`
}

// Store is a folder of profiles; without a folder it has none.
type Store struct{ Folder string }

// ErrNone is the error of a profile that does not exist.
var ErrNone = errors.New("there is no such profile")

const (
	mostProfiles = 1000
	mostBytes    = 1 << 20 // of a file
	mostName     = 64
)

// Folder returns the folder of the profiles: b2b in XDG_CONFIG_HOME, or else in ~/.config; on Windows
// in the folder of the user's application data.
func Folder(getenv func(string) string) (string, error) {
	if base := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(base) { // a relative one does not count, by its specification
		return filepath.Join(base, "b2b"), nil
	}
	if runtime.GOOS == "windows" {
		if base := getenv("AppData"); base != "" {
			return filepath.Join(base, "b2b"), nil
		}
	}
	home := getenv("HOME")
	if home == "" && runtime.GOOS == "windows" {
		home = getenv("USERPROFILE")
	}
	if home == "" {
		return "", errors.New("no folder for profiles: set HOME or XDG_CONFIG_HOME, or give B2B_URL and B2B_TOKEN")
	}
	return filepath.Join(home, ".config", "b2b"), nil
}

// CheckName returns what is wrong with the name of a profile.
func CheckName(name string) error {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
	if name == "" || len(name) > mostName || odd || name[0] == '.' || name[0] == '-' {
		return fmt.Errorf("%q is no name of a profile: use up to %d letters, digits, '-', '_' and '.', not first", name, mostName)
	}
	return nil
}

// Path returns the file of a profile.
func (s Store) Path(name string) string { return filepath.Join(s.Folder, "profiles", name+".json") }

// Load returns a profile.
func (s Store) Load(name string) (*Profile, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if s.Folder == "" {
		return nil, fmt.Errorf("profile %q: %w, as there is no folder for profiles", name, ErrNone)
	}
	path := s.Path(name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("profile %q: %w", name, ErrNone)
	case err != nil:
		return nil, fmt.Errorf("profile %q: %w", name, err)
	case info.Size() > mostBytes:
		return nil, fmt.Errorf("profile %q: %s is too large to be a profile", name, path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("profile %q: others may read its token: chmod 600 %s, "+
			"and create a new token if others use this machine", name, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", name, err)
	}
	p := &Profile{}
	if json.Unmarshal(text, p) != nil { // its error could quote the token
		return nil, fmt.Errorf("profile %q: %s is damaged: remove it and join again", name, path)
	}
	p.Name = name
	return p, nil
}

// List returns the names of the profiles, in order.
func (s Store) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.Folder, "profiles"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the profiles: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if ok && CheckName(name) == nil && len(names) < mostProfiles {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Save writes a profile.
func (s Store) Save(p *Profile) error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("encode a profile: %w", err)
	}
	return s.write(s.Path(p.Name), append(text, '\n'))
}

// Remove deletes a profile. If it was the current one, there is none afterwards.
func (s Store) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := os.Remove(s.Path(name)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("profile %q: %w", name, ErrNone)
	} else if err != nil {
		return fmt.Errorf("remove a profile: %w", err)
	}
	if current, err := s.Current(); err != nil || current != name {
		return err
	}
	if err := os.Remove(filepath.Join(s.Folder, "current")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the current profile: %w", err)
	}
	return nil
}

// Current returns the name of the profile that is used if none is named; empty: none.
func (s Store) Current() (string, error) {
	if s.Folder == "" {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(s.Folder, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the current profile: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(s.Folder, "current"), err)
	}
	return name, nil
}

// SetCurrent makes a profile the one that is used if none is named.
func (s Store) SetCurrent(name string) error {
	if _, err := s.Load(name); err != nil {
		return err
	}
	return s.write(filepath.Join(s.Folder, "current"), []byte(name+"\n"))
}

// Writable returns an error if no profile could be saved. It is called before a ticket is used up.
func (s Store) Writable() error {
	probe := s.Path("probe") + ".try"
	if err := s.write(probe, nil); err != nil {
		return err
	}
	if err := os.Remove(probe); err != nil {
		return fmt.Errorf("the folder of the profiles: %w", err)
	}
	return nil
}

// write replaces a file, which only its owner may read.
func (s Store) write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return s.unwritable(err)
	}
	return s.unwritable(Replace(path, text, 0o600))
}

// Replace writes a file whole: after a crash it has its old or its new text.
func Replace(path string, text []byte, mode fs.FileMode) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next.Name()))
		}
	}()
	_, err = next.Write(text)
	if err == nil {
		err = next.Chmod(mode)
	}
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

func (s Store) unwritable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("profiles cannot be saved in %s: %w; make the folder writable, or set XDG_CONFIG_HOME to another one",
		s.Folder, err)
}
