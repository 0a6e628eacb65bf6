package server_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/server"
)

// botLists compares conditional reads of lists of bots with lists that are read from the database.
type botLists struct {
	*testing.T
	nodes   []*liveNode
	o       *org
	mark    string
	tags    map[string]string
	kept    map[string][]map[string]any
	matched int // responses 304
}

// decoded returns a list without the times of last calls.
func (b *botLists) decoded(a answer) []map[string]any {
	b.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
		b.Fatalf("%v: %v", a, err)
	}
	for _, bot := range list {
		delete(bot, "last_seen_at")
	}
	return list
}

// check reads a list as a client that has kept the last one.
func (b *botLists) check(n int, by caller, path string, without string) {
	b.Helper()
	node := b.nodes[n]
	key := fmt.Sprint(n, by.name, path)
	stored := func() []map[string]any { // with a filter that all bots pass, the list is read from the database
		all := b.decoded(node.send(by, "GET", "/api/bots?q="+b.mark, nil))
		list := make([]map[string]any, 0, len(all))
		for _, bot := range all {
			if bot["id"] != without {
				list = append(list, bot)
			}
		}
		return list
	}
	for before := stored(); ; {
		a := node.send(by, "GET", path, nil, "If-None-Match", b.tags[key])
		tag := a.header.Get("ETag")
		switch {
		case a.status == http.StatusNotModified && tag == b.tags[key] && a.body == "":
			b.matched++
		case a.status == http.StatusOK && tag != b.tags[key] && tag != "":
			b.tags[key], b.kept[key] = tag, b.decoded(a)
		default:
			b.Fatalf("%s by %s with %s: %v, %v", path, by.name, b.tags[key], a, a.header)
		}
		after := stored()
		if !reflect.DeepEqual(before, after) { // a connection ended meanwhile
			before = after
			continue
		}
		if !reflect.DeepEqual(b.kept[key], after) {
			b.Fatalf("%s by %s on node %d is %v, want %v", path, by.name, n, b.kept[key], after)
		}
		return
	}
}

// Conditional reads of the lists of bots, on any node and by any caller, have every change that was
// acknowledged before (B2B-HTTP-051).
func TestBotListsFollowChanges(t *testing.T) {
	t.Parallel()
	t.Run("one node", func(t *testing.T) {
		t.Parallel()
		n := newLiveNode(t, func(*server.Config) {})
		botListsFollow(t, 120, n)
	})
	t.Run("two nodes", func(t *testing.T) {
		t.Parallel()
		one, two := unnotifiedNodes(t)
		botListsFollow(t, 50, one, two)
	})
}

func botListsFollow(t *testing.T, steps int, nodes ...*liveNode) {
	const mark = "own"
	o := nodes[0].newOrg(t, mark)
	b := &botLists{T: t, nodes: nodes, o: o, mark: mark, tags: map[string]string{}, kept: map[string][]map[string]any{}}
	self := func(c caller) string { return nodes[0].must(t, c, "GET", "/api/me", nil)["id"].(string) }
	member, other := self(o.member), self(o.other)
	random := rand.New(rand.NewPCG(1, 2))
	var conn *websocket.Conn
	var added []string
	for n := range steps {
		at := nodes[random.IntN(len(nodes))]
		switch k := random.IntN(8); {
		case k == 0:
			at.must(t, o.other, "PATCH", "/api/me/name", map[string]any{"name": fmt.Sprintf("%s-%c-%d", mark, 'a'+random.IntN(26), n)})
		case k == 1:
			at.must(t, o.other, "PATCH", "/api/me/profile", map[string]any{"tags": []string{fmt.Sprint(n)}, "bio": fmt.Sprint(mark, n)})
		case k == 2:
			role := []string{"admin", "member"}[n%2]
			at.send(o.human, "PATCH", "/api/org/bots/"+other+"/role", encode(t, map[string]any{"auth_role": role}))
		case k == 3:
			made := at.must(t, nobody, "POST", "/api/auth/register", map[string]any{
				"org_id": o.id, "org_secret": o.at["org secret"], "name": fmt.Sprintf("%s-new-%d", mark, n), "bio": mark,
			})
			added = append(added, made["bot_id"].(string))
		case k == 4 && len(added) > 0:
			at.must(t, o.human, "DELETE", "/api/bots/"+added[0], nil)
			added = added[1:]
		case k == 5 && len(added) > 0:
			at.send(o.human, "PATCH", "/api/org/bots/"+added[0]+"/status", encode(t, map[string]any{"status": []string{"active", "rejected"}[n%2]}))
		case k == 6 && conn == nil:
			conn = at.dial(t, o.other, "")
		case k == 6:
			_ = conn.CloseNow()
			conn = nil
		}
		for range 2 {
			node := random.IntN(len(nodes))
			b.check(node, o.member, "/api/bots", "")
			b.check(node, o.member, "/api/peers", member)
			b.check(node, o.admin, "/api/bots", "")
		}
	}
	if b.matched < steps {
		t.Errorf("%d responses 304 of %d steps", b.matched, steps)
	}
}

// A time of a last call is in the lists of all nodes within seconds (B2B-AUTH-007), and the caller's
// own is that of its previous call (B2B-AUTH-010).
func TestBotListsShowLastCalls(t *testing.T) {
	t.Parallel()
	one, two := unnotifiedNodes(t)
	for _, nodes := range [][2]*liveNode{{one, two}, {newLiveNode(t, func(*server.Config) {})}} {
		write, read := nodes[0], nodes[1]
		if read == nil {
			read = write
		}
		o := write.newOrg(t, "own")
		id := write.must(t, o.other, "GET", "/api/me", nil)["id"].(string)
		seen := func(by caller) float64 {
			for _, bot := range decodedList(t, read.send(by, "GET", "/api/bots", nil)) {
				if bot["id"] == id {
					return bot["last_seen_at"].(float64)
				}
			}
			t.Fatal("the bot is not in the list")
			return 0
		}
		seen(o.member)
		began := float64(time.Now().UnixMilli())
		write.must(t, o.other, "GET", "/api/me", nil)
		waittest.Until(t, "the last call in the list", func() bool { return seen(o.member) >= began })
		first := seen(o.other)
		if second := seen(o.other); second < first || second < began {
			t.Errorf("the time of the previous call is %f, after %f", second, first)
		}
	}
}

func decodedList(t *testing.T, a answer) (list []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	return list
}
