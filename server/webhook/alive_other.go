//go:build !unix

package webhook

import "net"

// alive cannot tell here: an attempt over a connection that was closed fails, and is
// made again a second later.
func alive(net.Conn) bool { return true }
