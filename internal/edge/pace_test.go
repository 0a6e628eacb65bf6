package edge_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/b2b-protocol/b2b/internal/edge"
)

// paced returns limits with a least pace of 1 MiB/s. A client that reads 64 KiB every 200 ms is
// slower than that without ever stalling.
func paced() (limits edge.Limits, part int, every time.Duration) {
	limits = short
	limits.Stall, limits.Pace = 2*time.Second, 1<<20
	return limits, 64 << 10, 200 * time.Millisecond
}

// B2B-LIM-045: an authenticated caller must read its response at a pace, unless the response is
// endless. The time that the server needs to produce it does not count.
func TestPaceOfAnswers(t *testing.T) {
	t.Parallel()
	limits, part, every := paced()
	slowly := func(t *testing.T, w *fixture, path string, most int) (got int) {
		conn := w.open(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		for buf := make([]byte, part); got < most; {
			n, err := io.ReadFull(conn, buf)
			if got += n; err != nil {
				break
			}
			time.Sleep(every) // Sleeps: in a bubble.
		}
		return got
	}
	t.Run("too slow", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			cutAt := slowly(t, w, "/large", 64<<20)
			if cutAt >= 8<<20 {
				t.Errorf("%d bytes were taken at 320 KiB/s", cutAt)
			}
			w.waitFor(t, "kind=answer count=1")
			if got := slowly(t, w, "/endless", cutAt*3/2); got < cutAt*3/2 {
				t.Errorf("an answer without an end was cut after %d bytes", got)
			}
		})
	})
	t.Run("fast", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			if got := len(ended(t, w.open(t, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+known+"\r\n"))); got < 64<<20 {
				t.Errorf("%d bytes", got)
			}
		})
	})
	t.Run("slow server", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			if got := len(ended(t, w.open(t, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+known+"\r\n"))); got < 640<<10 {
				t.Errorf("%d bytes", got)
			}
		})
	})
}

// B2B-LIM-045: each HTTP/2 stream must be read at the same pace.
func TestPaceOfAnswersOverHTTP2(t *testing.T) {
	t.Parallel()
	limits, part, every := paced()
	// take opens the window part by part. It returns how many bytes had arrived when the stream was
	// reset, or that it was not reset after this many parts.
	take := func(t *testing.T, w *fixture, path string, most int, every time.Duration) (got int, reset bool) {
		h := w.dialH2(t, uint32(part))
		h.request(1, "GET", path, true, "authorization", "x")
		over := make(chan struct{})
		go func() {
			defer close(over)
			for {
				f, err := h.framer.ReadFrame()
				if err != nil {
					return
				}
				if f.Header().StreamID != 1 {
					continue
				}
				if d, ok := f.(*http2.DataFrame); ok {
					got += len(d.Data())
				}
				if reset = f.Header().Type == http2.FrameRSTStream; reset || f.Header().Flags.Has(http2.FlagDataEndStream) {
					return
				}
			}
		}()
		for range most {
			select {
			case <-over:
				return got, reset
			case <-time.After(every):
			}
			h.check(h.framer.WriteWindowUpdate(0, uint32(part)))
			h.check(h.framer.WriteWindowUpdate(1, uint32(part)))
		}
		h.check(h.conn.Close())
		<-over
		return got, false
	}
	t.Run("too slow", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			got, reset := take(t, w, "/large", 1000, every)
			if !reset || got >= 8<<20 {
				t.Errorf("%d bytes were taken at 320 KiB/s, reset: %v", got, reset)
			}
			w.waitFor(t, "kind=answer count=1")
			if _, reset := take(t, w, "/endless", got*3/2/part, every); reset {
				t.Error("an answer without an end was cut")
			}
		})
	})
	t.Run("fast", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			if got, reset := take(t, w, "/large", 64<<20, 10*time.Microsecond); reset || got != 64<<20 {
				t.Errorf("%d bytes, reset: %v", got, reset)
			}
		})
	})
	t.Run("slow server", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, limits, nil)
			if got, reset := take(t, w, "/slow", 1000, 50*time.Millisecond); reset || got != 640<<10 {
				t.Errorf("%d bytes, reset: %v", got, reset)
			}
		})
	})
}
