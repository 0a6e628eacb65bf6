//go:build unix

package metrics

import "golang.org/x/sys/unix"

// space returns how many bytes this process may write to the disk of a folder, and its size; 0 if
// that is not known.
func space(folder string) (free, size uint64) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, 0
	}
	block := uint64(s.Bsize)
	return uint64(s.Bavail) * block, uint64(s.Blocks) * block
}
