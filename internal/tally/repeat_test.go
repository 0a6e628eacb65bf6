package tally

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestRepeat: Repeat goes on after a failure, which it counts, and ends with its context without
// counting what that made fail.
func TestRepeat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, nil)), "not stored")
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := l.Repeat(ctx, time.Millisecond, "update", func(ctx context.Context) error {
		switch calls++; calls {
		case 1, 2:
			return errors.New("no database")
		case 3:
			return nil
		}
		cancel()
		return ctx.Err()
	})
	if err != nil || calls != 4 || l.Total("update") != 2 {
		t.Errorf("%v after %d calls and %d failures, want 4 and 2", err, calls, l.Total("update"))
	}
	if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `msg="not stored" kind=update count=1 error="no database"`) {
		t.Errorf("logged %s", text)
	}
}
