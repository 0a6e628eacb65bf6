//go:build !linux

package edge

import "net"

// keepLittleUnsent does nothing: this system has no such option.
func keepLittleUnsent(net.Conn) {}
