package main

import (
	"syscall"
	"time"
)

// userHertz is the number of units of the CPU times in /proc per second. It is 100 on every Linux
// that Go supports.
const userHertz = 100

// cpu returns the processor time of the process, in user and kernel mode.
func (p *process) cpu() (time.Duration, error) {
	s, err := statOf(p.cmd.Process.Pid)
	return s.own, err
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
