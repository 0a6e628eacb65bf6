package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// userHertz is the number of units of the CPU times in /proc per second. It is 100 on every Linux
// that Go supports.
const userHertz = 100

// cpu returns the processor time of the process, in user and kernel mode.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses can contain any character. The fields after it begin with the state.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has too few fields", p.cmd.Process.Pid)
	}
	var ticks int
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// ownCPU returns the processor time of this process, the load generator.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// raiseFiles raises the limit of open files as far as possible, for this process and those it
// starts, and returns the limit.
func raiseFiles() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	for _, most := range []uint64{1 << 20, 1 << 17, 1 << 16, l.Max} { // only root can exceed Max
		if most < l.Max {
			continue
		}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most}) == nil {
			return most, nil
		}
	}
	return l.Cur, nil
}
