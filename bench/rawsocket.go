package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// rawSocket is a WebSocket client that reads frames at little cost: a storm has millions of them,
// and the server shares the processors with this program.
type rawSocket struct {
	conn net.Conn
	from *bufio.Reader
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// dialRaw opens a WebSocket connection with a ticket.
func dialRaw(ctx context.Context, base, ticket string) (*rawSocket, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return nil, err
	}
	s := &rawSocket{conn: conn, from: bufio.NewReaderSize(conn, 32<<10)}
	if _, err := fmt.Fprintf(conn, "GET /ws?ticket=%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", ticket, at.Host); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	res, err := http.ReadResponse(s.from, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(errors.New("the handshake returned "+res.Status), conn.Close())
	}
	return s, nil
}

// next returns the payload of the next text frame, which is valid until the next call, and responds
// to pings.
func (s *rawSocket) next() ([]byte, error) {
	for {
		head, err := s.from.Peek(2)
		if err != nil {
			return nil, err
		}
		op, size, skip := head[0]&15, int(head[1]), 2
		switch size {
		case 126:
			if head, err = s.from.Peek(4); err != nil {
				return nil, err
			}
			size, skip = int(binary.BigEndian.Uint16(head[2:])), 4
		case 127:
			return nil, errors.New("a frame is larger than 64 KB")
		}
		if _, err := s.from.Discard(skip); err != nil {
			return nil, err
		}
		payload, err := s.from.Peek(size)
		if err != nil {
			return nil, fmt.Errorf("read a frame of %d bytes: %w", size, err)
		}
		if _, err := s.from.Discard(size); err != nil {
			return nil, err
		}
		switch op {
		case opText:
			return payload, nil
		case opClose:
			return nil, fmt.Errorf("closed: %q", payload)
		case opPing: // masked with zeros
			if _, err := s.conn.Write(append([]byte{128 | opPong, 128 | byte(size), 0, 0, 0, 0}, payload...)); err != nil {
				return nil, err
			}
		}
	}
}
