package pgtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// NewPooler is a pooler for transactions before the database of an address, until the test
// ends: a client has a session of the server for the time of a transaction, and gets the
// one that was given back last, as from pgbouncer. It takes no password and no TLS.
func NewPooler(t testing.TB, address string) string {
	t.Helper()
	cfg, err := pgconn.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{cfg: cfg, clients: map[net.Conn]struct{}{}}
	p.tasks.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.clients[client] = struct{}{}
			p.mu.Unlock()
			p.tasks.Go(func() {
				_ = p.serve(client) // its end, whatever it was
				_ = client.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nothing was written to it
		p.mu.Lock()
		for c := range p.clients {
			_ = c.Close()
		}
		for _, s := range p.all {
			_ = s.Close()
		}
		p.mu.Unlock()
		p.tasks.Wait()
	})
	return through(l, cfg)
}

type pooler struct {
	cfg     *pgconn.Config
	tasks   sync.WaitGroup
	mu      sync.Mutex
	clients map[net.Conn]struct{}
	all     []net.Conn
	free    []net.Conn // sessions of the server without a transaction
}

func (p *pooler) take() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		return s, nil
	}
	c, err := pgconn.ConnectConfig(context.Background(), p.cfg)
	if err != nil {
		return nil, err
	}
	h, err := c.Hijack()
	if err != nil {
		return nil, err
	}
	p.all = append(p.all, h.Conn)
	return h.Conn, nil
}

func (p *pooler) give(s net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, s)
}

// welcome is what lets a client in: authentication is fine, the server is ready.
var welcome = []byte("R\x00\x00\x00\x08\x00\x00\x00\x00" + "Z\x00\x00\x00\x05I")

func (p *pooler) serve(client net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(client, size[:]); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, client, int64(binary.BigEndian.Uint32(size[:]))-4); err != nil {
		return err
	}
	if _, err := client.Write(welcome); err != nil {
		return err
	}
	for {
		first, err := readMessage(client)
		if err != nil || first[0] == 'X' {
			return err
		}
		server, err := p.take()
		if err != nil {
			return err
		}
		if err := transaction(client, server, first); err != nil {
			return err
		}
		p.give(server)
	}
}

// transaction carries messages until the server is out of a transaction.
func transaction(client, server net.Conn, first []byte) error {
	for m := first; ; {
		if m[0] == 'X' {
			return errors.New("the client left in a transaction")
		}
		if _, err := server.Write(m); err != nil {
			return err
		}
		if m[0] == 'Q' || m[0] == 'S' { // answers come now, until the server is ready
			for {
				answer, err := readMessage(server)
				if err != nil {
					return err
				}
				if _, err := client.Write(answer); err != nil {
					return err
				}
				if answer[0] == 'Z' {
					if answer[5] == 'I' {
						return nil
					}
					break
				}
			}
		}
		var err error
		if m, err = readMessage(client); err != nil {
			return err
		}
	}
}

func readMessage(from io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint32(head[1:])+1)
	copy(m, head[:])
	_, err := io.ReadFull(from, m[5:])
	return m, err
}
