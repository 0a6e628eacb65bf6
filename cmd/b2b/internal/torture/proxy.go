package torture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Proxy is between nodes and what they share, a PostgreSQL or a Redis. It drops some of the
// notifications, and cuts connections on request.
type Proxy struct {
	listener net.Listener
	network  string
	address  string
	pass     filter
	tasks    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	down    bool
	rng     *rand.Rand
	conns   []net.Conn // to the nodes
	seen    int        // notifications
	dropped int        // of those
}

// filter copies the messages of the server, and asks drop for each notification.
type filter func(to io.Writer, from *bufio.Reader, drop func() bool) error

// NewPostgresProxy drops some notifications of the PostgreSQL server at an address.
func NewPostgresProxy(seed uint64, network, address string) (*Proxy, error) {
	return newProxy(seed, network, address, passPostgres)
}

// NewRedisProxy drops some published messages of the Redis server at an address.
func NewRedisProxy(seed uint64, network, address string) (*Proxy, error) {
	return newProxy(seed, network, address, passRedis)
}

func newProxy(seed uint64, network, address string, pass filter) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{listener: l, network: network, address: address, pass: pass, rng: rand.New(rand.NewPCG(seed, 99))}
	p.tasks.Go(p.accept)
	return p, nil
}

// Addr returns the address for nodes to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends all connections.
func (p *Proxy) Close() {
	_ = p.listener.Close() // nothing was written to it
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close() // as a cable that is cut
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

// Cut cuts one connection, chosen at random.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) > 0 {
		_ = p.conns[p.rng.IntN(len(p.conns))].Close() // as a cable that is cut
	}
}

// Down cuts every connection and accepts none, until it is called with false.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down = down; down {
		for _, c := range p.conns {
			_ = c.Close() // as a cable that is cut
		}
	}
}

// Notifications returns how many notifications the proxy received, and how many of them it
// dropped.
func (p *Proxy) Notifications() (all, dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen, p.dropped
}

// drop reports whether to drop a notification: one in two, at random.
func (p *Proxy) drop() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen++
	if p.rng.IntN(2) == 0 {
		return false
	}
	p.dropped++
	return true
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.add(c) {
			p.tasks.Go(func() { p.serve(c) })
		}
	}
}

func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.down {
		_ = c.Close() // nothing was written to it
		return false
	}
	p.conns = append(p.conns, c)
	return true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.conns {
		if p.conns[i] == c {
			p.conns = append(p.conns[:i], p.conns[i+1:]...)
			return
		}
	}
}

// serve connects two connections until one of them ends.
func (p *Proxy) serve(node net.Conn) {
	defer p.remove(node)
	defer node.Close()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		return
	}
	defer server.Close()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		defer server.Close()
		_, _ = io.Copy(server, node) // any error ends the connection
	})
	defer node.Close()
	out := bufio.NewWriterSize(node, 64<<10)
	from := bufio.NewReaderSize(server, 64<<10)
	for p.pass(out, from, p.drop) == nil {
		if from.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// passPostgres copies one message: a type, the length of the rest, the rest. 'A' is a notification.
// The one-byte reply to a request for TLS does not occur, since nodes connect without TLS.
func passPostgres(to io.Writer, from *bufio.Reader, drop func() bool) error {
	head, err := from.Peek(5)
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head[1:])) + 1
	if head[0] == 'A' && drop() {
		to = io.Discard
	}
	_, err = io.CopyN(to, from, size)
	return err
}

// passRedis copies one reply. A push or array that begins with "message" is a notification.
func passRedis(to io.Writer, from *bufio.Reader, drop func() bool) error {
	var reply strings.Builder
	first := ""
	if err := readReply(&reply, from, &first); err != nil {
		return err
	}
	if first == "message" && drop() {
		return nil
	}
	_, err := io.WriteString(to, reply.String())
	return err
}

// readReply reads a reply of protocol 2 or 3 of Redis. first is the first text in it.
func readReply(into *strings.Builder, from *bufio.Reader, first *string) error {
	line, err := from.ReadString('\n')
	if err != nil {
		return err
	}
	into.WriteString(line)
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=', '!': // a text of n bytes
		if err != nil || n < 0 {
			return err
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(from, text); err != nil {
			return err
		}
		into.Write(text)
		if *first == "" {
			*first = string(text[:n])
		}
	case '*', '>', '~', '%', '|': // n replies, or pairs of them
		if line[0] == '%' || line[0] == '|' {
			n *= 2
		}
		for range n {
			if err := readReply(into, from, first); err != nil {
				return err
			}
		}
		if line[0] == '|' { // attributes come before what they are about
			return readReply(into, from, first)
		}
	}
	return nil
}
