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

	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	maxHeaders = 16 << 10 // bytes of an answer's head
	keepTime   = 30 * time.Second
	maxKept    = 256      // connections that wait for the next event
	keepBytes  = 16 << 10 // of a buffer that waits with one
)

// sender makes lines. Any number of goroutines may use it.
type sender struct {
	dialers  map[string]dialer // by scheme
	agent    string
	patience time.Duration // how long an attempt may take
	open     atomic.Int64  // connections
}

func newSender(p webhookurl.Policy, version string, patience time.Duration) *sender {
	return &sender{dialers: dialers(p), agent: "b2b-webhook/" + version, patience: patience}
}

// line leads to the receiver of one webhook. Events go there one after another, so it
// has one connection at most, which it keeps for a while, and no goroutine waits at it:
// an exchange is written and read by whoever sends. That is why it is not net/http's
// transport, whose two goroutines for each connection cost more than the exchange;
// what is written and read is net/http's.
//
// One goroutine uses it at a time.
type connection struct {
	sender  *sender
	refusal string // why nothing may be sent; empty: it may
	dial    dialer
	signer  *signer
	request *http.Request // of every attempt, but for what is of the delivery
	head    []byte        // of request, without its end

	conn  net.Conn    // nil: there is none
	stop  func() bool // ends the watch for the end of the sender's context
	in    *bufio.Reader
	left  int       // bytes that may still be read
	until time.Time // when a connection that waits is closed

	// Of the last attempt; room for the next.
	text []byte // what was sent
	body []byte // of the event
}

// line makes the line to an address. What is sent there is signed by signer.
func (s *sender) connection(address string, signer *signer) *connection {
	request, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil || request.URL.Host == "" {
		return &connection{refusal: noURL}
	}
	dial := s.dialers[request.URL.Scheme]
	switch {
	case dial == nil:
		return &connection{refusal: "the address is neither https nor http"}
	case request.URL.User != nil:
		return &connection{refusal: "the address " + webhookurl.WithUser.Error()}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.agent)
	signer.same(request.Header)
	var text bytes.Buffer
	if err := request.Write(&text); err != nil {
		return &connection{refusal: noURL}
	}
	head := bytes.Replace(bytes.TrimSuffix(text.Bytes(), []byte("\r\n")), []byte("Content-Length: 0\r\n"), nil, 1)
	return &connection{sender: s, dial: dial, signer: signer, request: request, head: head}
}

// open sees to it that there is a connection, with the time of one attempt. It is closed
// when ctx ends.
func (c *connection) open(ctx context.Context) error {
	deadline := time.Now().Add(c.sender.patience)
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

// keep lets the connection wait for the next event, if not too many do.
func (c *connection) keep(now time.Time) {
	if c.until = now.Add(keepTime); c.sender.open.Load() > maxKept {
		c.close()
	}
	if cap(c.text) > keepBytes {
		c.text, c.body = nil, nil
	}
}

// close ends the connection, if there is one. What an idle line holds is then small.
func (c *connection) close() {
	c.in, c.text, c.body, c.until = nil, nil, nil, time.Time{}
	if c.conn == nil {
		return
	}
	c.stop()
	_ = c.conn.Close() // nothing that was written is still on its way
	c.conn = nil
	c.sender.open.Add(-1)
}

var errLong = errors.New("webhook: the answer is too long")

// Read reads what may be read of an answer.
func (c *connection) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLong
	}
	n, err := c.conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
