package tracing

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/b2b-protocol/b2b/internal/tally"
)

const (
	maxQueue  = 2048 // ended spans that wait to be exported; about 1 KB each
	maxBatch  = 512  // spans of one post
	flushTime = 2 * time.Second
)

// pace is the times of the export.
type pace struct {
	every      time.Duration // between two posts, unless a batch is full
	retry      time.Duration // after the first failure; then twice as long each time
	retryMost  time.Duration
	giveUpPast time.Duration // a batch that failed for so long is dropped
}

func usualPace() pace {
	return pace{every: time.Second, retry: time.Second, retryMost: 30 * time.Second, giveUpPast: time.Minute}
}

// queue is the span processor: it holds ended spans until they are exported. Spans that end while
// it is full are dropped.
type queue struct {
	spans  chan sdktrace.ReadOnlySpan
	export interface {
		post(ctx context.Context, spans []sdktrace.ReadOnlySpan) error
		close()
	}
	lost *tally.Log
	pace pace
}

func newQueue(e *exporter, log *slog.Logger) *queue {
	return &queue{
		spans: make(chan sdktrace.ReadOnlySpan, maxQueue), export: e,
		lost: tally.New(log, "traces were not exported"), pace: usualPace(),
	}
}

// OnStart implements sdktrace.SpanProcessor.
func (q *queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor. It does not wait.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	select {
	case q.spans <- s:
	default:
		q.lost.Count("span dropped: the queue is full")
	}
}

// Shutdown implements sdktrace.SpanProcessor; the end of run is the shutdown.
func (q *queue) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (q *queue) ForceFlush(context.Context) error { return nil }

// run exports until ctx ends, then what is left.
func (q *queue) run(ctx context.Context) error {
	defer q.export.close()
	tick := time.NewTicker(q.pace.every)
	defer tick.Stop()
	batch := make([]sdktrace.ReadOnlySpan, 0, maxBatch)
	for {
		select {
		case <-ctx.Done():
			q.finish(ctx, batch)
			return nil
		case s := <-q.spans:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-tick.C:
			q.lost.Flush()
			if len(batch) == 0 {
				continue
			}
		}
		if q.deliver(ctx, batch) {
			clear(batch)
			batch = batch[:0]
		}
	}
}

// deliver posts a batch until the collector accepts it, refuses it for good, or has failed for too
// long. It reports whether the batch is done; it is not if ctx ended meanwhile.
func (q *queue) deliver(ctx context.Context, batch []sdktrace.ReadOnlySpan) (done bool) {
	wait, end := q.pace.retry, time.Now().Add(q.pace.giveUpPast)
	for {
		err := q.export.post(ctx, batch)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		var again *retryError
		if !errors.As(err, &again) {
			q.lost.Count("batch refused by the collector", "spans", len(batch), "error", err)
			return true
		}
		pause := max(again.after, wait/2+rand.N(wait/2+1))
		if time.Now().Add(pause).After(end) {
			q.lost.Count("batch dropped: the collector fails", "spans", len(batch), "error", err)
			return true
		}
		q.lost.Count("collector failed, trying again", "error", err)
		wait = min(2*wait, q.pace.retryMost)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		q.lost.Flush()
	}
}

// finish posts a batch and the spans in the queue once each, in flushTime.
func (q *queue) finish(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	for {
		for more := true; more && len(batch) < maxBatch; {
			select {
			case s := <-q.spans:
				batch = append(batch, s)
			default:
				more = false
			}
		}
		if len(batch) == 0 {
			break
		}
		if err := q.export.post(ctx, batch); err != nil {
			q.lost.Count("spans dropped: the server stops", "spans", len(batch)+len(q.spans), "error", err)
			break
		}
		batch = batch[:0]
	}
	q.lost.Flush()
}
