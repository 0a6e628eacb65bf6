package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server"
)

// storer sends messages to use up the storage quota of an org.
type storer struct {
	*testing.T
	o    *org
	sent int
}

// parts returns a message with this many bytes in a JSON part.
func (s *storer) parts(bytes int) map[string]any {
	s.sent++
	return map[string]any{
		"to": s.o.at["bot"], "request_id": fmt.Sprint("r", s.sent),
		"parts": []any{map[string]any{"type": "json", "content": []string{strings.Repeat("x", bytes)}}},
	}
}

func (s *storer) send(n *node, body map[string]any) answer {
	return n.send(s.o.member, "POST", "/api/send", encode(s.T, body))
}

// fill sends until a message is refused, and returns the size of those accepted.
func (s *storer) fill(bytes int, nodes ...*node) (taken int) {
	s.Helper()
	for i := range 400 {
		a := s.send(nodes[i%len(nodes)], s.parts(bytes))
		if s.full(a) {
			return taken
		}
		if a.status != 200 {
			s.Fatalf("message %d of %d bytes: %v", i, bytes, a)
		}
		taken += bytes
	}
	s.Fatalf("no end after %d bytes in messages of %d", taken, bytes)
	return 0
}

func (s *storer) full(a answer) bool { return a.status == 409 && a.code() == "QUOTA_EXCEEDED" }

func (s *storer) want(what string, a answer, full bool) {
	s.Helper()
	if s.full(a) != full || !full && a.status >= 300 {
		s.Errorf("%s: %v, refused for the quota: want %v", what, a, full)
	}
}

// TestStoredQuotas checks that an org that has used its storage quota of a day is refused more
// until the day ends, over every binding and with every call that stores, also after a restart.
// Another org is not affected, and calls that delete or end something work (B2B-LIM-012,
// B2B-LIM-013).
func TestStoredQuotas(t *testing.T) {
	t.Parallel()
	var late atomic.Int64 // hours that have gone by
	// Of tomorrow: WebSocket handshakes read the real clock, for which a ticket of a past noon is old.
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	folder := t.TempDir()
	start := func() *liveNode {
		return newLiveNode(t, func(c *server.Config) {
			c.DataDir, c.StoredMBPerDay, c.BulkMBPerDay = folder, 4, 1
			c.Now = func() time.Time { return noon.Add(time.Duration(late.Load()) * time.Hour) }
		})
	}
	n := start()
	o, beside := n.newOrg(t, "own"), n.newOrg(t, "beside")
	s, next := &storer{T: t, o: o}, &storer{T: t, o: beside}
	first := s.parts(100_000)
	s.want("the first", s.send(n.node, first), false)
	if got := s.fill(100_000, n.node); got < 200_000 || got > 500_000 {
		t.Errorf("of 1 MiB, which also has copies in the log and remembered answers, %d bytes were taken", got)
	}

	thread, large := "/api/threads/"+o.at["thread"], encode(t, s.parts(9000))
	s.want("a large message", n.send(o.member, "POST", "/api/send", large), true)
	s.want("in a thread", n.send(o.member, "POST", thread+"/messages", large), true)
	refusal := n.send(o.other, "POST", "/api/send", encode(t, map[string]any{"to": "own-bot8", "content": strings.Repeat("x", 8193)}))
	s.want("of another bot", refusal, true)
	for _, word := range []string{"1 MiB", "8192 bytes", "12:0", "B2B_BULK_MB_PER_DAY"} {
		if !strings.Contains(refusal.body, word) {
			t.Errorf("a refusal without %q: %v", word, refusal)
		}
	}
	for what, call := range map[string][3]string{
		"a profile":         {"PATCH", "/api/me/profile", `{"bio":"x"}`},
		"a thread":          {"POST", "/api/threads", `{"topic":"x"}`},
		"a thread's status": {"PATCH", thread, `{"topic":"x"}`},
		"an artifact":       {"POST", thread + "/artifacts", `{"artifact_key":"new","content":"x"}`},
		"a token":           {"POST", "/api/me/tokens", `{"scopes":["read"]}`},
	} {
		s.want(what, n.send(o.member, call[0], call[1], []byte(call[2])), true)
		s.want(what+" beside", n.send(beside.member, call[0], strings.ReplaceAll(call[1], o.at["thread"], beside.at["thread"]), []byte(call[2])), false)
	}
	connect := n.send(o.member, "POST", "/b2b.v1.ChannelService/SendDirectMessage",
		encode(t, map[string]any{"to": "own-bot2", "content": strings.Repeat("x", 9000)}), "Connect-Protocol-Version", "1")
	if connectCode(connect) != "QUOTA_EXCEEDED" {
		t.Errorf("over Connect: %v", connect)
	}
	socket := n.dial(t, o.member, "")
	for _, f := range []struct {
		frame map[string]any
		code  string
	}{
		{map[string]any{"type": "send", "channel_id": o.at["channel"], "content": strings.Repeat("x", 9000)}, "QUOTA_EXCEEDED"},
		{map[string]any{"type": "send_thread_message", "thread_id": o.at["thread"], "content": strings.Repeat("x", 9000)}, "QUOTA_EXCEEDED"},
		{map[string]any{"type": "send", "channel_id": o.at["channel"], "content": "x"}, ""},
	} {
		f.frame["ref"] = "r"
		if code := s.frame(socket, f.frame); code != f.code {
			t.Errorf("%v over WebSocket: %q, want %q", f.frame["type"], code, f.code)
		}
	}
	s.want("the answer of a request_id", s.send(n.node, first), false)
	s.want("a large message of another org", next.send(n.node, next.parts(100_000)), false)
	s.want("a short message", s.send(n.node, s.parts(8000)), false)

	n.stop()
	n = start()
	s.want("a large message to a server that was started anew", s.send(n.node, s.parts(9000)), true)
	if got := s.fill(8000, n.node); got < 500_000 || got > 3_000_000 {
		t.Errorf("of 3 MiB for short messages %d bytes were taken", got)
	}
	short := s.send(n.node, s.parts(10))
	s.want("a short message", short, true)
	if !strings.Contains(short.body, "4 MiB") {
		t.Errorf("a refusal without its number: %v", short)
	}
	s.want("reading", n.send(o.member, "GET", "/api/me/workspace", nil), false)
	s.want("revoking a token", n.send(o.member, "DELETE", "/api/me/tokens/"+o.at["token"], nil), false)
	n.login(t, "an admin", map[string]any{"type": "org_admin", "org_id": o.id, "org_secret": o.at["org secret"]})
	s.want("removing a bot", n.send(o.human, "DELETE", "/api/bots/"+o.at["bot"], nil), false)
	s.want("a short message of another org", next.send(n.node, next.parts(10)), false)

	late.Add(12)
	s.o.at["bot"] = "own-admin1"
	s.want("a large message on the next day", s.send(n.node, s.parts(9000)), false)
}

// frame sends a frame and returns the code of its refusal.
func (s *storer) frame(conn *websocket.Conn, frame map[string]any) (code string) {
	s.Helper()
	if err := conn.Write(s.Context(), websocket.MessageText, encode(s.T, frame)); err != nil {
		s.Fatal(err)
	}
	for {
		_, data, err := conn.Read(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		var m struct{ Ref, Code string }
		if err := json.Unmarshal(data, &m); err != nil {
			s.Fatal(err)
		}
		if m.Ref == frame["ref"] {
			return m.Code
		}
	}
}

// TestStoredQuotaOfTwoNodes checks that two nodes of one database count together (B2B-LIM-012).
func TestStoredQuotaOfTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	open := func() *node {
		return newNodeWith(t, func(c *server.Config) { c.DatabaseURL, c.BulkMBPerDay = url, 1 })
	}
	one, two := open(), open()
	s := &storer{T: t, o: one.newOrg(t, "own")}
	if got := s.fill(100_000, one, two); got < 200_000 || got > 500_000 {
		t.Errorf("of 1 MiB on two nodes %d bytes were taken", got)
	}
	for i, n := range []*node{one, two} {
		s.want(fmt.Sprint("a large message on node ", i), s.send(n, s.parts(9000)), true)
		s.want(fmt.Sprint("a short message on node ", i), s.send(n, s.parts(10)), false)
	}
}
