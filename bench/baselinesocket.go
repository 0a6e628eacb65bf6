package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"
)

// baselineQueue is the maximum number of frames that wait for a connection of the baseline. A
// slower connection is closed.
const baselineQueue = 4096

// baselineHub sends every message to every connection. Each connection has a queue and a writer.
type baselineHub struct {
	mu    sync.Mutex
	seq   int64
	conns map[chan []byte]struct{}
}

type baselineEvent struct {
	Type     string           `json:"type"`
	ThreadID string           `json:"thread_id"`
	Message  *baselineMessage `json:"message"`
	Cursor   string           `json:"cursor"`
}

// serve accepts a connection. Its reader handles pings and close frames.
func (h *baselineHub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has written the response
	}
	ctx := conn.CloseRead(context.Background())
	queue := make(chan []byte, baselineQueue)
	h.mu.Lock()
	h.conns[queue] = struct{}{}
	h.mu.Unlock()
	go func() {
		defer func() { _ = conn.CloseNow() }() // it may be closed already
		defer h.drop(queue)
		for {
			select {
			case <-ctx.Done():
				return
			case frame, ok := <-queue:
				if !ok || conn.Write(context.Background(), websocket.MessageText, frame) != nil {
					return
				}
			}
		}
	}()
}

func (h *baselineHub) drop(queue chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, queue)
}

// send adds a message to every queue. It is called in the order of the commits.
func (h *baselineHub) send(m *baselineMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conns) == 0 {
		return nil
	}
	h.seq++
	frame, err := json.Marshal(baselineEvent{"thread_message", m.ThreadID, m, "1." + strconv.FormatInt(h.seq, 36) + ".1a2b3c4.0123456789abcdef"})
	if err != nil {
		return err
	}
	for queue := range h.conns {
		select {
		case queue <- frame:
		default:
			close(queue)
			delete(h.conns, queue)
		}
	}
	return nil
}
