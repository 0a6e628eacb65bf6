// Package tally counts what happens often and logs it seldom: each kind at once when it
// happens first, then at most once a minute with the number of times since. So an attack
// shows in the log, and cannot fill it.
package tally

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// every is how often one kind is logged at most.
const every = time.Minute

// Log counts by kind. It is safe for concurrent use; the zero Log is not ready, see New.
type Log struct {
	log   *slog.Logger
	text  string // the message of every line
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

// New makes a Log, whose lines are warnings with the given message.
func New(log *slog.Logger, message string) *Log {
	return &Log{log: log, text: message, every: every, now: time.Now, kinds: map[string]*count{}}
}

// Count counts one of a kind, which comes of a small fixed set. The attributes are those
// of the line if there is one, and must hold nothing secret.
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

// Flush logs what was counted and not logged for a minute. Its owner calls it now and
// then, so that the end of a burst is told, too.
func (l *Log) Flush() { l.flush(l.every) }

// flush logs what was counted and not logged for so long.
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

// Run flushes now and then, until ctx ends; then it logs all that was counted.
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

// Total is how often a kind was counted.
func (l *Log) Total(kind string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.kinds[kind]; c != nil {
		return c.total
	}
	return 0
}

// due is the line to write about a kind now, or nil.
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
