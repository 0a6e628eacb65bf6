// Package notification has what the notifiers share: the text of their messages, and a
// [Queue] that merges the notifications of a node. A busy node so sends one message after
// the other, and not one for each commit.
package notification

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

// Queue sends the notifications of a node.
type Queue struct {
	send   func(ctx context.Context, message string) error
	log    *slog.Logger
	wake   chan struct{} // holds one token when there is something to send
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	waiting map[string]int64 // seqs by org
}

// New starts a queue; send is called by one goroutine. Notifications that cannot be sent
// are lost. The first loss is logged, and the next one only after a success.
func New(send func(ctx context.Context, message string) error, log *slog.Logger) *Queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &Queue{
		send: send, log: log, wake: make(chan struct{}, 1), cancel: cancel,
		done: make(chan struct{}), waiting: map[string]int64{},
	}
	go q.run(ctx)
	return q
}

// Notify queues that the log of org has reached seq. It does not block.
func (q *Queue) Notify(org string, seq int64) {
	q.mu.Lock()
	q.waiting[org] = max(q.waiting[org], seq)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close drops what is not sent yet, and returns when send has returned.
func (q *Queue) Close() {
	q.cancel()
	<-q.done
}

func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		for _, message := range q.take() {
			bounded, cancel := context.WithTimeout(ctx, sendTime)
			err := q.send(bounded, message)
			cancel()
			if err != nil && !failing && ctx.Err() == nil {
				q.log.WarnContext(ctx, "cannot notify the other nodes; they poll the log meanwhile", "error", err)
			}
			failing = err != nil
		}
	}
}

// take empties the queue into messages of at most MaxMessage bytes.
func (q *Queue) take() (messages []string) {
	q.mu.Lock()
	waiting := q.waiting
	q.waiting = make(map[string]int64)
	q.mu.Unlock()
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

// Read calls fn for every notification of a message. For a line that is malformed it calls
// fn with no org and seq 0, which stands for every org, and returns an error.
func Read(message string, fn func(org string, seq int64)) error {
	for line := range strings.SplitSeq(message, "\n") {
		number, org, ok := strings.Cut(line, " ")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || org == "" {
			fn("", 0)
			return fmt.Errorf("read a notification: %.100q is not a seq and an org", line)
		}
		fn(org, seq)
	}
	return nil
}
