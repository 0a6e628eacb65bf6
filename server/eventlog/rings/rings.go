// Package rings is what the doorbells have in common: it gathers the rings of a node
// and sends them together, so that a busy node sends one message after the other and
// not one for each commit.
package rings

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxMessage bounds a message, in bytes. PostgreSQL takes less than 8,000.
const MaxMessage = 7000

const sendTime = 5 * time.Second

// Outbox sends the rings of a node.
type Outbox struct {
	send   func(ctx context.Context, message string) error
	log    *slog.Logger
	wake   chan struct{} // holds one token when there is something to send
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	waiting map[string]int64 // seqs by org
}

// New starts an outbox; send is called by one goroutine. Rings that cannot be sent
// are lost, which is logged once until one can be sent again.
func New(send func(ctx context.Context, message string) error, log *slog.Logger) *Outbox {
	ctx, cancel := context.WithCancel(context.Background())
	o := &Outbox{send: send, log: log, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}), waiting: map[string]int64{}}
	go o.run(ctx)
	return o
}

// Ring says that the log of org has reached seq. It never waits.
func (o *Outbox) Ring(org string, seq int64) {
	o.mu.Lock()
	o.waiting[org] = max(o.waiting[org], seq)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Close loses what is not sent yet, and returns when send is not called any more.
func (o *Outbox) Close() {
	o.cancel()
	<-o.done
}

func (o *Outbox) run(ctx context.Context) {
	defer close(o.done)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		for _, message := range o.take() {
			bounded, cancel := context.WithTimeout(ctx, sendTime)
			err := o.send(bounded, message)
			cancel()
			if err != nil && !failing && ctx.Err() == nil {
				o.log.WarnContext(ctx, "the doorbell cannot be rung: other nodes look at the log once a second", "error", err)
			}
			failing = err != nil
		}
	}
}

// take empties the outbox into messages.
func (o *Outbox) take() (messages []string) {
	o.mu.Lock()
	waiting := o.waiting
	o.waiting = make(map[string]int64)
	o.mu.Unlock()
	var b strings.Builder
	for org, seq := range waiting {
		line := strconv.FormatInt(seq, 10) + " " + org
		if b.Len() > 0 && b.Len()+1+len(line) > MaxMessage {
			messages = append(messages, b.String())
			b.Reset()
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	if b.Len() > 0 {
		messages = append(messages, b.String())
	}
	return messages
}

// Read calls fn for every ring of a message. What cannot be read is a ring for
// everybody, and an error.
func Read(message string, fn func(org string, seq int64)) error {
	for line := range strings.SplitSeq(message, "\n") {
		number, org, ok := strings.Cut(line, " ")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || org == "" {
			fn("", 0)
			return fmt.Errorf("a ring says %.100q", line)
		}
		fn(org, seq)
	}
	return nil
}
