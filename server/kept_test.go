package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/server"
)

// Repeated and conditional reads return what the same read returns that nobody made before
// (B2B-HTTP-051), after random changes and by callers with different access.
func TestRepeatedReadsFollowChanges(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "own")
	thread := func(visibility string) string {
		return n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "t", "visibility": visibility})["id"].(string)
	}
	public, private := thread("public"), thread("private")
	other := n.must(t, o.other, "GET", "/api/me", nil)["id"].(string)
	paths := []string{"/api/threads", "/api/threads?scope=org&limit=3", "/api/channels/" + o.at["channel"] + "/messages", "/api/channels/" + o.at["channel"], "/api/org/settings", "/api/org/threads"}
	for _, id := range []string{public, private} {
		for _, rest := range []string{"", "/messages", "/messages?limit=2", "/artifacts", "/join-requests"} {
			paths = append(paths, "/api/threads/"+id+rest)
		}
		paths = append(paths, "/api/org/threads/"+id, "/api/org/threads/"+id+"/messages", "/api/org/threads/"+id+"/artifacts")
	}
	type state struct{ tag, body string }
	known := map[string]state{}
	unique, matched, again, did := 0, 0, 0, 0
	check := func(by caller, path string) {
		t.Helper()
		key := by.name + " " + path
		was := known[key]
		header := []string{"If-None-Match", was.tag}
		if unique%3 == 0 {
			header = nil // a client that keeps nothing
		}
		a := n.send(by, "GET", path, nil, header...)
		join := "?"
		if strings.Contains(path, join) {
			join = "&"
		}
		unique++
		want := n.send(by, "GET", fmt.Sprint(path, join, "unique=", unique), nil)
		body := a.body
		if a.status == http.StatusNotModified {
			matched++
			body = was.body
			if want.header.Get("ETag") != was.tag || a.header.Get("ETag") != was.tag {
				t.Fatalf("%s: 304 of %s, and the tag is %s", key, was.tag, want.header.Get("ETag"))
			}
			if want.body != body && strings.HasPrefix(was.tag, "W/") { // other tags are revisions
				t.Fatalf("%s: 304 of %s, and the response is %v", key, body, want)
			}
			return
		}
		if a.status != want.status || body != want.body || a.header.Get("ETag") != want.header.Get("ETag") || a.header.Get("Link") != "" != (want.header.Get("Link") != "") {
			t.Fatalf("%s after %d: %v\n%s, want %v\n%s", key, did, a.header, a.body, want.header, want.body)
		}
		if was.body == body {
			again++
		}
		if a.status == http.StatusOK {
			known[key] = state{a.header.Get("ETag"), body}
		} else {
			delete(known, key)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	var conn *websocket.Conn
	for step := range 80 {
		id := []string{public, private}[random.IntN(2)]
		send := func(by caller, method, path string, body map[string]any) {
			if a := n.send(by, method, path, encode(t, body)); a.status >= 500 {
				t.Fatal(a)
			}
		}
		switch did = random.IntN(12); did {
		case 0:
			send(o.member, "POST", "/api/threads/"+id+"/messages", map[string]any{"content": fmt.Sprint("m", step)})
		case 1:
			send(o.member, "POST", "/api/threads/"+id+"/artifacts", map[string]any{"artifact_key": fmt.Sprint("a", random.IntN(2)), "content": fmt.Sprint(step)})
		case 2:
			send(o.member, "PATCH", "/api/threads/"+id+"/artifacts/a0", map[string]any{"content": fmt.Sprint(step)})
		case 3:
			send(o.member, "PATCH", "/api/threads/"+id, map[string]any{"topic": fmt.Sprint("topic ", step)})
		case 4:
			send(o.member, "POST", "/api/threads/"+id+"/participants", map[string]any{"bot_id": other, "label": fmt.Sprint(step)})
		case 5:
			send(o.member, "DELETE", "/api/threads/"+id+"/participants/"+other, nil)
		case 6:
			send(o.other, "POST", "/api/threads/"+id+"/join", map[string]any{})
		case 7:
			send(o.member, "PATCH", "/api/threads/"+id, map[string]any{"visibility": []string{"public", "members", "private"}[random.IntN(3)], "join_policy": []string{"open", "approval"}[random.IntN(2)]})
		case 8:
			send(o.other, "PATCH", "/api/me/name", map[string]any{"name": fmt.Sprint("other-", step)})
		case 9:
			if conn == nil {
				conn = n.dial(t, o.other, "")
			} else {
				_ = conn.Close(websocket.StatusNormalClosure, "")
				conn = nil
			}
		case 10:
			send(o.human, "PATCH", "/api/org/settings", map[string]any{"thread_auto_close_days": 1 + random.IntN(9)})
		case 11:
			send(o.member, "POST", "/api/send", map[string]any{"to": other, "content": fmt.Sprint(step)})
		}
		if conn == nil {
			online(t, n, o.member, other, false)
		}
		for range 2 {
			for _, by := range []caller{o.member, o.other, o.human} {
				for range 6 {
					check(by, paths[random.IntN(len(paths))])
				}
				check(by, paths[0])
			}
		}
	}
	if matched < 100 || again < 50 {
		t.Errorf("%d responses 304, and %d equal ones", matched, again)
	}
}

// online waits until a bot is online or not.
func online(t *testing.T, n *liveNode, by caller, bot string, want bool) {
	t.Helper()
	waittest.Until(t, "the presence of a bot", func() bool {
		return n.must(t, by, "GET", "/api/bots/"+bot, nil)["online"] == want
	})
}
