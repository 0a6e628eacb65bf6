package tally

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLogsOnceAMinute(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	l := New(slog.New(slog.NewTextHandler(&out, nil)), "connections cut")
	l.now = func() time.Time { return now }
	lines := func() []string {
		text := strings.TrimSpace(out.String())
		out.Reset()
		if text == "" {
			return nil
		}
		return strings.Split(text, "\n")
	}

	for range 5 {
		l.Count("body", "peer", "10.0.0.1")
	}
	l.Count("headers")
	got := lines()
	if len(got) != 2 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], `msg="connections cut" kind=body count=1 peer=10.0.0.1`) ||
		!strings.Contains(got[1], "kind=headers count=1") {
		t.Fatalf("the first of each kind: %q", got)
	}
	now = now.Add(59 * time.Second)
	l.Count("body")
	l.Flush()
	if got := lines(); got != nil {
		t.Fatalf("within a minute: %q", got)
	}
	now = now.Add(time.Second)
	l.Flush()
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "kind=body count=5") {
		t.Fatalf("after a minute: %q", got)
	}
	now = now.Add(time.Hour)
	l.Flush()
	if got := lines(); got != nil {
		t.Fatalf("nothing more was counted: %q", got)
	}
	if n := l.Total("body"); n != 6 {
		t.Errorf("total %d, want 6", n)
	}
}
