package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

// Socket is a WebSocket connection with the frames that it received.
type Socket struct {
	*Feed
	conn *websocket.Conn
	wire *controlledConn
	refs int
}

// wsTicket creates a connection ticket.
func (t *T) wsTicket(c Caller) string {
	return t.Do("POST", "/api/ws-ticket", c, nil).OK().Str("ticket")
}

// wsURL returns the URL of /ws with a query.
func (t *T) wsURL(keyValues ...string) string {
	return "ws" + strings.TrimPrefix(query(t.target.url+"/ws", keyValues...), "http")
}

// dial opens a connection, which the server may close at once. Keys and values are the query.
func (t *T) dial(name string, keyValues ...string) *Socket {
	s := t.dialQuiet(name, keyValues...)
	s.listen()
	return s
}

// dialQuiet opens a connection that is not read until [Socket.listen].
func (t *T) dialQuiet(name string, keyValues ...string) *Socket {
	s := &Socket{Feed: newFeed(t, "ws of "+name), wire: &controlledConn{}}
	client := &http.Client{Transport: &http.Transport{DialContext: s.wire.dial}}
	ctx, cancel := context.WithTimeout(t.ctx, t.patient(requestTimeout))
	defer cancel()
	conn, _, err := websocket.Dial(ctx, t.wsURL(keyValues...), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		client.CloseIdleConnections()
		s.fatalf("opening: %v", err)
	}
	conn.SetReadLimit(-1)
	s.conn = conn
	s.disconnect = func() { _ = conn.CloseNow() } // it may be closed already
	t.Cleanup(func() { s.disconnect() })
	return s
}

// listen starts to read.
func (s *Socket) listen() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			kind, text, err := s.conn.Read(s.t.ctx)
			if err != nil {
				var ce websocket.CloseError
				if errors.As(err, &ce) {
					s.end(int(ce.Code), ce.Reason)
				} else {
					s.end(0, err.Error())
				}
				return
			}
			if kind != websocket.MessageText {
				s.errorf("the server sent a frame that is not text")
			}
			s.add(newFrame(string(text)))
		}
	}()
	s.disconnect = func() {
		_ = s.conn.CloseNow() // it may be closed already
		<-done
	}
}

// open opens a connection of the caller and waits for the reply to a ping. The connection must
// receive all later events.
func (t *T) open(name string, c Caller, keyValues ...string) *Socket {
	s := t.dial(name, append([]string{"ticket", t.wsTicket(c)}, keyValues...)...)
	s.ping()
	return s
}

// ping sends a ping frame of the protocol and waits for a pong.
func (s *Socket) ping() {
	count := func() (n int) {
		for _, fr := range s.frames {
			if fr.kind() == "pong" {
				n++
			}
		}
		return n
	}
	s.mu.Lock()
	before := count()
	s.mu.Unlock()
	s.send(J{"type": "ping"})
	if !s.await(func() bool { return count() > before }) {
		s.fatalf("received no pong")
	}
}

// send sends one frame: [Raw] unchanged, anything else as JSON.
func (s *Socket) send(v any) { s.sendAs(websocket.MessageText, v) }

func (s *Socket) sendAs(kind websocket.MessageType, v any) {
	text := []byte(nil)
	if raw, ok := v.(Raw); ok {
		text = []byte(raw)
	} else {
		var err error
		if text, err = json.Marshal(v); err != nil {
			s.fatalf("encoding a frame: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(s.t.ctx, s.t.patient(requestTimeout))
	defer cancel()
	if err := s.conn.Write(ctx, kind, text); err != nil {
		s.fatalf("sending %s: %v", clip(string(text), 200), err)
	}
}

// op sends an operation with a new ref and returns the ack or error with that ref. It consumes no
// events.
func (s *Socket) op(fields J) *Response {
	s.refs++
	ref := fmt.Sprintf("r-%d", s.refs)
	s.send(with(fields, J{"ref": ref}))
	r := s.reply(ref)
	r.request = s.name + " " + clip(show(fields), 200)
	return r
}

// reply waits for the ack or error with a ref.
func (s *Socket) reply(ref any) *Response {
	fr, _ := s.replyAt(ref)
	return s.asResponse(fr)
}

// replyAt is reply, and also returns the index of the frame.
func (s *Socket) replyAt(ref any) (fr Frame, at int) {
	want := normal(ref)
	found := s.await(func() bool {
		for at = 0; at < len(s.frames); at++ {
			if fr = s.frames[at]; (fr.kind() == "ack" || fr.kind() == "error") && reflect.DeepEqual(fr.JSON["ref"], want) {
				return true
			}
		}
		return false
	})
	if !found {
		s.fatalf("received no reply with the ref %s", show(ref))
	}
	return fr, at
}

// do sends an operation, which must get an ack.
func (s *Socket) do(fields J) *Response {
	r := s.op(fields)
	if kind, _ := r.find("type"); kind != "ack" {
		r.fatalf("want an ack")
	}
	return r.Equal("result.operation", fields["type"]).Shape("result", "resource_id:s")
}

// refuses sends an operation, which must get an error with the code.
func (s *Socket) refuses(code string, fields J) *Response { return s.op(fields).failed(code) }

// failed asserts an error frame with a code and a text.
func (r *Response) failed(code string) *Response {
	if text, ok := r.find("message"); !ok || text == "" || reflect.TypeOf(text).Kind() != reflect.String {
		r.errorf("want a text in message")
	}
	return r.Equal("type", "error").Code(code)
}

// controlledConn is a network connection that can delay writes and send them as one, and can limit
// its receive buffer.
type controlledConn struct {
	net.Conn

	mu      sync.Mutex
	delayed *[]byte // the delayed bytes; nil: writes are not delayed
}

func (c *controlledConn) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c.Conn = conn
	return c, nil
}

// Write writes the bytes, or keeps them for [controlledConn.sendDelayed].
func (c *controlledConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.delayed != nil {
		*c.delayed = append(*c.delayed, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// delayWrites keeps all following writes.
func (c *controlledConn) delayWrites() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delayed = new([]byte)
}

// sendDelayed writes the delayed bytes in one write and stops delaying.
func (c *controlledConn) sendDelayed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delayed := *c.delayed
	c.delayed = nil
	if _, err := c.Conn.Write(delayed); err != nil {
		return fmt.Errorf("writing the delayed bytes: %w", err)
	}
	return nil
}

// setReceiveBuffer sets the size of the receive buffer in bytes. With a small one, the server soon
// notices a client that does not read.
func (c *controlledConn) setReceiveBuffer(size int) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("a connection of type %T has no receive buffer", c.Conn)
	}
	if err := tcp.SetReadBuffer(size); err != nil {
		return fmt.Errorf("sizing the receive buffer: %w", err)
	}
	return nil
}
