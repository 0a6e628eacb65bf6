package webhook

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

const (
	maxHeaders = 16 << 10 // bytes of the status line and headers of a response
	keepTime   = 30 * time.Second
	maxKept    = 256      // connections of the node, beyond which none is kept open
	keepBytes  = 16 << 10 // of a buffer kept with an idle connection
)

// sender creates connections. Goroutines may share it.
type sender struct {
	dialers map[string]dialer // by scheme
	agent   string
	timeout time.Duration // of one attempt
	open    atomic.Int64  // number of open connections
}

func newSender(p webhookurl.Policy, version string, timeout time.Duration) *sender {
	return &sender{dialers: dialers(p), agent: "b2b-webhook/" + version, timeout: timeout}
}

// connection is a connection to the receiver of one webhook. Events are sent one after another,
// so it has at most one network connection, which it keeps for keepTime. The sending goroutine
// writes the request and reads the response itself. It replaces the transport of net/http, which
// needs two goroutines for each connection, at a higher cost than the exchange. Requests and
// responses are formatted and parsed by net/http.
//
// One goroutine at a time may use it.
type connection struct {
	sender  *sender
	refusal string // reason why nothing may be sent, or empty
	dial    dialer
	headers headerWriter
	request *http.Request // without the headers and body of a delivery
	head    []byte        // of request, without the final line

	conn      net.Conn    // nil: not connected
	stop      func() bool // ends the AfterFunc that closes conn
	in        *bufio.Reader
	left      int       // bytes that may still be read
	idleUntil time.Time // when an idle conn is closed

	// Buffers, reused by the next attempt.
	text []byte // request
	body []byte // of the event
}

// connection returns a connection to the receiver at a URL. headers are those of what is sent.
func (s *sender) connection(address string, headers headerWriter) *connection {
	request, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil || request.URL.Host == "" {
		return &connection{refusal: noURL}
	}
	dial := s.dialers[request.URL.Scheme]
	switch {
	case dial == nil:
		return &connection{refusal: "webhook_url must begin with https:// or http://"}
	case request.URL.User != nil:
		return &connection{refusal: "webhook_url " + webhookurl.WithUser.Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.agent)
	headers.setHeaders(request.Header)
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		return &connection{refusal: noURL}
	}
	head := bytes.Replace(bytes.TrimSuffix(text.Bytes(), []byte("\r\n")), []byte("Content-Length: 0\r\n"), nil, 1)
	return &connection{sender: s, dial: dial, headers: headers, request: request, head: head}
}

// open connects if needed, and sets the deadline of one attempt. The end of ctx closes the
// connection.
func (c *connection) open(ctx context.Context) error {
	deadline := time.Now().Add(c.sender.timeout)
	if c.conn != nil && !alive(c.conn) {
		c.close()
	}
	if c.conn == nil {
		within, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		conn, err := c.dial(within, c.request.URL)
		if err != nil {
			return err
		}
		c.conn, c.stop = conn, context.AfterFunc(ctx, func() { _ = conn.Close() })
		c.in = bufio.NewReader(c)
		c.sender.open.Add(1)
	}
	return c.conn.SetDeadline(deadline)
}

// keep keeps the connection open for the next event, unless the node has too many.
func (c *connection) keep(now time.Time) {
	if c.idleUntil = now.Add(keepTime); c.sender.open.Load() > maxKept {
		c.close()
	}
	if cap(c.text) > keepBytes {
		c.text, c.body = nil, nil
	}
}

// close closes the network connection, if there is one, and frees the buffers.
func (c *connection) close() {
	c.in, c.text, c.body, c.idleUntil = nil, nil, nil, time.Time{}
	if c.conn == nil {
		return
	}
	c.stop()
	_ = c.conn.Close() // all data was sent
	c.conn = nil
	c.sender.open.Add(-1)
}

var errLong = errors.New("webhook: the response is too long")

// Read reads from the network, up to the bytes left for the response.
func (c *connection) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLong
	}
	n, err := c.conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
