package webhook

import (
	"net/http"
	"time"

	"github.com/b2b-protocol/b2b/internal/seal"
)

// headerWriter writes the headers by which a receiver knows a delivery. One goroutine at a time may use it.
type headerWriter interface {
	// setHeaders sets those that all deliveries share.
	setHeaders(h http.Header)
	// appendTo appends those of one delivery, as they are sent.
	appendTo(b []byte, id string, now time.Time, body []byte) []byte
}

// pushHeaders are the headers of a push config: what its client gave for the receiver (B2B-A2A-018).
type pushHeaders seal.PushTarget

// tokenHeaders are the names by which receivers look for the token of a push config. A2A does not name
// one, and its libraries differ.
var tokenHeaders = [...]string{"A2A-Notification-Token", "X-A2A-Notification-Token"}

func (p pushHeaders) setHeaders(h http.Header) {
	if p.Credentials != "" {
		h.Set("Authorization", p.Scheme+" "+p.Credentials)
	}
	if p.Token != "" {
		for _, name := range tokenHeaders {
			h.Set(name, p.Token)
		}
	}
}

func (pushHeaders) appendTo(b []byte, _ string, _ time.Time, _ []byte) []byte { return b }
