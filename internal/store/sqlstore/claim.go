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

// InUseError reports that another process has an SQLite file open (B2B-ENV-006). Each process
// caches data of its database, so the caches of two would be wrong.
type InUseError struct {
	Path string
	PIDs []int // the processes that have it open, as far as the system reports them
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

// command returns the name of a process in parentheses, where the system reports it.
func command(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSpace(string(name)) + ")"
}

// inUse returns the error. The system may list a process only some milliseconds after it has
// locked the file, so inUse tries a few times.
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

// restrictMode removes the access of other users to the files of a database (B2B-ENV-007).
// SQLite gives later log and index files the mode of the database.
func restrictMode(path string, log *slog.Logger) error {
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
			log.Warn("other users of this machine can read the database, and this process may not change its mode", "file", path+suffix, "mode", info.Mode().Perm().String())
		case err != nil:
			return err
		}
	}
	return nil
}
