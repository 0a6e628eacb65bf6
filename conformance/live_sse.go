package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Stream is an event stream with the events that it received.
type Stream struct {
	*Feed
	Header http.Header
}

// stream opens GET /api/events and returns when the server has sent the first comment, from which
// on the stream is live.
func (t *T) stream(name string, c Caller, keyValues []string, opts ...Option) *Stream {
	s, refused := t.tryStream(name, c, keyValues, opts...)
	if s == nil {
		t.Fatalf("%s", refused)
	}
	return s
}

// tryStream opens a stream that the server may reject. Then it returns nil and the response as
// text.
func (t *T) tryStream(name string, c Caller, keyValues []string, opts ...Option) (open *Stream, refused string) {
	return t.openStream(name, c, "GET", query("/api/events", keyValues...), "", opts...)
}

// inboxStream opens POST /api/inbox/stream, and returns when the server has sent the first comment.
func (t *T) inboxStream(c *Bot, fields J) *Stream {
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatalf("encoding %v: %v", fields, err)
	}
	s, refused := t.openStream("the inbox of "+c.Name, c, "POST", "/api/inbox/stream", string(body))
	if s == nil {
		t.Fatalf("%s", refused)
	}
	return s
}

// openStream opens a stream that the server may reject, with a JSON body if that is not empty, and
// returns when the server has sent the first comment.
func (t *T) openStream(name string, c Caller, method, path, body string, opts ...Option) (open *Stream, refused string) {
	s, refused := t.connectStream(name, c, method, path, body, opts...)
	if s != nil && !s.await(func() bool { return s.heartbeats > 0 }) {
		s.fatalf("the stream does not begin with a comment")
	}
	return s, refused
}

// connectStream is openStream for streams that need not begin with a comment.
func (t *T) connectStream(name string, c Caller, method, path, body string, opts ...Option) (open *Stream, refused string) {
	s := &Stream{Feed: newFeed(t, "stream of "+name)}
	ctx, cancel := context.WithCancel(t.ctx)
	req, err := http.NewRequestWithContext(ctx, method, t.target.url+path, strings.NewReader(body))
	if err != nil {
		cancel()
		t.Fatalf("making %s %s: %v", method, path, err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "text/event-stream")
	if c != nil {
		c.authorize(req.Header)
	}
	for _, o := range opts {
		o(req.Header)
	}
	res, err := t.target.client.Do(req)
	if err != nil {
		cancel()
		t.Fatalf("%s %s: %v", method, path, err)
	}
	done := make(chan struct{})
	s.Header = res.Header
	s.disconnect = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.disconnect)
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // only for the message
		_ = res.Body.Close()                                 // an error here has no effect
		close(done)
		return nil, fmt.Sprintf("%s %s → %d %s", method, path, res.StatusCode, text)
	}
	go func() {
		defer close(done)
		defer func() { _ = res.Body.Close() }() // an error here has no effect
		if err := s.parse(res.Body); err != nil {
			s.end(0, err.Error())
			return
		}
		s.end(0, "the server ended the stream")
	}()
	return s, ""
}

// endsWith waits until the stream ends and asserts the code of the error that it ends with.
func (s *Stream) endsWith(code string) {
	s.ends()
	all := s.all()
	if len(all) == 0 || all[len(all)-1].Event != "error" && all[len(all)-1].Event != "resume" {
		s.errorf("ended without an event error or resume, want %s", code)
	} else if last := all[len(all)-1]; last.str("code") != code {
		s.errorf("ended with %s, want the code %s", last.Raw, code)
	}
}

// parse reads server-sent events to the end of the stream and adds them to the feed.
func (s *Stream) parse(r io.Reader) error {
	lines := bufio.NewReader(r)
	var fr Frame
	var data []string
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the stream: %w", err)
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				full := newFrame(strings.Join(data, "\n"))
				full.ID, full.Event = fr.ID, fr.Event
				s.add(full)
			}
			fr, data = Frame{}, nil
		case field == "":
			s.change(func() { s.heartbeats++ })
		case field == "data":
			data = append(data, value)
		case field == "id":
			fr.ID = value
		case field == "event":
			fr.Event = value
		}
	}
}
