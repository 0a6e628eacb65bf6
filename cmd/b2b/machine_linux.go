package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryLimits are the limits of a container, of version 2 and 1 of the control groups.
var memoryLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// memoryLimit returns how many bytes of memory the machine or the container has; 0: not known.
func memoryLimit() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return leastLimit(uint64(info.Totalram)*uint64(info.Unit), memoryLimits)
}

// leastLimit returns the least of memory and the limits in files. A file that is missing or has no
// number sets no limit.
func leastLimit(memory uint64, files []string) uint64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
			memory = min(memory, limit)
		}
	}
	return memory
}
