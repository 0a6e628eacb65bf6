//go:build !linux

package main

import "time"

// intervalTimer expires at a fixed interval.
type intervalTimer struct {
	begin    time.Time
	interval time.Duration
	passed   int
}

func newTimer(interval time.Duration) (*intervalTimer, error) {
	return &intervalTimer{begin: time.Now(), interval: interval}, nil
}

// wait returns how many intervals have passed since the last wait, at least one.
func (t *intervalTimer) wait() (int, error) {
	time.Sleep(time.Until(t.begin.Add(time.Duration(t.passed+1) * t.interval)))
	due := max(int(time.Since(t.begin)/t.interval)-t.passed, 1)
	t.passed += due
	return due, nil
}

func (t *intervalTimer) stop() {}
