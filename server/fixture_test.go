package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/server"
	"github.com/b2b-protocol/b2b/server/config"
)

const adminSecret = "the operator's secret of these tests"

// A node is a whole server with its own database, called without a network.
type node struct {
	server   *server.Server
	requests atomic.Int64
	operator caller // a super admin's session
}

// testConfig returns the configuration of an environment with only a data folder and a secret.
func testConfig(t testing.TB) server.Config {
	t.Helper()
	c := config.Default()
	c.DataDir, c.AdminSecret = t.TempDir(), adminSecret
	c.DatabaseTimeout = 60 // on a busy machine PostgreSQL may respond late, which is no fault of the server
	return c
}

// newNode makes a node on SQLite, or on PostgreSQL if a database is given.
func newNode(t testing.TB, database ...string) *node {
	t.Helper()
	return newNodeWith(t, func(c *server.Config) { c.DatabaseURL = strings.Join(database, "") })
}

// newNodeWith makes a node with other settings.
func newNodeWith(t testing.TB, set func(*server.Config)) *node {
	t.Helper()
	c := testConfig(t)
	set(&c)
	s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	n := &node{server: s}
	n.operator = n.login(t, "super admin", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	n.operator.kind = "super admin"
	return n
}

// A caller is a credential.
type caller struct {
	name   string // "admin bot, read"
	kind   string // "nobody", "bot", "admin bot", "org admin", "super admin"
	scope  string // of a bot; "full" unless the token may do less
	header http.Header
}

func bearer(name, kind, scope, token string) caller {
	return caller{name: name, kind: kind, scope: scope, header: http.Header{"Authorization": {"Bearer " + token}}}
}

var nobody = caller{name: "nobody", kind: "nobody"}

// An answer is a response as a client sees it.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) code() string {
	var e struct {
		Code string `json:"code"`
	}
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Code
}

func (a answer) String() string {
	body := a.body
	if len(body) > 400 {
		body = body[:400] + "…"
	}
	return fmt.Sprintf("%d %s", a.status, body)
}

// send calls the server; body may be nil. Each request has its own client address, since failed
// logins are counted by address.
func (n *node) send(c caller, method, target string, body []byte, header ...string) answer {
	r := httptest.NewRequest(method, "http://b2b.test/", bytes.NewReader(body))
	if u, err := r.URL.Parse(target); err == nil {
		r.URL = u
		r.URL.Host, r.URL.Scheme = "", ""
	} else {
		panic(fmt.Sprintf("test sends a bad target %q: %v", target, err))
	}
	r.RequestURI = target
	if body == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	if bytes.HasPrefix(body, []byte(formMark)) {
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+formMark[2:])
	}
	for k, v := range c.header {
		r.Header[k] = v
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	count := n.requests.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r = r.WithContext(ctx)
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:4000", count>>16&255, count>>8&255, count&255)
	w := &listener{httptest.NewRecorder(), cancel}
	n.server.Handler().ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// listener is a client that disconnects as soon as a stream has started.
type listener struct {
	*httptest.ResponseRecorder
	leave func()
}

func (l *listener) Write(p []byte) (int, error) {
	begins := bytes.HasPrefix(p, []byte(": heartbeat\n"))
	if l.Header().Get("Content-Type") == "application/connect+json" { // a heartbeat has at most a position
		begins = bytes.Contains(p, []byte(`"cursor"`)) || bytes.HasSuffix(p, []byte("{}"))
	}
	if begins {
		l.leave()
	}
	return l.ResponseRecorder.Write(p)
}

// must calls the server and decodes the response, which must be a success.
func (n *node) must(t testing.TB, c caller, method, target string, body any) map[string]any {
	t.Helper()
	var data []byte
	if body != nil {
		data = encode(t, body)
	}
	a := n.send(c, method, target, data)
	if a.status < 200 || a.status > 299 {
		t.Fatalf("%s %s by %s: %v", method, target, c.name, a)
	}
	var out map[string]any
	if json.Unmarshal([]byte(a.body), &out) != nil {
		out = map[string]any{"list": json.RawMessage(a.body)}
	}
	return out
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (n *node) login(t testing.TB, name string, body map[string]any) caller {
	t.Helper()
	a := n.send(nobody, "POST", "/api/auth/login", encode(t, body))
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	if a.status != 200 || cookie == "" {
		t.Fatalf("login of %s: %v", name, a)
	}
	return caller{name: name, scope: "full", header: http.Header{"Cookie": {cookie}}}
}

// An org is an org with something of every kind, and every kind of caller.
type org struct {
	id      string
	callers []caller
	member  caller // a bot: takes part in every thread and in the channel
	other   caller // another bot, likewise
	admin   caller // an admin bot, likewise
	human   caller // an org admin's session

	things []thing
	at     map[string]string // the first thing of each kind
}

// A thing is something with an id; unknown is an id of the same form, at the same place in every
// order, that does not exist.
type thing struct{ kind, id, unknown string }

func (o *org) add(kind, id string) {
	o.put(thing{kind, id, neighbour(id)})
}

func (o *org) put(x thing) {
	o.things = append(o.things, x)
	if _, known := o.at[x.kind]; !known {
		o.at[x.kind] = x.id
	}
}

// neighbour changes the last character of an id.
func neighbour(id string) string {
	last := id[len(id)-1]
	switch {
	case last == '9':
		last = '8'
	case last == 'f' || last == 'z':
		last--
	default:
		last++
	}
	return id[:len(id)-1] + string(last)
}

// newOrg makes an org with the mark in all its names and texts.
func (n *node) newOrg(t testing.TB, mark string) *org {
	t.Helper()
	made := n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": mark + " org"})
	o := &org{id: made["id"].(string), at: make(map[string]string)}
	secret := made["org_secret"].(string)
	o.human = n.login(t, "org admin", map[string]any{"type": "org_admin", "org_id": o.id, "org_secret": secret})
	o.human.kind = "org admin"
	n.must(t, o.human, "PATCH", "/api/org/settings", map[string]any{"messages_per_minute_per_bot": 1 << 40, "threads_per_hour_per_bot": 1 << 40})
	o.add("org", o.id)
	o.add("org secret", secret)

	register := func(name string, with map[string]any) (id, token string) {
		body := map[string]any{"org_id": o.id, "name": mark + name, "bio": mark + " bio"}
		for k, v := range with {
			body[k] = v
		}
		bot := n.must(t, nobody, "POST", "/api/auth/register", body)
		return bot["bot_id"].(string), bot["token"].(string)
	}
	ticket := func(skip bool) string {
		return n.must(t, o.human, "POST", "/api/org/tickets", map[string]any{"reusable": true, "skip_approval": skip})["ticket"].(string)
	}
	adminID, adminToken := register("-admin1", map[string]any{"org_secret": secret})
	code := ticket(true)
	memberID, memberToken := register("-bot8", map[string]any{"ticket": code})
	otherID, otherToken := register("-bot2", map[string]any{"ticket": code})
	outsiderID, outsiderToken := register("-bot6", map[string]any{"ticket": code})
	ghostID, _ := register("-ghost2", map[string]any{"ticket": code})
	n.must(t, o.human, "PATCH", "/api/org/settings", map[string]any{"join_approval_required": true})
	pendingID, _ := register("-bot4", map[string]any{"ticket": ticket(false)})
	o.member, o.other = bearer("bot", "bot", "full", memberToken), bearer("bot", "bot", "full", otherToken)
	o.admin = bearer("admin bot", "admin bot", "full", adminToken)
	outsider := bearer("outsider", "bot", "full", outsiderToken)
	n.must(t, o.human, "DELETE", "/api/bots/"+ghostID, nil)
	o.add("bot", otherID)
	for _, id := range []string{memberID, adminID, outsiderID, pendingID, ghostID} {
		o.add("bot", id)
	}
	o.add("bot name", mark+"-bot2")
	o.add("bot name", mark+"-bot4")
	o.add("tombstone", mark+"-ghost2")

	thread := func(by caller, visibility string, more map[string]any) string {
		body := map[string]any{"topic": mark + " topic", "visibility": visibility, "tags": []string{mark}, "context": mark}
		for k, v := range more {
			body[k] = v
		}
		return n.must(t, by, "POST", "/api/threads", body)["id"].(string)
	}
	three := map[string]any{"participants": []string{otherID, adminID}}
	public := thread(o.member, "public", map[string]any{"participants": []string{otherID, adminID}, "join_policy": "approval"})
	hidden := thread(o.member, "members", three)
	private := thread(o.member, "private", three)
	closed := thread(o.member, "public", three)
	n.must(t, o.member, "PATCH", "/api/threads/"+closed, map[string]any{"status": "closed", "close_reason": "manual"})
	for _, id := range []string{public, hidden, private, closed} {
		o.add("thread", id)
	}
	for _, id := range []string{public, private} {
		for range 3 {
			m := n.must(t, o.member, "POST", "/api/threads/"+id+"/messages", map[string]any{"content": mark + " wrote this"})
			o.add("thread message", m["id"].(string))
		}
		for _, key := range []string{"-plan2", "-plan4"} {
			a := n.must(t, o.member, "POST", "/api/threads/"+id+"/artifacts", map[string]any{"artifact_key": mark + key, "content": mark})
			o.add("artifact", a["id"].(string))
		}
	}
	o.add("artifact key", mark+"-plan2")
	wants := n.must(t, outsider, "POST", "/api/threads/"+public+"/join", map[string]any{})
	o.add("join request", wants["request_id"].(string))
	for range 3 {
		sent := n.must(t, o.member, "POST", "/api/send", map[string]any{"to": otherID, "content": mark + " wrote"})
		o.add("channel", sent["channel_id"].(string))
		o.add("channel message", sent["message"].(map[string]any)["id"].(string))
	}
	n.must(t, o.admin, "POST", "/api/send", map[string]any{"to": memberID, "content": mark + " wrote"})

	for _, name := range []string{"/src/**", "/docs"} {
		l := n.must(t, o.member, "POST", "/api/leases", map[string]any{"name": mark + name, "note": mark, "ttl_seconds": 86400})
		o.add("lease", l["id"].(string))
	}
	claimed := n.must(t, o.member, "POST", "/api/inbox/claim", map[string]any{"lease_seconds": 86400})
	delivery := claimed["items"].([]any)[0].(map[string]any)
	o.add("delivery lease", delivery["lease"].(string)) // its id is only a number

	for _, ask := range []map[string]any{{"bots": []string{otherID}, "humans": true}, {"humans": true, "blocks": true}} {
		ask["kind"], ask["question"] = "approve", mark+" asks"
		d := n.must(t, o.member, "POST", "/api/threads/"+private+"/decisions", ask)
		o.add("decision", d["id"].(string))
	}

	for range 2 {
		a := n.send(o.member, "POST", "/api/files/upload", form(nil, "text/plain", mark+" filed"))
		var f struct{ ID string }
		if err := json.Unmarshal([]byte(a.body), &f); err != nil || f.ID == "" {
			t.Fatalf("upload: %v", a)
		}
		o.add("file", f.ID)
	}

	o.callers = []caller{nobody, o.member, o.admin, o.human, n.operator}
	session := n.login(t, "session", map[string]any{"type": "bot", "token": memberToken, "owner_name": mark})
	session.name, session.kind = "bot's owner", "bot"
	o.callers = append(o.callers, session)
	for _, scope := range []string{"read", "thread", "message", "profile", "admin"} {
		body := map[string]any{"scopes": []string{scope}, "label": mark}
		made := n.must(t, o.member, "POST", "/api/me/tokens", body)
		o.add("token", made["id"].(string))
		token := made["token"].(string)
		o.callers = append(o.callers, bearer("bot, "+scope, "bot", scope, token))
		login := func(name, kind, token string) {
			owner := n.login(t, name, map[string]any{"type": "bot", "token": token, "owner_name": mark})
			owner.kind, owner.scope = kind, scope
			o.callers = append(o.callers, owner)
		}
		if scope != "admin" { // a bot has five sessions at most
			login("bot's owner, "+scope, "bot", token)
		}
		made = n.must(t, o.admin, "POST", "/api/me/tokens", body)
		token = made["token"].(string)
		o.callers = append(o.callers, bearer("admin bot, "+scope, "admin bot", scope, token))
		login("admin bot's owner, "+scope, "admin bot", token)
	}
	n.login(t, "other's owner", map[string]any{"type": "bot", "token": otherToken, "owner_name": mark})
	for _, x := range items(n.must(t, o.human, "GET", "/api/org/sessions", nil)) {
		if x["bot_id"] == otherID {
			o.add("session", x["ref"].(string))
		}
	}
	for _, x := range items(n.must(t, o.human, "GET", "/api/org/sessions?limit=3", nil)) {
		o.add("session", x["ref"].(string))
	}
	for _, x := range items(n.must(t, o.human, "GET", "/api/org/tickets", nil)) {
		o.add("ticket", x["id"].(string))
		o.add("ticket", x["code"].(string))
	}
	dead := &store.WebhookDelivery{ID: uuid.NewString(), OrgID: o.id, BotID: o.at["bot"], Seq: 1, EventType: "message", UpdatedAt: 1, Reason: mark}
	err := n.server.Store().Update(t.Context(), o.id, func(tx store.Tx) error { return tx.PutDelivery(t.Context(), dead) })
	if err != nil {
		t.Fatal(err)
	}
	o.add("dead letter", dead.ID)
	detail := n.must(t, o.human, "GET", "/api/org/threads/"+public, nil)
	o.add("org cursor", fmt.Sprintf("%.0f|%s", detail["last_activity_at"], public))
	for _, id := range []string{public, o.at["channel"], o.at["ticket"]} {
		at := func(id string) string {
			return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"t":%.0f,"id":%q}`, detail["last_activity_at"], id))
		}
		o.put(thing{"cursor", at(id), at(neighbour(id))})
	}
	return o
}

func items(m map[string]any) (out []map[string]any) {
	list, _ := m["items"].([]any)
	for _, x := range list {
		out = append(out, x.(map[string]any))
	}
	return out
}
