package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/tally"
)

// scripted is an exporter without a network.
type scripted struct {
	respond func(ctx context.Context, n int) error // n: posts before

	mu     sync.Mutex // a test reads while the tracer runs
	spans  []int      // of each post
	at     []time.Time
	closed bool
}

func (s *scripted) post(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	s.mu.Lock()
	n := len(s.spans)
	s.spans, s.at = append(s.spans, len(spans)), append(s.at, time.Now())
	s.mu.Unlock()
	return s.respond(ctx, n)
}

// posted returns the number of spans of each post.
func (s *scripted) posted() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.spans)
}

// times returns when each post was made.
func (s *scripted) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func (s *scripted) close() { s.closed = true }

// queued returns a tracer with a queue for a scripted exporter, and the log.
func queued(e *scripted) (*Tracer, *logtest.Buffer) {
	log := &logtest.Buffer{}
	q := newQueue(nil, slog.New(slog.NewTextHandler(log, nil)))
	q.export, q.lost = e, tally.New(slog.New(slog.NewTextHandler(log, nil)), "traces were not exported")
	t := NewTo(q, Settings{}, "")
	t.queue = q
	return t, log
}

func end(ctx context.Context, t *Tracer, n int) {
	for range n {
		_, s := t.Job(ctx, "job")
		s.End()
	}
}

func accept(context.Context, int) error { return nil }

// TestBatches: full batches are posted at once, the rest after a second, and what is left at the
// end.
func TestBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{respond: accept}
		tracer, log := queued(e)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- tracer.Run(ctx) }()
		end(ctx, tracer, maxBatch+3)
		synctest.Wait()
		if fmt.Sprint(e.posted()) != "[512]" {
			t.Errorf("posted %v at once", e.posted())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if fmt.Sprint(e.posted()) != "[512 3]" {
			t.Errorf("posted %v after a second", e.posted())
		}
		end(ctx, tracer, 2)
		stop()
		if err := <-done; err != nil || fmt.Sprint(e.posted()) != "[512 3 2]" || !e.closed {
			t.Errorf("posted %v until the end (%v), closed %v", e.posted(), err, e.closed)
		}
		if log.String() != "" {
			t.Errorf("logged %s", log)
		}
	})
}

// TestFullQueue: while the collector hangs, spans end without waiting; those beyond the queue are
// dropped, with one warning a minute. When Run ends it waits two seconds at most.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{respond: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return &retryError{err: ctx.Err()}
		}}
		tracer, log := queued(e)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- tracer.Run(ctx) }()
		end(ctx, tracer, maxBatch)
		synctest.Wait() // in the post
		began := time.Now()
		end(ctx, tracer, maxQueue+100)
		if took := time.Since(began); took != 0 {
			t.Errorf("ending spans took %v", took)
		}
		if got := tracer.queue.lost.Total("span dropped: the queue is full"); got != 100 {
			t.Errorf("%d dropped, want 100", got)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("%d lines: %s", n, log)
		}
		stop()
		if err := <-done; err != nil || time.Since(began) != flushTime {
			t.Errorf("ended after %v with %v", time.Since(began), err)
		}
	})
}

// TestRetries: a batch is tried again with growing pauses until the collector accepts it, is
// dropped when that fails for a minute, and at once when the collector refuses it.
func TestRetries(t *testing.T) {
	t.Parallel()
	failing := &retryError{err: errors.New("the collector responded 503")}
	for _, c := range []struct {
		name    string
		respond func(context.Context, int) error
		posts   [2]int // at least and at most
		kind    string // counted
	}{
		{"accepted at the third", func(_ context.Context, n int) error {
			if n < 2 {
				return failing
			}
			return nil
		}, [2]int{3, 3}, "collector failed, trying again"},
		{"never", func(context.Context, int) error { return failing }, [2]int{4, 9}, "batch dropped: the collector fails"},
		{"refused", func(context.Context, int) error { return errors.New("the collector responded 400") }, [2]int{1, 1}, "batch refused by the collector"},
		{"asks for a pause", func(_ context.Context, n int) error {
			if n == 0 {
				return &retryError{errors.New("the collector responded 429"), 40 * time.Second}
			}
			return nil
		}, [2]int{2, 2}, "collector failed, trying again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &scripted{respond: c.respond}
				tracer, log := queued(e)
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- tracer.Run(ctx) }()
				end(ctx, tracer, maxBatch)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if n := len(e.posted()); n < c.posts[0] || n > c.posts[1] {
					t.Errorf("%d posts", n)
				}
				if tracer.queue.lost.Total(c.kind) == 0 {
					t.Errorf("no %q in %s", c.kind, log)
				}
				at := e.times()
				for i := 1; i < len(at); i++ {
					if pause := at[i].Sub(at[i-1]); pause < 500*time.Millisecond {
						t.Errorf("pause of %v", pause)
					}
				}
				if lines := strings.Count(log.String(), "\n"); lines > 4 {
					t.Errorf("%d lines: %s", lines, log)
				}
				stop()
				<-done
			})
		})
	}
}
