package edge

import (
	"net"

	"golang.org/x/sys/unix"
)

// mostUnsent is how much of an answer the system keeps for a connection beyond what is on
// its way, in bytes. Left to itself it keeps 4 MB for a client that does not read.
const mostUnsent = 2 * piece

// keepLittleUnsent has the system take no more of an answer than it can send soon. How
// fast the connection can be is not changed by it.
func keepLittleUnsent(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // it is closed
	}
	// Where the system does not know the option, it keeps what it keeps.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, mostUnsent)
	})
}
