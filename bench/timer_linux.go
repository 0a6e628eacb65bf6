package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// intervalTimer expires at a fixed interval. It is a timer of the kernel, because those of the Go
// runtime are up to a millisecond late, which is more than most calls take.
type intervalTimer struct{ file *os.File }

func newTimer(interval time.Duration) (*intervalTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a timer: %w", err)
	}
	t := &intervalTimer{os.NewFile(uintptr(fd), "timer")}
	spec := unix.NsecToTimespec(int64(interval))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: spec, Value: spec}, nil); err != nil {
		t.stop()
		return nil, fmt.Errorf("start a timer: %w", err)
	}
	return t, nil
}

// wait returns how many intervals have passed since the last wait, at least one.
func (t *intervalTimer) wait() (int, error) {
	var b [8]byte
	if _, err := t.file.Read(b[:]); err != nil {
		return 0, fmt.Errorf("wait for a timer: %w", err)
	}
	return int(binary.NativeEndian.Uint64(b[:])), nil
}

func (t *intervalTimer) stop() { _ = t.file.Close() }
