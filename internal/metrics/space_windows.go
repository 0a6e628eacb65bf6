package metrics

import "golang.org/x/sys/windows"

// space returns how many bytes this process may write to the disk of a folder, and its size; 0 if
// that is not known.
func space(folder string) (free, size uint64) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, 0
	}
	if err := windows.GetDiskFreeSpaceEx(name, &free, &size, nil); err != nil {
		return 0, 0
	}
	return free, size
}
