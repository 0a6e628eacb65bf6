package b2b

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// stream is a stream of server-sent events.
type stream struct {
	body    io.ReadCloser
	lines   *bufio.Reader
	largest int // event, in bytes
	cancel  context.CancelCauseFunc
	ctx     context.Context
	watch   *time.Timer // ends ctx after a silence
}

var errNotOpened = fmt.Errorf("b2b: no response within %v", openTimeout)

// openStream opens a stream of events.
func (c *Client) openStream(ctx context.Context, position string) (connection, error) {
	address := c.config.url + "/api/events"
	if position != "" {
		address += "?cursor=" + url.QueryEscape(position)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(openTimeout, func() { cancel(errNotOpened) })
	s, err := c.startStream(ctx, address)
	if err != nil {
		watch.Stop()
		err = endOf(err, false)
		cancel(err)
		return nil, err
	}
	s.ctx, s.cancel, s.largest = ctx, cancel, c.config.frame
	if watch.Stop() {
		s.watch = time.AfterFunc(silence, func() { cancel(errSilent) })
	} else {
		s.watch = watch // it ends the stream
	}
	return s, nil
}

func (c *Client) startStream(ctx context.Context, address string) (*stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("b2b: open a stream: %w", err)
	}
	c.config.bearer.set(req.Header)
	req.Header.Set("Accept", "text/event-stream")
	res, err := c.config.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("b2b: open a stream: %w", cause(ctx, err))
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusOK && kind == "text/event-stream" {
		return &stream{body: res.Body, lines: bufio.NewReaderSize(res.Body, 64<<10)}, nil
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what was read of an error explains enough
	if err := parseError(text); err != nil && res.StatusCode != http.StatusOK {
		e := endOf(err, false)
		if CodeOf(err) == 0 { // of a later server
			e.action = ofStatus(res.StatusCode)
		}
		return nil, e
	}
	return nil, &end{
		action: ofStatus(res.StatusCode), pause: parseRetryAfter(res.Header.Get("Retry-After")),
		err: fmt.Errorf("b2b: a stream of events was refused with the status %d and the content type %q", res.StatusCode, kind),
	}
}

// ofStatus returns what to do after a status without a code that is known.
func ofStatus(status int) action {
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		return stop
	}
	return backOff
}

func (s *stream) read() (frame, error) {
	s.watch.Reset(silence)
	defer s.watch.Stop() // the consumer may take its time
	f, kind := frame{}, ""
	for size := 0; ; {
		line, err := readLine(s.lines, s.largest-size)
		if errors.Is(err, errTooLong) {
			err = &TooLargeError{Limit: s.largest, what: "an event"}
		}
		if err != nil {
			return frame{}, s.broken(err)
		}
		size += len(line)
		s.watch.Reset(silence)
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) > 0 && string(name) == "id":
			f.position = string(value)
		case len(line) > 0 && string(name) == "event":
			kind = string(value)
		case len(line) > 0 && string(name) == "data":
			f.data = value // the server writes one line
		case len(line) > 0: // a comment, or the field retry
		case f.data != nil && (kind == "error" || kind == "resume"):
			return frame{}, streamEnd(kind, f.data)
		default:
			return f, nil
		}
	}
}

// streamEnd returns the end that the last event of a stream announces (B2B-EVT-037).
func streamEnd(kind string, data []byte) *end {
	err := parseError(data)
	if err == nil {
		err = errors.New("b2b: the stream ended with an error without a code")
	}
	e := endOf(err, true)
	if kind == "resume" {
		e.action = reconnect
		if e.pause > 0 {
			e.action = backOff
		}
	}
	return e
}

func (s *stream) broken(err error) error {
	return &end{action: backOff, err: fmt.Errorf("b2b: a stream of events broke: %w", cause(s.ctx, err))}
}

func (s *stream) close() {
	s.watch.Stop()
	s.cancel(context.Canceled)
	_ = s.body.Close() // it may have failed already
}
