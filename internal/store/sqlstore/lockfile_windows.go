package sqlstore

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockedByte is far behind the end of a lock file, because on Windows other processes cannot
// read a locked byte.
const lockedByte = 1 << 30

// tryLock takes a lock that belongs to the open file and ends with it (LockFileEx).
func tryLock(f *os.File) (taken bool, err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: lockedByte})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// unlock leaves it to the system to free the lock when the file is closed, since no other process
// inherits it.
func unlock(*os.File) error { return nil }
