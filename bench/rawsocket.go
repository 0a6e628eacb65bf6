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

// rawSocket is a WebSocket client that reads frames at little cost, since the server shares the
// processors with this program: a client with a goroutine and a copy per message would be most of
// what is measured.
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

// closeError is the code of a close frame.
type closeError int

func (e closeError) Error() string { return fmt.Sprintf("closed with %d", int(e)) }

// connectRaw opens a WebSocket connection to the server, from a cursor or from the current position.
func connectRaw(ctx context.Context, base, token, cursor string) (*rawSocket, error) {
	ticket, err := ticketFor(ctx, base, token)
	if err != nil {
		return nil, err
	}
	return dialRaw(ctx, base, ticket, cursor)
}

// dialRaw opens a WebSocket connection with a ticket.
func dialRaw(ctx context.Context, base, ticket, cursor string) (*rawSocket, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	query := url.Values{"ticket": {ticket}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return nil, err
	}
	s := &rawSocket{conn: conn, from: bufio.NewReaderSize(conn, 32<<10)}
	if _, err := fmt.Fprintf(conn, "GET /ws?%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query.Encode(), at.Host); err != nil {
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

// close closes the network connection, which the server may have closed before.
func (s *rawSocket) close() { _ = s.conn.Close() }

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
			if size < 2 {
				return nil, closeError(0)
			}
			return nil, closeError(binary.BigEndian.Uint16(payload))
		case opPing: // masked with zeros
			if _, err := s.conn.Write(append([]byte{128 | opPong, 128 | byte(size), 0, 0, 0, 0}, payload...)); err != nil {
				return nil, err
			}
		}
	}
}
