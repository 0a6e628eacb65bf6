package ws_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/internal/ws"
)

// B2B-LIM-042: a message must make progress once it has begun; between messages there is no limit.
func TestUnfinishedMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Buffer
		w := newFixture(t, func(c *ws.Config) {
			c.Heartbeat, c.Stall = time.Minute, 500*time.Millisecond
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		quiet, slow := w.open(w.bob.token), w.open(w.ann.token)
		half, err := slow.conn.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := half.Write([]byte(`{"x":"` + strings.Repeat("x", 64<<10))); err != nil {
			t.Fatal(err)
		}
		slow.closed(1008, "The message came too slowly")
		const line = `level=WARN msg="connections cut" kind=message count=1`
		waittest.Until(t, "the log has "+line, func() bool { return strings.Contains(log.String(), line) })
		quiet.ping() // it was idle for as long
	})
}

// A slow message that makes progress is accepted: 256 KiB in 1.5 s.
func TestSlowMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, func(c *ws.Config) { c.Heartbeat, c.Stall = 10*time.Second, time.Second })
		s := w.open(w.ann.token)
		whole, err := s.conn.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) {
			if _, err := whole.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		write(`{"type":"ping","x":"`)
		for range 15 {
			write(strings.Repeat("x", 17<<10))
			time.Sleep(100 * time.Millisecond)
		}
		write(`"}`)
		if err := whole.Close(); err != nil {
			t.Fatal(err)
		}
		s.wants("pong")
	})
}
