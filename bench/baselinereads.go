package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// one finds a row of a thread by its index.
const one = `SELECT sender_id, content, created_at FROM messages WHERE thread_id = ? LIMIT 1`

// row reads the row of a thread, from which the responses of the smallest reads are made.
func (f *baseline) row(w http.ResponseWriter, r *http.Request) (sender, content string, at int64, ok bool) {
	err := f.single.QueryRowContext(r.Context(), "thread").Scan(&sender, &content, &at)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
	return sender, content, at, err == nil
}

// thread responds like the server to a read of a thread with its participants.
func (f *baseline) thread(w http.ResponseWriter, r *http.Request) {
	sender, topic, at, ok := f.row(w, r)
	if !ok {
		return
	}
	type participant struct {
		BotID    string  `json:"bot_id"`
		Name     string  `json:"name"`
		Online   bool    `json:"online"`
		Label    *string `json:"label"`
		JoinedAt int64   `json:"joined_at"`
	}
	participants := make([]participant, talkers)
	for i := range participants {
		participants[i] = participant{BotID: sender, Name: sender, JoinedAt: at}
	}
	respond(w, map[string]any{"id": r.PathValue("id"), "topic": topic, "status": "active", "created_at": at, "participants": participants})
}

// count responds like the server to a count of what a bot missed.
func (f *baseline) count(w http.ResponseWriter, r *http.Request) {
	_, _, at, ok := f.row(w, r)
	if ok {
		respond(w, map[string]int64{"thread_invites": 0, "thread_status_changes": 0, "thread_activities": 1, "channel_messages": 0, "total": at & 1})
	}
}

// someBytes responds with as many bytes as asked for, which it has in memory.
func (f *baseline) someBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n > 16<<20 {
		http.Error(w, "not a size", http.StatusBadRequest)
		return
	}
	f.bodies.Lock()
	if len(f.body) < n {
		f.body = bytes.Repeat([]byte("x"), n)
	}
	body := f.body[:n]
	f.bodies.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = w.Write(body) // fails only if the client has disconnected
}

type baselineAck struct {
	Type   string          `json:"type"`
	Ref    json.RawMessage `json:"ref"`
	Result map[string]any  `json:"result"`
}

// sends accepts messages over a WebSocket connection. The sender receives each message, as its own
// connections do at the server, and then the acknowledgement.
func (f *baseline) sends(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has written the response
	}
	defer func() { _ = conn.CloseNow() }() // the client has closed it
	for {
		_, frame, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var in struct {
			Ref     json.RawMessage
			Content string
		}
		if json.Unmarshal(frame, &in) != nil {
			return
		}
		m, err := f.stored("", "channel", in.Content)
		if err != nil {
			return
		}
		for _, out := range []any{
			baselineEvent{Type: "message", ThreadID: m.ChannelID, Message: m},
			baselineAck{"ack", in.Ref, map[string]any{"operation": "send_dm", "message_id": m.ID, "timestamp": m.CreatedAt}},
		} {
			text, err := json.Marshal(out)
			if err != nil || conn.Write(r.Context(), websocket.MessageText, text) != nil {
				return
			}
		}
	}
}
