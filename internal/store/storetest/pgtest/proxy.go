package pgtest

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy is a way to a database that can go silent, as a network that is cut off or a
// server that is frozen: its connections stay open, and nothing comes through.
type Proxy struct {
	URL string // the database behind it

	listener net.Listener
	server   func() (net.Conn, error)
	tasks    sync.WaitGroup
	mu       sync.Mutex
	closed   bool
	silent   bool // for new connections
	lose     int  // the message of a client, from here on, of which the answer is lost; 0: none
	pairs    map[*pair]struct{}
}

// pair is a connection of a client and the one of the server. Its gate is open unless it
// is silent.
type pair struct {
	client, server net.Conn
	mu             sync.Mutex
	gate           chan struct{} // closed: open
	lost           atomic.Bool   // its next answer is lost, and with it the connection
}

// NewProxy makes a proxy before the database of an address, until the test ends.
func NewProxy(t testing.TB, address string) *Proxy {
	t.Helper()
	cfg, err := pgconn.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, pairs: map[*pair]struct{}{}, URL: through(l, cfg), server: dial(cfg)}
	p.tasks.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// through is the address of what a listener leads to.
func through(l net.Listener, cfg *pgconn.Config) string {
	user := url.User(cfg.User)
	if cfg.Password != "" {
		user = url.UserPassword(cfg.User, cfg.Password)
	}
	u := &url.URL{Scheme: "postgres", User: user, Host: l.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

// dial returns a function that connects to the server of an address.
func dial(cfg *pgconn.Config) func() (net.Conn, error) {
	network, address := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	if filepath.IsAbs(cfg.Host) {
		network = "unix"
	}
	return func() (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(context.Background(), network, address)
	}
}

// Silence makes the proxy silent: all connections, or only those that are open.
func (p *Proxy) Silence(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = all
	for c := range p.pairs {
		c.shut()
	}
}

// Speak ends the silence; what was held back arrives.
func (p *Proxy) Speak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = false
	for c := range p.pairs {
		c.open()
	}
}

// Lose cuts a connection when the server has answered the nth message of a client from here on, of
// which the client learns nothing. 0 takes it back.
func (p *Proxy) Lose(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = n
}

// losing reports whether a message is the one of which the answer is to be lost.
func (p *Proxy) losing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose > 0 {
		p.lose--
		return p.lose == 0
	}
	return false
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close() // nothing was written to it
	for c := range p.pairs {
		c.open()
		c.end()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := p.server()
	if err != nil {
		_ = client.Close() // the client finds out
		return
	}
	c := &pair{client: client, server: server, gate: make(chan struct{})}
	p.mu.Lock()
	p.pairs[c] = struct{}{}
	if p.closed {
		c.end()
	}
	if p.closed || !p.silent {
		close(c.gate)
	}
	p.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() { c.carry(client, server, func() bool { return !c.lost.Load() }) })
	c.carry(server, client, func() bool {
		if p.losing() {
			c.lost.Store(true)
		}
		return true
	})
	back.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// carry copies one direction while the gate is open, and until it may not pass on what it has read.
func (c *pair) carry(to io.Writer, from io.Reader, pass func() bool) {
	defer c.end()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		gate := c.gate
		c.mu.Unlock()
		<-gate
		if !pass() {
			return
		}
		if _, e := to.Write(buf[:n]); err != nil || e != nil {
			return
		}
	}
}

func (c *pair) end() {
	_ = c.client.Close() // as a cable that is cut
	_ = c.server.Close()
}

func (c *pair) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.gate:
		c.gate = make(chan struct{})
	default:
	}
}

func (c *pair) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.gate:
	default:
		close(c.gate)
	}
}
