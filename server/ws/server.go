package ws

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/intake"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/tally"
)

// MaxFrame is how large a frame may be, in bytes: room for the largest content that
// REST takes, with parts. A larger one closes the connection with 1009.
const MaxFrame = 4 << 20

const (
	heartbeat = 30 * time.Second
	slices30  = 30 // a heartbeat is spread over as many ticks
	closeWait = 5 * time.Second
	maxAnswer = 64 // answers that may wait for the client
	// tryAgain is when a credential is looked at again that could not be looked at.
	tryAgain = 5 * time.Second
)

// Access is what the binding asks of the holder of identities (package auth).
type Access interface {
	Authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error)
	Forget(org string)
}

// Presence hears of the connections of bots that used their token (package presence).
type Presence interface {
	Join(ctx context.Context, org, bot string)
	Leave(org, bot string)
}

// Store is what the binding asks of the store: a store.Store.
type Store interface {
	Org(ctx context.Context, id string) (*store.Org, error)
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
}

// Tickets spends tickets (package auth).
type Tickets interface {
	Take(ctx context.Context, text string) (*store.WsTicket, error)
}

// Config is what a Server works with. All is needed but Intake, Heartbeat and Stall.
type Config struct {
	Operations []*call.Operation
	Pipeline   *call.Pipeline
	Hub        *eventlog.Hub
	Access     Access
	Presence   Presence
	Store      Store
	Tickets    Tickets
	Edge       call.Edge
	Intake     *intake.Budget // of frames; nil: one of its own
	Log        *slog.Logger
	Heartbeat  time.Duration // between two pings of a connection; 0 is 30 s. Credentials are looked at every other time.
	Stall      time.Duration // how long a message under way may stand still; 0 is 30 s
}

// Server takes WebSocket connections. Close ends it.
type Server struct {
	Config
	ops    map[string]*operation
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	stats  stats
	cuts   *tally.Log
	failed *tally.Log // what the server could not do

	mu        sync.Mutex
	clients   map[*client]struct{}
	next      int // slot of the next client
	closed    *ending
	forgotten map[string]*eventlog.Item // by org: the last change of access that was dealt with
}

// New makes a server. It panics on operations that the binding does not know how to
// acknowledge, which the tests meet before any user does.
func New(c Config) *Server {
	if c.Heartbeat <= 0 {
		c.Heartbeat = heartbeat
	}
	if c.Stall <= 0 {
		c.Stall = stall
	}
	if c.Intake == nil {
		c.Intake = intake.New(intake.Sizes{}, nil)
	}
	s := &Server{Config: c, cuts: tally.New(c.Log, "connections cut"), failed: tally.New(c.Log, "connections not opened"), ops: newOperations(c.Operations), clients: map[*client]struct{}{}, forgotten: map[string]*eventlog.Item{}}
	s.stats.seen = map[string]struct{}{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tasks.Go(s.beat)
	return s
}

// IsUpgrade tells whether a request asks for a WebSocket connection.
func IsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// ServeHTTP takes a connection: the path is /ws. It returns as soon as the connection
// stands on its own.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, refusal := s.admit(r)
	up := &upgrade{ResponseWriter: w}
	opts := &websocket.AcceptOptions{InsecureSkipVerify: true} // the ticket is the credential, not a cookie
	if c != nil {
		opts.OnPongReceived = func(context.Context, []byte) { c.alive.Store(true) }
	}
	conn, err := websocket.Accept(up, r, opts)
	if err != nil { // the answer is written
		if c != nil {
			c.release()
		}
		return
	}
	if c == nil {
		s.turnAway(conn, up, refusal)
		return
	}
	conn.SetReadLimit(MaxFrame)
	c.conn, c.socket = conn, up.socket
	if refusal := s.add(c); refusal != nil {
		c.release()
		s.turnAway(conn, up, refusal)
	}
}

// turnAway closes a connection that has not begun.
func (s *Server) turnAway(conn *websocket.Conn, up *upgrade, e *ending) {
	kill := time.AfterFunc(closeWait, func() { _ = up.socket.Close() }) // a client that does not answer the close frame
	defer kill.Stop()
	if err := conn.Close(e.code, e.reason); err != nil {
		s.Log.Debug("a connection that was refused is gone", "error", err)
	}
}

// add lets a client begin, or tells why it must not.
func (s *Server) add(c *client) *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return s.closed
	}
	s.clients[c] = struct{}{}
	c.slot = s.next
	s.next++
	s.stats.connected(c)
	c.writer = c.write
	c.wake = func() {
		s.tasks.Add(1)
		go c.writer()
	}
	s.tasks.Add(1)
	go c.read()
	c.wake()
	return nil
}

func (s *Server) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

func (s *Server) all() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		out = append(out, c)
	}
	return out
}

// Close ends every connection with a close frame of the code and reason, after the
// operation that it is at and its answer. Those that are not done when ctx ends are
// cut off. New ones are refused with the same frame.
func (s *Server) Close(ctx context.Context, code int, reason string) {
	e := &ending{websocket.StatusCode(code), reason}
	s.mu.Lock()
	s.closed = e
	s.mu.Unlock()
	clients := s.all()
	done := make(chan struct{})
	for _, c := range clients {
		s.tasks.Go(func() { c.drain(e) })
	}
	s.cancel()
	go func() {
		s.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	for _, c := range clients {
		c.cut()
	}
	<-done
}

// beat pings every connection once in a heartbeat and looks at its credential once in
// two, a few connections at a time. A credential with a time of its own is looked at, too,
// at the first tick behind it, which is within a second (B2B-WS-030): so no connection has
// a timer.
func (s *Server) beat() {
	tick := time.NewTicker(max(s.Heartbeat/slices30, time.Millisecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		var check []*client
		now := time.Now().UnixMilli()
		for _, c := range s.all() {
			if c.pace.slow(s.Stall) && c.end(endSlowMessage) {
				s.cuts.Count("message", "peer", c.ip)
			}
			if c.slot%slices30 == n%slices30 {
				c.ping()
			}
			if c.overdue(now) || c.slot%(2*slices30) == n%(2*slices30) {
				check = append(check, c)
			}
		}
		s.cuts.Flush()
		s.failed.Flush()
		if len(check) > 0 {
			s.tasks.Go(func() {
				for _, c := range check {
					c.check(s.ctx)
				}
			})
		}
	}
}

// forget makes the identities of an org be read anew, once for each change of access.
// On the node of the change that has happened already; on the others it is the log
// that tells.
func (s *Server) forget(org string, change *eventlog.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgotten[org] != change {
		s.Access.Forget(org)
		s.forgotten[org] = change
	}
}
