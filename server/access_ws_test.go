package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/server"
)

// TestAccessOverWebSocket sends one harmless frame of every operation with a WebSocket name, as
// every kind of caller with every scope. A caller without access must get the declared code; a
// caller with access gets the error about the request_id, which is too long. A caller that may not
// connect gets no ticket.
func TestAccessOverWebSocket(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "own")
	cells := 0
	for _, c := range o.callers {
		a := n.send(c, "POST", "/api/ws-ticket", []byte("{}"))
		switch c.kind {
		case "nobody":
			if a.status != 401 {
				t.Errorf("an unauthenticated caller gets a ticket: %v", a)
			}
			continue
		case "super admin", "":
			if a.status != 403 {
				t.Errorf("%s gets a ticket: %v", c.name, a)
			}
			continue
		}
		var made struct{ Ticket string }
		if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != 200 {
			t.Fatalf("%s gets no ticket: %v", c.name, a)
		}
		client := &http.Client{Transport: &http.Transport{}}
		conn, _, err := websocket.Dial(t.Context(), n.url+"/ws?ticket="+made.Ticket, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for i, op := range operations() {
			if op.WebSocket == "" {
				continue
			}
			ref := fmt.Sprint(i)
			code := wsCode(t, conn, op, ref)
			want := refused(op, c)
			if c.kind == "org admin" {
				want = " pong" // their connections have no operations: the frame means nothing
			}
			if _, declared, found := strings.Cut(want, " "); found {
				want = declared
			} else {
				want = "VALIDATION_ERROR"
			}
			if code != want {
				t.Errorf("%s by %s over WebSocket: %q, want %s", method(op), c.name, code, want)
			}
			cells++
		}
		_ = conn.CloseNow() // it was used enough
		client.CloseIdleConnections()
	}
	if cells == 0 {
		t.Fatal("no operation has a WebSocket name")
	}
	t.Logf("%d cells", cells)
}

// wsCode sends the frame of an operation and a ping, and returns the code of the error with its
// ref, or "pong" if there is none.
func wsCode(t *testing.T, conn *websocket.Conn, op *call.Operation, ref string) string {
	t.Helper()
	frame := encode(t, map[string]any{
		"type": op.WebSocket, "ref": ref, "thread_id": "00000000-0000-7000-8000-000000000000", "request_id": strings.Repeat("x", limits.MaxRequestID+1),
	})
	if err := conn.Write(t.Context(), websocket.MessageText, frame); err != nil {
		t.Fatalf("%s: %v", op.WebSocket, err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil {
		t.Fatalf("%s: %v", op.WebSocket, err)
	}
	for answer := "pong"; ; { // which comes behind what is answered before it
		_, data, err := conn.Read(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", op.WebSocket, err)
		}
		var m struct{ Type, Ref, Code string }
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("%s: %v", op.WebSocket, err)
		}
		switch {
		case m.Type == "pong":
			return answer
		case m.Ref == ref && m.Type == "error":
			answer = m.Code
		case m.Ref == ref:
			answer = m.Type
		}
	}
}
