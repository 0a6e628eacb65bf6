package edge

import (
	"net"

	"golang.org/x/sys/unix"
)

// mostUnsent is how many unsent bytes of a response the system buffers per connection. By default
// it buffers 4 MB for a client that does not read.
const mostUnsent = 2 * piece

// keepLittleUnsent limits the unsent bytes that the system buffers. It does not limit the speed of
// the connection.
func keepLittleUnsent(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // the connection is closed
	}
	// On a system without the option, the default buffers remain.
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, mostUnsent)
	})
}
