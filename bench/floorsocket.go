package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/coder/websocket"
)

// floorQueue is how many frames may wait for a connection of the floor. Who is
// further behind is dropped.
const floorQueue = 4096

// floorHub tells every connection of every message: one queue and one writer each.
type floorHub struct {
	mu    sync.Mutex
	seq   int64
	conns map[chan []byte]struct{}
}

type floorEvent struct {
	Type     string        `json:"type"`
	ThreadID string        `json:"thread_id"`
	Message  *floorMessage `json:"message"`
	Cursor   string        `json:"cursor"`
}

// serve takes a connection. The reader serves pings and closes.
func (h *floorHub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // the answer is written
	}
	ctx := conn.CloseRead(context.Background())
	queue := make(chan []byte, floorQueue)
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

func (h *floorHub) drop(queue chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, queue)
}

// tell hands a message to every queue; it is called in the order of the commits.
func (h *floorHub) tell(m *floorMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conns) == 0 {
		return nil
	}
	h.seq++
	frame, err := json.Marshal(floorEvent{"thread_message", m.ThreadID, m, "1." + strconv.FormatInt(h.seq, 36) + ".1a2b3c4.0123456789abcdef"})
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
