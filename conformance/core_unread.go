package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// unreadBody sends calls with a body that begins wrong, and that goes on with what looks like other
// requests. A server stops reading such a body. A request behind the body may be answered.
func unreadBody(t *T) {
	o := t.Org()
	fake := t.rawRequest("GET", "/api/org", o.Admin, nil, "")
	last := t.rawRequest("GET", "/api/me", o.Admin, []Option{Header("Connection", "close")}, "")
	if got := t.statuses(fake+last, 2); len(got) != 2 || got[0] != http.StatusOK || got[1] != http.StatusOK {
		t.Fatalf("two requests at once got the statuses %v, want 200 for each", got)
	}
	rest := strings.Repeat(fake, 1<<20/len(fake))
	for _, c := range []struct{ path, kind, begin string }{
		{"/b2b.v1.EventService/Subscribe", "application/connect+json", "\x00\x00\x00\x00\x02{]"},
		{"/b2b.v1.FileService/UploadFile", "application/connect+json", "\x00\x00\x00\x00\x02{]"},
		{procedure, "application/json", "{]"},
		{"/api/send", "application/json", "{]"},
		{"/api/files/upload", "application/json", "{]"},
		{"/api/nowhere", "text/plain", ""},
	} {
		for name, caller := range map[string]Caller{"an admin": o.Admin, "nobody": nil} {
			text := t.rawRequest("POST", c.path, caller, []Option{Header("Content-Type", c.kind)}, c.begin+rest) + last
			if got := t.statuses(text, 3); len(got) > 2 {
				t.Errorf("%s of %s with an unread body got the statuses %v, as if the body were requests", c.path, name, got)
			}
		}
	}
}

// rawRequest returns the text of a request over HTTP/1.1.
func (t *T) rawRequest(method, path string, c Caller, opts []Option, body string) string {
	header := http.Header{}
	if c != nil {
		c.authorize(header)
	}
	for _, opt := range opts {
		opt(header)
	}
	if body != "" {
		header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", method, t.target.base.EscapedPath(), path, t.target.base.Host)
	if err := header.Write(&text); err != nil {
		t.Fatalf("writing a header: %v", err)
	}
	text.WriteString("\r\n" + body)
	return text.String()
}

// statuses sends text over a new connection, and returns the statuses of the responses until the
// connection ends, most at most.
func (t *T) statuses(text string, most int) (got []int) {
	ctx, cancel := context.WithTimeout(t.ctx, t.patient(requestTimeout))
	defer cancel()
	conn, err := t.target.dial(ctx)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends reads and writes
	defer func() {
		stop()
		_ = conn.Close()
	}()
	sending.Go(func() { _, _ = io.WriteString(conn, text) }) // the server may close the connection early
	for r := bufio.NewReader(conn); len(got) < most; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		got = append(got, res.StatusCode)
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			break
		}
	}
	if err := ctx.Err(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the connection neither ended nor had a response within %v", t.patient(requestTimeout))
	}
	return got
}

// dial opens a connection to the server.
func (tg *target) dial(ctx context.Context) (net.Conn, error) {
	host, port := tg.base.Hostname(), tg.base.Port()
	if tg.base.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		d := tls.Dialer{Config: &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}}}
		return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if port == "" {
		port = "80"
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}
