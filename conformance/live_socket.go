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

// Socket is a WebSocket connection and what came over it.
type Socket struct {
	*Feed
	conn *websocket.Conn
	wire *heldConn
	refs int
}

// wsTicket makes a ticket.
func (t *T) wsTicket(c Caller) string {
	return t.Do("POST", "/api/ws-ticket", c, nil).OK().Str("ticket")
}

// wsURL is /ws with a query.
func (t *T) wsURL(keyValues ...string) string {
	return "ws" + strings.TrimPrefix(query(t.target.url+"/ws", keyValues...), "http")
}

// dial opens a connection with a ticket or without; the server may close it at once. Keys and values go into the query.
func (t *T) dial(name string, keyValues ...string) *Socket {
	s := t.dialQuiet(name, keyValues...)
	s.listen()
	return s
}

// dialQuiet opens a connection from which nothing is read until [Socket.listen].
func (t *T) dialQuiet(name string, keyValues ...string) *Socket {
	s := &Socket{Feed: newFeed(t, "ws of "+name), wire: &heldConn{}}
	client := &http.Client{Transport: &http.Transport{DialContext: s.wire.dial}}
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, t.wsURL(keyValues...), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		client.CloseIdleConnections()
		s.fatalf("opening: %v", err)
	}
	conn.SetReadLimit(-1)
	s.conn = conn
	s.hang = func() { _ = conn.CloseNow() } // its failure is that the connection is over already
	t.Cleanup(func() { s.hang() })
	return s
}

// listen begins to read.
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
	s.hang = func() {
		_ = s.conn.CloseNow() // its failure is that the connection is over already
		<-done
	}
}

// open opens a connection of the caller and returns when the server has answered a ping over it: what happens from then on must be told.
func (t *T) open(name string, c Caller, keyValues ...string) *Socket {
	s := t.dial(name, append([]string{"ticket", t.wsTicket(c)}, keyValues...)...)
	s.ping()
	return s
}

// ping sends the application's ping and waits for one more pong.
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
		s.fatalf("a ping was not answered")
	}
}

// send sends one frame: [Raw] as it is, anything else as JSON.
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
	ctx, cancel := context.WithTimeout(s.t.ctx, requestTimeout)
	defer cancel()
	if err := s.conn.Write(ctx, kind, text); err != nil {
		s.fatalf("sending %s: %v", clip(string(text), 200), err)
	}
}

// op sends an operation with a ref of its own and returns the ack or error that echoes it. It consumes no events.
func (s *Socket) op(fields J) *Response {
	s.refs++
	ref := fmt.Sprintf("r-%d", s.refs)
	s.send(with(fields, J{"ref": ref}))
	r := s.answer(ref)
	r.request = s.name + " " + clip(show(fields), 200)
	return r
}

// answer waits for the ack or error with a ref.
func (s *Socket) answer(ref any) *Response {
	fr, _ := s.answerAt(ref)
	return s.look(fr)
}

// answerAt is answer with the place of the frame among all.
func (s *Socket) answerAt(ref any) (fr Frame, at int) {
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
		s.fatalf("no answer has the ref %s", show(ref))
	}
	return fr, at
}

// do is op that must be acknowledged.
func (s *Socket) do(fields J) *Response {
	r := s.op(fields)
	if kind, _ := r.find("type"); kind != "ack" {
		r.fatalf("want an ack")
	}
	return r.Equal("result.operation", fields["type"]).Shape("result", "resource_id:s")
}

// refuses is op that must be answered by an error with the code.
func (s *Socket) refuses(code string, fields J) *Response { return s.op(fields).failed(code) }

// failed asserts an error frame: a code and a text.
func (r *Response) failed(code string) *Response {
	if text, ok := r.find("message"); !ok || text == "" || reflect.TypeOf(text).Kind() != reflect.String {
		r.errorf("want a text in message")
	}
	return r.Equal("type", "error").Code(code)
}

// heldConn is a network connection whose writes can be held back and sent in one piece, and which can be made small.
type heldConn struct {
	net.Conn

	mu   sync.Mutex
	held *[]byte // what waits; nil: nothing is held
}

func (c *heldConn) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c.Conn = conn
	return c, nil
}

// Write writes, or keeps the bytes for [heldConn.release].
func (c *heldConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held != nil {
		*c.held = append(*c.held, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// hold keeps what is written from now on.
func (c *heldConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = new([]byte)
}

// release writes what was held in one piece.
func (c *heldConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := *c.held
	c.held = nil
	if _, err := c.Conn.Write(held); err != nil {
		return fmt.Errorf("writing what was held back: %w", err)
	}
	return nil
}

// room sets the size of the receive buffer, in bytes: a small one lets a reader that does not read be felt soon.
func (c *heldConn) room(size int) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("a connection of type %T has no receive buffer", c.Conn)
	}
	if err := tcp.SetReadBuffer(size); err != nil {
		return fmt.Errorf("sizing the receive buffer: %w", err)
	}
	return nil
}
