package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errLocked reports that a lock file is locked, in this process or another.
var errLocked = errors.New("sqlstore: the lock is taken")

// lockPath returns the lock file of a database, the same for every symbolic link to it. It is
// never removed: a lock belongs to the file, so a new file of that name could be locked again.
func lockPath(path string) (string, error) {
	folder, name := filepath.Split(path)
	if whole, err := filepath.EvalSymlinks(path); err == nil {
		return whole + "-lock", nil
	}
	folder, err := filepath.EvalSymlinks(filepath.Clean(folder + "."))
	if err != nil {
		return "", fmt.Errorf("find the folder of %s: %w", path, err)
	}
	return filepath.Join(folder, name+"-lock"), nil
}

// lockByFile locks the lock file of a database until release is called, and writes this
// process's id into it. The system frees the lock when the process ends. It does not wait,
// and returns errLocked when the file is locked.
func lockByFile(path string) (release func() error, err error) {
	beside, err := lockPath(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(beside, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", path, err)
	}
	taken, err := tryLock(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", beside, err), f.Close())
	}
	if !taken {
		return nil, errors.Join(errLocked, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the process id into the lock file of %s: %w", path, err), f.Close())
	}
	return func() error { return errors.Join(unlock(f), f.Close()) }, nil
}

// maxPIDBytes bounds how many bytes of a lock file are read.
const maxPIDBytes = 32

// lockedBy returns the process id in the lock file of a database. The process may have ended,
// so callers make sure that the lock is taken.
func lockedBy(path string) []int {
	beside, err := lockPath(path)
	if err != nil {
		return nil
	}
	f, err := os.Open(beside)
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPIDBytes))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return nil
	}
	return []int{pid}
}
