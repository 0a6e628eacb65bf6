package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
)

// InUseError says that another process has an SQLite file open (B2B-ENV-006). What one
// process keeps in memory of its own database would be wrong with two.
type InUseError struct {
	Path string
	PIDs []int // the processes that have it, as far as the system says
}

func (e *InUseError) Error() string {
	who := "another process"
	var names []string
	for _, pid := range e.PIDs {
		names = append(names, "process "+strconv.Itoa(pid)+command(pid))
	}
	if len(names) > 0 {
		who = strings.Join(names, " and ")
	}
	return fmt.Sprintf("%s is in use by %s: one process at a time has a data folder. Stop that one first, or name another folder (B2B_DATA_DIR)", e.Path, who)
}

// command is the name of a process in parentheses, where the system says it.
func command(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSpace(string(name)) + ")"
}

// inUse makes the error. A process that has only just claimed the file shows a moment
// later, so it is looked for again a few times.
func inUse(ctx context.Context, path string) *InUseError {
	e := &InUseError{Path: path}
	for range 10 {
		if e.PIDs = holders(path); len(e.PIDs) > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return e
		case <-time.After(20 * time.Millisecond):
		}
	}
	return e
}

// private takes the access of others to the files of a database away (B2B-ENV-007): SQLite
// gives its log and its index the mode that the database has.
func private(path string, log *slog.Logger) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 == 0 {
			continue
		}
		switch err := os.Chmod(path+suffix, 0o600); {
		case errors.Is(err, fs.ErrPermission):
			log.Warn("others may read the database, and only its owner can change that", "file", path+suffix, "mode", info.Mode().Perm().String())
		case err != nil:
			return err
		}
	}
	return nil
}
