package ws

import (
	"bufio"
	"net"
	"net/http"
)

// What a connection buffers. A frame that is larger is read in pieces; what is written
// through a buffer are control frames alone. Idle connections are many.
const (
	readBuffer  = 512
	writeBuffer = maxControl
)

// upgrade gives away the network connection of a request with small buffers, and
// keeps it, so that it can be cut and written to.
type upgrade struct {
	http.ResponseWriter
	socket *socket
}

// Unwrap is for http.ResponseController.
func (u *upgrade) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Hijack implements http.Hijacker.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	u.socket = &socket{Conn: conn}
	r := rw.Reader
	if r.Buffered() == 0 { // else the client did not wait for the answer
		r = bufio.NewReaderSize(conn, readBuffer)
	}
	return u.socket, bufio.NewReadWriter(r, bufio.NewWriterSize(u.socket, writeBuffer)), nil
}
