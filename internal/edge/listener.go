package edge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/tally"
)

// Why a connection is cut: the kind in the log line.
const (
	cutHeaders = "headers"      // no request arrived
	cutBody    = "body"         // the body did not arrive, or too slowly
	cutAnswer  = "answer"       // the client did not read the response
	cutRequest = "request"      // an anonymous request took too long
	cutIdle    = "idle"         // an anonymous connection without a request; not logged
	cutRoom    = "room"         // closed to make room for another connection
	refused    = "no room"      // a new connection, while authenticated callers have all
	noAccept   = "not accepted" // the system failed to accept it
)

// Listener accepts connections within [Limits]. Run must run beside it.
type Listener struct {
	net.Listener
	limits Limits
	log    *slog.Logger
	start  time.Time
	cuts   *tally.Log
	accept *tally.Log
	done   chan struct{}
	once   sync.Once

	mu        sync.Mutex
	conns     map[*Conn]struct{}
	byAddress map[netip.Prefix]int
	anonymous int // anonymous connections
}

// Listen returns a listener that limits the connections of l.
func Listen(l net.Listener, limits Limits, log *slog.Logger) *Listener {
	return &Listener{
		Listener: l, limits: limits.withDefaults(), log: log, start: time.Now(),
		cuts:   tally.New(log, "connections cut"),
		accept: tally.New(log, "connections not accepted"),
		done:   make(chan struct{}), conns: map[*Conn]struct{}{}, byAddress: map[netip.Prefix]int{},
	}
}

// now returns the nanoseconds since the listener was made; at converts such a number to a time.
func (l *Listener) now() int64            { return int64(time.Since(l.start)) }
func (l *Listener) at(ns int64) time.Time { return l.start.Add(time.Duration(ns)) }

// Accept waits for the next connection. It logs temporary failures of the system, such as too many
// open files, closes some anonymous connections and tries again.
func (l *Listener) Accept() (net.Conn, error) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	wait := shortest
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			wait = shortest
			if c := l.admit(conn); c != nil {
				return c, nil
			}
			continue
		}
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			return nil, err
		}
		l.accept.Count(noAccept, "error", err)
		l.makeRoom(netip.Prefix{}, 8) // some for the rest of the server, too
		select {
		case <-l.done:
			return nil, net.ErrClosed
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// freshGrace is how long a connection on which no request has arrived stays open after Close.
const freshGrace = 500 * time.Millisecond

// Close stops accepting connections. Clients open connections in advance; those without a request
// would delay the stop of the server for seconds (B2B-RUN-040), so they are closed soon after.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		time.AfterFunc(freshGrace, l.closeFresh)
	})
	return l.Listener.Close()
}

// closeFresh closes the connections without a request.
func (l *Listener) closeFresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if phase(c.phase.Load()) == fresh {
			_ = c.Conn.Close() // it may be closed already
		}
	}
}

// admit adds a connection, closing anonymous ones if needed. If there is no room it closes conn and
// returns nil.
func (l *Listener) admit(conn net.Conn) *Conn {
	keepLittleUnsent(conn)
	c := &Conn{Conn: conn, owner: l, from: prefixOf(conn.RemoteAddr())}
	c.since.Store(l.now())
	l.mu.Lock()
	crowded := l.byAddress[c.from] >= l.limits.maxPerAddress()
	full := l.anonymous >= l.limits.maxAnonymous() || len(l.conns) >= l.limits.Connections
	l.mu.Unlock()
	switch {
	case crowded:
		l.makeRoom(c.from, 32)
	case full:
		l.makeRoom(netip.Prefix{}, 32)
	}
	l.mu.Lock()
	if len(l.conns) >= l.limits.Connections {
		l.mu.Unlock()
		l.accept.Count(refused, "connections", l.limits.Connections)
		_ = conn.Close() // nothing was read from it
		return nil
	}
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	c.anonymous = true
	l.byAddress[c.from]++
	l.anonymous++
	return c
}

// makeRoom closes some anonymous connections, only those from one address if from is valid.
// Connections without a request go first, then those from the address with the most connections,
// then the oldest. If there is no anonymous connection and from is not valid, it closes
// authenticated connections without a request. It closes one in every of candidates, and at least
// one, so that it is not needed for each new connection.
func (l *Listener) makeRoom(from netip.Prefix, of int) {
	type candidate struct {
		conn  *Conn
		worth int
		crowd int
		since int64
	}
	l.mu.Lock()
	var all []candidate
	for c := range l.conns {
		p, known := phase(c.phase.Load()), c.authenticated.Load()
		does := p == busy || p == hijacked
		if known && does || from.IsValid() && (known || c.from != from) {
			continue
		}
		x := candidate{conn: c, crowd: l.byAddress[c.from], since: c.since.Load()}
		switch {
		case known:
			x.worth = 2
		case does:
			x.worth = 1
		}
		all = append(all, x)
	}
	anonymous := l.anonymous
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.worth, b.worth), cmp.Compare(b.crowd, a.crowd), cmp.Compare(a.since, b.since))
	})
	if anonymous > 0 {
		all = slices.DeleteFunc(all, func(x candidate) bool { return x.worth == 2 })
	}
	for _, x := range all[:min(len(all), 1+len(all)/of)] {
		l.cut(cutRoom, x.conn)
		_ = x.conn.Close() // it may be closed already
	}
}

// authenticated removes a connection from the count of anonymous ones.
func (l *Listener) authenticated(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uncount(c)
}

func (l *Listener) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.uncount(c)
}

func (l *Listener) uncount(c *Conn) {
	if !c.anonymous {
		return
	}
	c.anonymous = false
	l.anonymous--
	if l.byAddress[c.from]--; l.byAddress[c.from] <= 0 {
		delete(l.byAddress, c.from)
	}
}

func (l *Listener) cut(why string, c *Conn) {
	l.cuts.Count(why, "peer", c.RemoteAddr().String())
}

// Run cuts anonymous connections that are overdue, until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	tick := time.NewTicker(l.limits.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.sweep()
		}
		l.cuts.Flush()
		l.accept.Flush()
	}
}

func (l *Listener) sweep() {
	type late struct {
		conn *Conn
		why  string
	}
	var found []late
	now := l.now()
	l.mu.Lock()
	for c := range l.conns {
		if why, over := c.overdue(now); over {
			found = append(found, late{c, why})
		}
	}
	l.mu.Unlock()
	for _, x := range found {
		if x.why != cutIdle && x.why != cutHeaders { // Close counts the latter
			l.cut(x.why, x.conn)
		}
		_ = x.conn.Close() // it may be closed already
	}
}

// Stats are the numbers of a listener, for monitoring.
type Stats struct {
	Open, Anonymous int              // connections
	Most            int              // connections that may be open
	Cut             map[string]int64 // connections that were cut, by the reason
	NotAccepted     map[string]int64 // connections that were not accepted, by the reason
}

// Stats returns the numbers of the listener.
func (l *Listener) Stats() Stats {
	s := Stats{Most: l.limits.Connections, Cut: l.cuts.Totals(), NotAccepted: l.accept.Totals()}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Open, s.Anonymous = len(l.conns), l.anonymous
	return s
}

// prefixOf returns the key for connections of one address: an IPv4 address, or the /64 of an IPv6
// address, since one host owns a whole /64.
func prefixOf(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
