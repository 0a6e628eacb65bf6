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

// errLocked says that somebody else has a lock file, in this process or another.
var errLocked = errors.New("sqlstore: the lock is taken")

// besideOf is the lock file of a database: the same for every symbolic link to it. Locks are
// known by the file and not by its name, so it is never removed.
func besideOf(path string) (string, error) {
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

// lockBeside locks the file beside a database and writes down who has it, until release is
// called. The system frees the lock however the process ends. Without waiting it answers
// errLocked when another has it.
func lockBeside(path string) (release func() error, err error) {
	beside, err := besideOf(path)
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
		return nil, errors.Join(fmt.Errorf("write who has %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}

// mostPID bounds what is read of a lock file, in bytes.
const mostPID = 32

// lockedBy is the process that wrote itself into the lock file of a database. It may have
// ended since, so this is asked only when the lock is known to be taken.
func lockedBy(path string) []int {
	beside, err := besideOf(path)
	if err != nil {
		return nil
	}
	f, err := os.Open(beside)
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, mostPID))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return nil
	}
	return []int{pid}
}
