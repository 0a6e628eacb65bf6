package agentconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/internal/textdiff"
)

// Change is a change of a file that was not made yet.
type Change struct {
	Program       Program
	Path          string
	Before, After string
	Exists        bool // the file does
	Remove        bool // the file has nothing else any more
	Hooks         bool // it is of hooks, not of the MCP server
}

// mostBytes bounds a file of configuration.
const mostBytes = 16 << 20

// server is the name of the entry.
const server = "b2b"

// Add returns the change that gives a program the MCP server of a profile. An entry of the same name is
// replaced.
func (p Program) Add(getenv func(string) string, s Server) (*Change, error) {
	c, err := p.readFile(p.Path(getenv))
	if err != nil {
		return nil, err
	}
	if p.toml {
		c.After, err = addTOML(c.Before, s)
	} else {
		c.After, err = addJSON(c.Before, p.within, p.entry(s))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return c, nil
}

// Undo returns the change that takes the MCP server out again; nil if the file has it no more, or has
// another one. created: the file was made for it.
func (p Program) Undo(getenv func(string) string, profile string, created bool) (*Change, error) {
	c, err := p.readFile(p.Path(getenv))
	if err != nil || !c.Exists {
		return nil, err
	}
	var found bool
	if p.toml {
		c.After, found = removeTOML(c.Before, profile)
	} else {
		c.After, found, err = removeJSON(c.Before, p.within, profile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	if !found {
		return nil, nil
	}
	c.Remove = created && blank(c.After)
	return c, nil
}

// readFile reads a file of a program; a file that does not exist is empty.
func (p Program) readFile(path string) (*Change, error) {
	c := &Change{Program: p, Path: path}
	info, err := os.Stat(c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("read the configuration of %s: %w", p.Title, err)
	case info.Size() > mostBytes || !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file of configuration", c.Path)
	}
	text, err := os.ReadFile(c.Path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", p.Title, err)
	}
	c.Before, c.Exists = string(text), true
	return c, nil
}

// Diff shows the change.
func (c *Change) Diff() string { return textdiff.Unified(c.Path, c.Path, c.Before, c.After) }

// Apply makes the change. The file keeps its mode, and a link stays one; a new file is for its owner
// only.
func (c *Change) Apply() error {
	if c.Before == c.After {
		return nil
	}
	path, mode := c.Path, fs.FileMode(0o600)
	if c.Exists {
		var err error
		if path, err = filepath.EvalSymlinks(c.Path); err != nil {
			return fmt.Errorf("write the configuration of %s: %w", c.Program.Title, err)
		}
		now, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("write the configuration of %s: %w", c.Program.Title, err)
		}
		if string(now) != c.Before {
			return fmt.Errorf("%s has changed meanwhile: try again", c.Path)
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("write the configuration of %s: %w", c.Program.Title, err)
		}
		mode = info.Mode().Perm()
	}
	if c.Remove {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove the configuration of %s: %w", c.Program.Title, err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", c.Program.Title, err)
	}
	if err := profile.Replace(path, []byte(c.After), mode); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", c.Program.Title, err)
	}
	return nil
}
