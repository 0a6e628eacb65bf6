package webhook

import "time"

// Clock is the time for schedules. Tests replace it.
type Clock interface {
	Now() time.Time
	// AfterFunc calls fn once after d, unless stop is called before.
	AfterFunc(d time.Duration, fn func()) (stop func())
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, fn func()) func() {
	t := time.AfterFunc(d, fn)
	return func() { t.Stop() }
}
