//go:build !linux

package pgpipe

import (
	"syscall"
	"time"
)

// userTimeout does nothing where the system has no such option.
func userTimeout(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
