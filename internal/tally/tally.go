// Package tally counts frequent events and logs them rarely: the first event of a kind at once,
// then at most one line a minute with the number of events since the last one. An attack is visible
// in the log and cannot fill it.
package tally

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// every is the shortest time between two log lines of one kind.
const every = time.Minute

// Log counts events by kind. It is safe for concurrent use. Make it with [New]; the zero Log is not
// usable.
type Log struct {
	log   *slog.Logger
	text  string // the message of every log line
	every time.Duration
	now   func() time.Time

	mu    sync.Mutex
	kinds map[string]*count
}

type count struct {
	total   int64
	waiting int64 // since the last line
	logged  time.Time
	attrs   []any // of the latest
}

// New returns a Log that writes warnings with the given message.
func New(log *slog.Logger, message string) *Log {
	return &Log{log: log, text: message, every: every, now: time.Now, kinds: map[string]*count{}}
}

// Count counts one event of a kind. Kinds must come from a small fixed set. The attributes are
// logged with the line, if one is written, and must not contain secrets.
func (l *Log) Count(kind string, attrs ...any) {
	l.mu.Lock()
	c := l.kinds[kind]
	if c == nil {
		c = &count{}
		l.kinds[kind] = c
	}
	c.total++
	c.waiting++
	c.attrs = attrs
	line := l.due(kind, c, l.every)
	l.mu.Unlock()
	l.write(line)
}

// Flush writes the lines that are due: for kinds with events since their last line, if that line is
// at least a minute old. The owner calls it regularly, so that the last events of a burst are
// logged, too.
func (l *Log) Flush() { l.flush(l.every) }

// flush writes the lines of kinds with new events whose last line is at least this old.
func (l *Log) flush(after time.Duration) {
	l.mu.Lock()
	var lines [][]any
	for kind, c := range l.kinds {
		lines = append(lines, l.due(kind, c, after))
	}
	l.mu.Unlock()
	for _, line := range lines {
		l.write(line)
	}
}

// Repeat calls do at an interval until ctx ends, and counts its failures as events of a kind. The
// error is nil.
func (l *Log) Repeat(ctx context.Context, interval time.Duration, kind string, do func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			l.Count(kind, "error", err)
		}
		l.Flush()
	}
}

// Run flushes regularly until ctx ends. Then it logs all events that are not logged yet.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(l.every / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(0)
			return nil
		case <-tick.C:
			l.Flush()
		}
	}
}

// Total returns the number of events of a kind.
func (l *Log) Total(kind string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.kinds[kind]; c != nil {
		return c.total
	}
	return 0
}

// Totals returns the number of events by kind.
func (l *Log) Totals() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]int64, len(l.kinds))
	for kind, c := range l.kinds {
		out[kind] = c.total
	}
	return out
}

// due returns the attributes of the line to write for a kind, or nil if none is due.
func (l *Log) due(kind string, c *count, after time.Duration) []any {
	now := l.now()
	if c.waiting == 0 || !c.logged.IsZero() && now.Sub(c.logged) < after {
		return nil
	}
	line := slices.Concat([]any{"kind", kind, "count", c.waiting}, c.attrs)
	c.waiting, c.logged = 0, now
	return line
}

func (l *Log) write(line []any) {
	if line != nil {
		l.log.WarnContext(context.Background(), l.text, line...)
	}
}
