package ws

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/accesslog"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/tally"
)

// MaxFrame is the largest frame, in bytes: enough for the largest content of a REST request, with
// parts. A larger frame closes the connection with 1009.
const MaxFrame = 4 << 20

const (
	heartbeat         = 30 * time.Second
	ticksPerHeartbeat = 30 // ticks per heartbeat; each handles a part of the connections
	closeWait         = 5 * time.Second
	maxReplies        = 64 // replies that may wait for the client
)

// Access authenticates callers (package auth).
type Access interface {
	Authenticate(ctx context.Context, c call.Credentials) (*call.Caller, error)
	// Forget drops the cached callers of an org.
	Forget(org string)
}

// Presence is called for connections of bots that authenticated with their token (package
// presence).
type Presence interface {
	Join(ctx context.Context, org, bot string)
	Leave(org, bot string)
}

// Tickets spends tickets (package auth).
type Tickets interface {
	Take(ctx context.Context, text string) (*store.WsTicket, error)
}

// Config configures a Server. Everything but Intake, Heartbeat and Stall is required.
type Config struct {
	Operations []*call.Operation
	Pipeline   *call.Pipeline
	Hub        *eventlog.Hub
	Access     Access
	Presence   Presence
	Store      subscription.Directory
	Tickets    Tickets
	Edge       call.Edge
	Intake     *intake.Budget // for frames; nil: a new one
	Log        *slog.Logger
	AccessLog  *accesslog.Log // of the calls; nil: none
	Heartbeat  time.Duration  // interval of pings; 0 is 30 s. Credentials are checked at every second one.
	Stall      time.Duration  // the longest time without progress of a message; 0 is 30 s
}

// Server serves WebSocket connections until Close.
type Server struct {
	Config
	ops    map[string]*operation
	driver subscription.Driver
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	stats  stats
	cuts   *tally.Log
	failed *tally.Log // connections that failed to open

	mu      sync.Mutex
	clients map[*client]struct{}
	next    int                        // slot of the next client
	payers  map[string]context.Context // by org; see payer
	closed  *subscription.End
}

// New returns a server. It panics if an operation with a WebSocket name has no entry in frames or
// acks; a test finds that.
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
	s := &Server{Config: c, cuts: tally.New(c.Log, "connections cut"), failed: tally.New(c.Log, "connections not opened"), ops: newOperations(c.Operations), clients: map[*client]struct{}{}, payers: map[string]context.Context{}}
	s.driver = subscription.Driver{Log: c.Hub, Directory: c.Store, Now: time.Now, Forget: c.Access.Forget}
	s.stats.seen = map[string]struct{}{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tasks.Go(s.beat)
	return s
}

// IsUpgrade reports whether a request asks for a WebSocket connection.
func IsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// ServeHTTP opens a connection at the path /ws. It returns when the goroutines of the connection
// run.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, refusal := s.admit(r)
	up := &upgrade{ResponseWriter: w}
	opts := &websocket.AcceptOptions{InsecureSkipVerify: true} // the ticket is the credential, not a cookie
	if c != nil {
		opts.OnPongReceived = func(context.Context, []byte) { c.pong() }
	}
	conn, err := websocket.Accept(up, r, opts)
	if err != nil { // Accept has written the response
		if c != nil {
			c.release()
		}
		return
	}
	if c == nil {
		s.refuse(conn, up, refusal)
		return
	}
	up.simplify()
	conn.SetReadLimit(MaxFrame)
	c.conn, c.socket = conn, up.socket
	if refusal := s.add(c); refusal != nil {
		c.release()
		s.refuse(conn, up, refusal)
	}
}

// refuse closes a connection that was refused.
func (s *Server) refuse(conn *websocket.Conn, up *upgrade, e *subscription.End) {
	kill := time.AfterFunc(closeWait, func() { _ = up.socket.Close() }) // the client may not respond to the close frame
	defer kill.Stop()
	s.stats.closed(e)
	code, reason := e.Close()
	if err := conn.Close(websocket.StatusCode(code), reason); err != nil {
		s.Log.Debug("close frame not sent, the refused client is gone", "error", err)
	}
}

// add starts a client, or returns the end if the server is closing.
func (s *Server) add(c *client) *subscription.End {
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

// mostPayers is the number of contexts that payer keeps.
const mostPayers = 10_000

// payer returns a context in which an org is the payer. The connections of the org share it.
func (s *Server) payer(org string) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.payers[org]
	if ctx == nil {
		if len(s.payers) >= mostPayers {
			clear(s.payers)
		}
		ctx = call.OnBehalf(context.Background(), org)
		s.payers[org] = ctx
	}
	return ctx
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

// Close ends every connection for a reason (ServerStopping or ServerRestarting), after its current operation and the reply.
// Connections that are still open when ctx ends are cut. New connections are refused for the
// same reason.
func (s *Server) Close(ctx context.Context, reason subscription.Reason) {
	e := subscription.For(reason)
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

// beat pings every connection once per heartbeat and checks its credential every second heartbeat,
// a few connections per tick. A credential that expires is also checked at the first tick after
// that, which is within a second (B2B-WS-030), so no connection needs a timer.
func (s *Server) beat() {
	tick := time.NewTicker(max(s.Heartbeat/ticksPerHeartbeat, time.Millisecond))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		var expired, due []*client
		now := time.Now().UnixMilli()
		for _, c := range s.all() {
			if c.pace.slow(s.Stall) && c.end(subscription.For(subscription.MessageSlow)) {
				s.cuts.Count("message", "peer", c.ip)
			}
			if c.slot%ticksPerHeartbeat == n%ticksPerHeartbeat {
				c.ping()
			}
			switch {
			case c.sub.Overdue(now):
				expired = append(expired, c)
			case c.slot%(2*ticksPerHeartbeat) == n%(2*ticksPerHeartbeat):
				due = append(due, c)
			}
		}
		s.cuts.Flush()
		s.failed.Flush()
		if check := slices.Concat(expired, due); len(check) > 0 { // first those that must end in time
			s.tasks.Go(func() {
				for _, c := range check {
					c.check(s.ctx)
				}
			})
		}
	}
}
