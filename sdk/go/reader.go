package b2b

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	openTimeout = 10 * time.Second // for a connection to open (B2B-SDK-023)
	silence     = 60 * time.Second // without anything received, a connection counts as broken
	pingPause   = 25 * time.Second
	stableAfter = 10 * time.Second // a connection that lasted so long ends a series of failures
	longestOpen = 30 * time.Second // the longest random pause before a connection
	usualWait   = 30 * time.Second
	noSocketFor = 10 * time.Minute // after WebSockets were refused
	seenLately  = 1024             // positions
)

// endOfTime is a time after which there are no catch-up rows.
var endOfTime = timestamppb.New(time.UnixMilli(math.MaxInt32 * 1000))

// frame is what a connection receives: an event, or without data a position or a sign of life.
type frame struct {
	data     []byte
	position string
}

// connection receives events. One goroutine reads. Its errors are of the type *end.
type connection interface {
	read() (frame, error)
	close()
}

// reader connects again and again, and pushes what it receives to the queue.
type reader struct {
	client  *Client
	options listenOptions
	queue   *queue

	position string          // after the last item that was pushed; empty: not known yet
	reason   b2bv1.ErrorCode // of the resync that is pushed once the position is known
	seen     recent          // positions of events that were pushed
	blocked  time.Time       // until then no WebSocket is tried
	unproven int             // WebSockets in a row that could not open, or ended without a frame
	streams  bool            // the caller has no catch-up: the first stream says where the present is
	failures int             // in a row
	ready    bool            // a connection was open
	again    time.Time       // of the last reconnect without a pause
}

// run returns the error with which the listener ends.
func (r *reader) run(ctx context.Context) error {
	for {
		opened, err := r.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e := endOf(err, false)
		if e.action == stop {
			return e.err
		}
		if !opened.IsZero() && time.Since(opened) >= stableAfter {
			r.failures = 0
		}
		if !opened.IsZero() {
			r.judgeSockets(err)
		}
		pause := r.pause(e)
		r.options.notice(fmt.Errorf("b2b: listening is interrupted, next attempt in %v: %w", pause.Round(time.Millisecond), e.err))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// judgeSockets decides after a WebSocket failed or ended whether they are tried again
// (B2B-SDK-024). After 429 and 5xx, and after one without a frame, they may work the next time. It
// returns false if they are not.
func (r *reader) judgeSockets(err error) (again bool) {
	var no *noSocketError
	if !errors.As(err, &no) {
		r.unproven = 0
		return true
	}
	if r.unproven++; r.unproven < 2 && (no.status == 0 || no.status >= http.StatusTooManyRequests) {
		return true
	}
	r.blocked = time.Now().Add(noSocketFor)
	return false
}

// pause returns how long to wait after an end, and counts failures (B2B-SDK-020, B2B-SDK-021).
func (r *reader) pause(e *end) time.Duration {
	now := time.Now()
	switch {
	case e.action == resync:
		r.position, r.reason = "", DetailOf(e.err).GetCode()
		r.failures++
		if r.failures == 1 {
			return 0
		}
	case e.action == reconnect && now.Sub(r.again) >= stableAfter:
		r.again = now
		return 0
	case e.action == wait && e.pause == 0:
	default:
		r.failures++
	}
	return pauseOf(e, r.failures)
}

// pauseOf returns how long to wait after an end, the last of some failures in a row (B2B-SDK-021).
func pauseOf(e *end, failures int) time.Duration {
	switch {
	case e.pause > 0:
		return lengthen(min(e.pause, retryAfterMax)) // a date of another clock must not end the listening
	case e.action == wait:
		return lengthen(usualWait)
	}
	return jitter(min(time.Second<<min(failures-1, 10), longestOpen))
}

// connect opens a connection and reads it to its end. It returns when the connection was open, and
// how it ended.
func (r *reader) connect(ctx context.Context) (opened time.Time, err error) {
	if r.position == "" && !r.streams {
		if err := r.begin(ctx); err != nil {
			return opened, err
		}
	}
	conn, err := r.open(ctx)
	if err != nil {
		return opened, err
	}
	defer conn.close()
	opened = time.Now()
	if !r.ready {
		r.ready = true
		r.options.ready()
	}
	for {
		f, err := conn.read()
		if err != nil {
			return opened, err
		}
		r.unproven = 0
		if err := r.push(ctx, f); err != nil {
			return opened, err
		}
	}
}

// begin finds the position of the present.
func (r *reader) begin(ctx context.Context) error {
	position, err := r.client.Present(once(ctx))
	if CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN { // an org admin has no catch-up
		r.streams = true
		return nil
	}
	if err != nil {
		return endOf(err, false)
	}
	if position == "" {
		return &end{action: backOff, err: errors.New("b2b: the server did not say where the present is")}
	}
	return r.arrive(ctx, position)
}

// arrive pushes the position at which the listener begins, or begins again.
func (r *reader) arrive(ctx context.Context, position string) error {
	i := item{position: position}
	if r.reason != 0 {
		i.event = &Event{Type: Resync, Position: position, Reason: r.reason}
	}
	r.position, r.reason, r.seen = position, 0, recent{}
	return r.queue.push(ctx, i)
}

func (r *reader) push(ctx context.Context, f frame) error {
	if r.position == "" && f.position != "" {
		return r.arrive(ctx, f.position)
	}
	if f.data == nil {
		if f.position == "" || f.position == r.position {
			return nil
		}
		r.position = f.position
		return r.queue.push(ctx, item{position: f.position})
	}
	event, err := ParseEvent(f.data)
	if err != nil {
		return &end{action: backOff, err: err}
	}
	switch event.Type {
	case "pong", "ack", "error": // replies, which are no events
		return nil
	}
	if event.Position != "" {
		if !r.seen.add(event.Position) {
			return nil
		}
		r.position = event.Position
	}
	return r.queue.push(ctx, item{event: event, position: event.Position})
}

// open opens a WebSocket, or a stream where WebSockets do not work (B2B-SDK-024).
func (r *reader) open(ctx context.Context) (connection, error) {
	switch r.options.transport {
	case AnyTransport:
		if !r.streams && !time.Now().Before(r.blocked) {
			break
		}
		return r.client.openStream(ctx, r.position)
	case ServerSentEvents:
		return r.client.openStream(ctx, r.position)
	}
	conn, err := r.client.openSocket(ctx, r.position)
	if err == nil || r.options.transport == WebSocket {
		return conn, err
	}
	if errors.As(err, new(*end)) || r.judgeSockets(err) {
		return nil, err
	}
	r.options.notice(fmt.Errorf("b2b: listening goes on with server-sent events: %w", err))
	return r.client.openStream(ctx, r.position)
}

// recent has the last positions of events.
type recent struct {
	has  map[string]bool
	list []string
	at   int
}

// add reports whether a position is not among the last.
func (r *recent) add(position string) bool {
	if r.has[position] {
		return false
	}
	if r.has == nil {
		r.has = make(map[string]bool, seenLately)
	}
	if len(r.list) < seenLately {
		r.list = append(r.list, position)
	} else {
		delete(r.has, r.list[r.at])
		r.list[r.at] = position
		r.at = (r.at + 1) % seenLately
	}
	r.has[position] = true
	return true
}
