package files_test

import (
	"syscall"
	"testing"
)

// mounted mounts a file system of 1 MiB at a folder, if this process may.
func mounted(t *testing.T, dir string) bool {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}
