// Package notificationtest has what the tests of the notifiers share.
package notificationtest

import (
	"context"
	"testing"
)

// Notice is one call of the function given to Listen.
type Notice struct {
	Org string
	Seq int64
}

// Listener is a notifier.
type Listener interface {
	Listen(ctx context.Context, received func(org string, seq int64)) error
}

// Listen starts to listen, and waits for the first notice, which is empty. It returns the
// notices that follow, a channel with the error that ends Listen, and what ends it.
func Listen(t *testing.T, l Listener) (received chan Notice, ended chan error, stop context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	received, ended = make(chan Notice, 100), make(chan error, 1)
	go func() { ended <- l.Listen(ctx, func(org string, seq int64) { received <- Notice{org, seq} }) }()
	select {
	case got := <-received:
		if got != (Notice{}) {
			t.Fatalf("Listen began with %v", got)
		}
	case err := <-ended:
		t.Fatalf("Listen returned %v", err)
	}
	return received, ended, stop
}
