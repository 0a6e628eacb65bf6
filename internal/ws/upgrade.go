package ws

import (
	"bufio"
	"net"
	"net/http"
)

// The buffers of a connection. A larger frame is read in pieces; only control frames are written
// through the buffer. They are small because there are many idle connections.
const (
	readBuffer  = 512
	writeBuffer = maxControl
)

// upgrade takes over the network connection of a request with small buffers, and keeps a reference
// to it for writing and cutting.
type upgrade struct {
	http.ResponseWriter
	socket *socket
	reader *bufio.Reader // nil: the client has sent something after its request
}

// simplify lets the reader of the accepted connection read from the network directly. The WebSocket
// library has put what was buffered before, which is nothing, in front of it.
func (u *upgrade) simplify() {
	if u.reader != nil {
		u.reader.Reset(u.socket)
	}
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
	if r.Buffered() == 0 { // otherwise the client did not wait for the response
		r = bufio.NewReaderSize(u.socket, readBuffer)
		u.reader = r
	}
	return u.socket, bufio.NewReadWriter(r, bufio.NewWriterSize(u.socket, writeBuffer)), nil
}
