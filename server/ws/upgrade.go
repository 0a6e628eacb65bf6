package ws

import (
	"bufio"
	"net"
	"net/http"
)

// What a connection buffers. Frames that are larger are read in pieces and written
// past the buffer; idle connections are many.
const (
	readBuffer  = 512
	writeBuffer = 1 << 10 // most events
)

// upgrade gives away the network connection of a request with small buffers, and
// keeps it, so that it can be cut.
type upgrade struct {
	http.ResponseWriter
	conn net.Conn
}

// Unwrap is for http.ResponseController.
func (u *upgrade) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.conn = conn
	if rw.Reader.Buffered() > 0 { // the client did not wait for the answer
		return conn, rw, nil
	}
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriterSize(conn, writeBuffer)), nil
}
