package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The offsets of locks in a database file. SQLite locks the 512 bytes from its pending byte on
// (https://sqlite.org/fileformat.html#the_lock_byte_page). With a write-ahead log, every
// connection has a shared lock on the bytes from the third on while the file is open.
const (
	pendingByte = 0x40000000
	sharedFirst = pendingByte + 2
	claimedByte = pendingByte + 512
)

// claim locks an SQLite file for this process until release is called, and creates it if it
// does not exist. It locks a byte of the file itself, so links and other paths lead to the
// same lock, and the system frees it when the process ends. The lock belongs to the open file
// description (OFD), so files that SQLite opens and closes do not affect it.
//
// Closing any descriptor of the file frees SQLite's own locks of this process. So release is
// called after the database is closed, and a file that cannot be locked stays open: this
// process itself may have the database open.
func claim(ctx context.Context, path string) (release func() error, err error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: claimedByte, Len: 1}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock)
	switch {
	case err == nil:
		return func() error {
			// A process that is being started may have inherited the descriptor, and the lock with it.
			lock.Type = unix.F_UNLCK
			return errors.Join(unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock), unix.Close(fd))
		}, nil
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		return nil, inUse(ctx, path)
	}
	// The file system has no such locks: use a lock file, and check SQLite's own locks.
	unlock, err := lockByFile(path)
	if errors.Is(err, errLocked) {
		return nil, inUse(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	if err := InUse(ctx, path); err != nil {
		return nil, errors.Join(err, unlock())
	}
	return func() error { return errors.Join(unix.Close(fd), unlock()) }, nil
}

// holders returns the processes that have an SQLite file open, from the system's list of locks:
//
//	1: POSIX  ADVISORY  READ 4711 fd:00:2752 1073741826 1073742335
//
// The device is not compared: on some file systems the list has another device than stat.
func holders(path string) (pids []int) {
	var info unix.Stat_t
	if unix.Stat(path, &info) != nil {
		return nil
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	file, first := ":"+strconv.FormatUint(info.Ino, 10), strconv.Itoa(sharedFirst)
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) != 8 || f[1] != "POSIX" || f[6] != first || !strings.HasSuffix(f[5], file) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
