package server_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server"
)

// unnotifiedNodes returns two nodes of one database that never receive a notification: there is
// no Redis at the URL that they are configured with.
func unnotifiedNodes(t *testing.T) (one, two *liveNode) {
	t.Helper()
	url := pgtest.URL(t)
	config := func(c *server.Config) { c.DatabaseURL, c.RedisURL = url, "redis://127.0.0.1:1" }
	return newLiveNode(t, config), newLiveNode(t, config)
}

// TestRevocationCountsOnEveryNode checks that a change which one node has acknowledged takes effect
// on the other, without a notification.
func TestRevocationCountsOnEveryNode(t *testing.T) {
	t.Parallel()
	one, two := unnotifiedNodes(t)
	o := one.newOrg(t, "own")
	call := func(c caller, want int, what string) {
		t.Helper()
		if a := two.send(c, "GET", "/api/org", nil); a.status != want {
			t.Errorf("%s: a read on the other node is %v, want %d", what, a, want)
		}
		a := two.send(c, "POST", "/api/threads", encode(t, map[string]any{"topic": what}))
		if a.status != want {
			t.Errorf("%s: a change on the other node is %v, want %d", what, a, want)
		}
	}
	began := time.Now()
	for range 5 {
		made := one.must(t, o.member, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"full"}})
		token := bearer("token", "bot", "full", made["token"].(string))
		session := one.login(t, "session", map[string]any{"type": "bot", "token": made["token"]})
		call(token, 200, "a new token")
		call(session, 200, "a new session")
		one.must(t, o.member, "DELETE", "/api/me/tokens/"+made["id"].(string), nil)
		call(token, 401, "a revoked token")
		call(session, 401, "a session of a revoked token")
		left := one.login(t, "session", map[string]any{"type": "bot", "token": strings.TrimPrefix(o.member.header.Get("Authorization"), "Bearer ")})
		call(left, 200, "a new session")
		one.must(t, left, "POST", "/api/auth/logout", nil)
		call(left, 401, "a session that was left")

		admin := one.login(t, "admin", map[string]any{"type": "org_admin", "org_id": o.id, "org_secret": o.at["org secret"]})
		if a := two.send(admin, "GET", "/api/org/sessions", nil); a.status != 200 {
			t.Fatalf("a new org admin on the other node: %v", a)
		}
		for _, x := range items(one.must(t, o.human, "GET", "/api/org/sessions?limit=1", nil)) {
			one.must(t, o.human, "DELETE", "/api/org/sessions/"+x["ref"].(string), nil)
		}
		if a := two.send(admin, "GET", "/api/org/sessions", nil); a.status != 401 {
			t.Errorf("a session that was ended by its ref, on the other node: %v", a)
		}

		bot := o.things[0]
		for _, x := range o.things {
			if x.kind == "bot" {
				bot = x
				break
			}
		}
		role := func(role string, want int) {
			t.Helper()
			one.must(t, o.human, "PATCH", "/api/org/bots/"+bot.id+"/role", map[string]any{"auth_role": role})
			if a := two.send(o.other, "PATCH", "/api/org/settings", encode(t, map[string]any{"thread_auto_close_days": 3})); a.status != want {
				t.Errorf("a bot made %s, on the other node: %v, want %d", role, a, want)
			}
		}
		role("admin", 200)
		role("member", 403)
		one.must(t, o.human, "PATCH", "/api/org/bots/"+bot.id+"/status", map[string]any{"status": "rejected"})
		call(o.other, 403, "a rejected bot")
		one.must(t, o.human, "PATCH", "/api/org/bots/"+bot.id+"/status", map[string]any{"status": "active"})
		call(o.other, 200, "a bot that is active again")
		one.must(t, one.operator, "PATCH", "/api/orgs/"+o.id, map[string]any{"status": "suspended"})
		call(o.member, 403, "a suspended org")
		one.must(t, one.operator, "PATCH", "/api/orgs/"+o.id, map[string]any{"status": "active"})
		call(o.member, 200, "an org that is active again")
	}
	t.Logf("5 rounds in %v", time.Since(began).Round(time.Millisecond))
	one.must(t, one.operator, "DELETE", "/api/orgs/"+o.id, nil)
	call(o.member, 401, "a destroyed org")
}

// TestNothingIsWrittenAfterARevocation reads the event log: after the event that rejects a bot
// there is nothing that the bot did on the other node, although it never stops.
func TestNothingIsWrittenAfterARevocation(t *testing.T) {
	t.Parallel()
	one, two := unnotifiedNodes(t)
	o := one.newOrg(t, "own")
	var bot string
	for _, x := range o.things {
		if x.kind == "bot" {
			bot = x.id
			break
		}
	}
	body := encode(t, map[string]any{"to": "own-bot8", "content": "still here"})
	if a := two.send(o.other, "POST", "/api/send", body); a.status != 200 {
		t.Fatal(a)
	}
	var writers sync.WaitGroup
	stop, answered := make(chan struct{}), make(chan struct{}, 8)
	for range 8 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a := two.send(o.other, "POST", "/api/send", body); a.status != 200 && a.status != 403 {
					t.Errorf("while its status changes: %v", a)
				}
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 10 {
		for _, status := range []string{"rejected", "active"} {
			for range 2 * cap(answered) { // those from before, and some of this status
				<-answered
			}
			one.must(t, o.human, "PATCH", "/api/org/bots/"+bot+"/status", map[string]any{"status": status})
		}
	}
	close(stop)
	writers.Wait()
	out, wrote := false, 0
	for seq := int64(0); ; {
		events, err := one.server.Store().ReadLog(t.Context(), o.id, seq, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			seq = e.Seq
			switch {
			case e.Type == "bot_status_changed":
				out = !out
			case e.Type == "message" && e.ActorID != nil && *e.ActorID == bot:
				if wrote++; out {
					t.Errorf("event %d: a rejected bot wrote", seq)
				}
			}
		}
	}
	if wrote < 20 || out {
		t.Errorf("%d messages, rejected at the end: %v", wrote, out)
	}
	t.Logf("%d messages around 20 changes", wrote)
}

// TestParentsOnEveryNode checks that what was made with a scoped token ends with it on the other
// node, too, including tokens that are made there at the same time (B2B-AUTH-060).
func TestParentsOnEveryNode(t *testing.T) {
	t.Parallel()
	one, two := unnotifiedNodes(t)
	o := one.newOrg(t, "own")
	mint := func(n *liveNode, c caller) (id string, token caller) {
		t.Helper()
		made := n.must(t, c, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"full"}})
		return made["id"].(string), bearer("token", "bot", "full", made["token"].(string))
	}
	id, root := mint(one, o.member)
	_, child := mint(two, root)
	session := two.login(t, "session", map[string]any{"type": "bot", "token": strings.TrimPrefix(child.header.Get("Authorization"), "Bearer ")})
	stream := two.events(t, child, "")
	over := []caller{root, child, session}
	for _, c := range over {
		for _, n := range []*liveNode{one, two} {
			n.must(t, c, "GET", "/api/me", nil)
		}
	}
	var minters sync.WaitGroup
	made := make([][]caller, 4)
	var minting sync.WaitGroup
	minting.Add(len(made))
	for i := range made {
		minters.Go(func() {
			defer func() {
				if len(made[i]) < 2 {
					t.Error("a token cannot be made")
					minting.Done()
				}
			}()
			for {
				a := two.send(child, "POST", "/api/me/tokens", encode(t, map[string]any{"scopes": []string{"read"}}))
				var token struct{ Token string }
				if a.status != 200 || json.Unmarshal([]byte(a.body), &token) != nil {
					return
				}
				if made[i] = append(made[i], bearer("late", "bot", "read", token.Token)); len(made[i]) == 2 {
					minting.Done()
				}
			}
		})
	}
	minting.Wait() // calls are in progress
	one.must(t, o.member, "DELETE", "/api/me/tokens/"+id, nil)
	minters.Wait()
	over = append(over, slices.Concat(made...)...)
	for _, c := range over {
		for _, n := range []*liveNode{one, two} {
			if a := n.send(c, "GET", "/api/me", nil); a.status != 401 {
				t.Errorf("%s is valid after its parent has ended: %v", c.name, a)
			}
		}
	}
	for stream.block().kind != "end" {
	}
	if left, err := one.server.Store().Tokens(t.Context(), ownerOf(t, one, o.member), nil, 100); err != nil || len(left) != 5 {
		t.Errorf("%d tokens are left (%v), want the 5 of the org's making", len(left), err)
	}
	t.Logf("%d tokens were made meanwhile", len(over)-3)
}

// ownerOf returns the id of a caller's bot.
func ownerOf(t *testing.T, n *liveNode, c caller) string {
	t.Helper()
	return n.must(t, c, "GET", "/api/me", nil)["id"].(string)
}

// TestAdminSecretRotates checks that a node which starts with another admin secret rejects all
// sessions of the earlier one (B2B-AUTH-062), and that sessions of org admins are not affected.
func TestAdminSecretRotates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(secret string) *node {
		t.Helper()
		c := testConfig(t)
		c.DataDir, c.AdminSecret = dir, secret
		s, err := server.New(t.Context(), c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return &node{server: s}
	}
	stop := func(n *node) {
		t.Helper()
		if err := n.server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	n := start(adminSecret)
	n.operator = n.login(t, "super admin", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	made := n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": "o"})
	human := n.login(t, "org admin", map[string]any{"type": "org_admin", "org_id": made["id"], "org_secret": made["org_secret"]})
	operator := n.operator
	for _, next := range []struct {
		secret string
		want   int
	}{{adminSecret, 200}, {"another secret of the operator", 401}, {adminSecret, 401}} {
		stop(n)
		n = start(next.secret)
		if a := n.send(operator, "GET", "/api/orgs", nil); a.status != next.want {
			t.Errorf("with the secret %q: %v, want %d", next.secret, a, next.want)
		}
		n.must(t, human, "GET", "/api/org", nil)
	}
	stop(n)
}
