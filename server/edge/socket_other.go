//go:build !linux

package edge

import "net"

// keepLittleUnsent does nothing where the system has no such option.
func keepLittleUnsent(net.Conn) {}
