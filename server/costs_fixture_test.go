package server_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
)

// A costsFixture is a server with an org that has a number of everything: messages, bots, threads,
// channels, artifacts, tokens, tickets, sessions, audit entries, dead letters, events. The platform
// has as many orgs and invite codes. Of the bots
//   - busy is in every thread and in a channel with every bot,
//   - usual is in 9 threads and 2 channels, among them the hot ones, which have most messages,
//   - gone has left every thread, and has posted most messages of the hot thread and channel.
type costsFixture struct {
	*node
	size     int
	recorder *sqltest.Recorder
	url      string // at which servers open the database
	config   func(*server.Config)
	org      string
	base     int64 // the time of the first row, Unix milliseconds

	busy, usual, gone, admin, human caller
	ids                             map[string]string // bots by their name
	thread, channel, file           string            // the hot ones
}

// The numbered rows of a kind have ids which begin with it; row i has the number 10,000,000 + i.
const (
	idOfBot = 1 + iota
	idOfThread
	idOfChannel
	idOfMessage
	idOfDirect
	idOfOther
)

// numbered returns the id of a numbered row.
func numbered(kind, i int) string {
	return fmt.Sprintf("0000000%d-0000-4000-8000-0000%d", kind, 10_000_000+i)
}

// inSQL is numbered for the row i of a query.
func inSQL(kind int, i string) string {
	return fmt.Sprintf("('0000000%d-0000-4000-8000-0000' || (10000000 + %s))", kind, i)
}

func newCostsFixture(t testing.TB, url string, size int) *costsFixture {
	t.Helper()
	fx := &costsFixture{size: size, ids: map[string]string{}}
	folder := t.TempDir()
	fx.config = func(c *server.Config) {
		c.DataDir = folder
		if sqlstore.IsPostgres(fx.url) {
			c.DatabaseURL = fx.url
		}
	}
	if url == "" {
		c := testConfig(t)
		fx.config(&c)
		url = c.StorePath()
	}
	fx.url = url
	close := fx.open(t)
	fx.make(t)
	fx.base = time.Now().UnixMilli()
	close()
	fx.fill(t, url)
	fx.recorder, fx.url = sqltest.NewRecorder(t, url)
	t.Cleanup(fx.open(t))
	return fx
}

// open starts the server. Its result closes it.
func (fx *costsFixture) open(t testing.TB) (close func()) {
	t.Helper()
	c := testConfig(t)
	fx.config(&c)
	s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	fx.node = &node{server: s, operator: fx.operator()}
	return func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (fx *costsFixture) operator() caller {
	if fx.node == nil {
		return caller{}
	}
	return fx.node.operator
}

// make makes the org, its callers and the hot things over the API.
func (fx *costsFixture) make(t testing.TB) {
	t.Helper()
	fx.node.operator = fx.login(t, "super admin", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	made := fx.must(t, fx.node.operator, "POST", "/api/orgs", map[string]any{"name": "large"})
	fx.org = made["id"].(string)
	secret := made["org_secret"].(string)
	fx.human = fx.login(t, "org admin", map[string]any{"type": "org_admin", "org_id": fx.org, "org_secret": secret})
	code := fx.must(t, fx.human, "POST", "/api/org/tickets", map[string]any{"reusable": true, "skip_approval": true})["ticket"]
	register := func(name string, with map[string]any) caller {
		with["org_id"], with["name"] = fx.org, name
		bot := fx.must(t, nobody, "POST", "/api/auth/register", with)
		fx.ids[name] = bot["bot_id"].(string)
		return bearer(name, "bot", "full", bot["token"].(string))
	}
	fx.admin = register("admin", map[string]any{"org_secret": secret})
	fx.busy = register("busy", map[string]any{"ticket": code})
	fx.usual = register("usual", map[string]any{"ticket": code})
	fx.gone = register("gone", map[string]any{"ticket": code})
	thread := func(topic string) string {
		return fx.must(t, fx.usual, "POST", "/api/threads", map[string]any{
			"topic": topic, "visibility": "public", "join_policy": "approval", "participants": []string{fx.ids["busy"]},
		})["id"].(string)
	}
	for i := range 8 {
		fx.must(t, fx.busy, "POST", "/api/threads/"+thread(fmt.Sprint("small ", i))+"/messages", map[string]any{"content": "hello"})
	}
	fx.thread = thread("hot")
	fx.must(t, fx.busy, "POST", "/api/threads/"+fx.thread+"/messages", map[string]any{"content": "hello"})
	fx.channel = fx.must(t, fx.gone, "POST", "/api/send", map[string]any{"to": fx.ids["usual"], "content": "hello"})["channel_id"].(string)
	a := fx.send(fx.usual, "POST", "/api/files/upload", form(nil, "text/plain", "text"))
	_, after, _ := strings.Cut(a.body, `"id":"`)
	fx.file, _, _ = strings.Cut(after, `"`)
}

// event returns an event as the log stores it.
func event(t testing.TB, e *b2bv1.Event) string {
	t.Helper()
	b, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", b)
}

// fill adds the rows in bulk, and indexes the log.
func (fx *costsFixture) fill(t testing.TB, url string) {
	t.Helper()
	postgres := sqlstore.IsPostgres(url)
	blob := func(hex string) string {
		if postgres {
			return `'\x` + hex + `'::bytea`
		}
		return "x'" + hex + "'"
	}
	post := blob(event(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
		ThreadId: fx.thread, Message: &b2bv1.ThreadMessage{Id: numbered(idOfMessage, 1), ThreadId: fx.thread, Content: "hello", ContentType: "text", MentionAll: true},
	}}}))
	direct := blob(event(t, &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{
		ChannelId: fx.channel, Message: &b2bv1.ChannelMessage{Id: numbered(idOfDirect, 1), ChannelId: fx.channel, SenderId: fx.ids["gone"], Content: "hello"},
	}}}))
	names := strings.NewReplacer(
		"{org}", fx.org, "{busy}", fx.ids["busy"], "{usual}", fx.ids["usual"], "{gone}", fx.ids["gone"], "{thread}", fx.thread, "{channel}", fx.channel,
		"{post}", post, "{direct}", direct,
		"{bot}", inSQL(idOfBot, "i"), "{t}", inSQL(idOfThread, "i"), "{c}", inSQL(idOfChannel, "i"), "{m}", inSQL(idOfMessage, "i"),
		"{hot}", inSQL(idOfMessage, "(i + 10000000)"), "{d}", inSQL(idOfDirect, "i"), "{dm}", inSQL(idOfDirect, "(i + 10000000)"), "{id}", inSQL(idOfOther, "i"),
		"{at}", fmt.Sprintf("%d + i", fx.base), "{later}", fmt.Sprint(fx.base+1<<40), "{half}", fmt.Sprintf("i > %d", fx.size/2),
		"{seq}", "(SELECT last_seq FROM org_logs WHERE org_id = '"+fx.org+"') + 4 * (i - 1)", "{few}", "i <= 1990",
	)
	var statements []string
	for _, into := range bulk {
		table, values, _ := strings.Cut(into, ": ")
		statements = append(statements, names.Replace(fmt.Sprintf("INSERT INTO %s WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT %s", table, fx.size, values)))
	}
	statements = append(statements, names.Replace("UPDATE org_logs SET last_seq = (SELECT max(seq) FROM event_log WHERE org_id = '{org}') WHERE org_id = '{org}'"))
	if postgres {
		statements = append(statements, "SET synchronous_commit = on", "ANALYZE")
	}
	sqltest.Execute(t, url, statements...)
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url, NoTimeouts: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.IndexLog(t.Context(), fx.org, 1<<30); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if postgres {
		sqltest.Execute(t, url, "ANALYZE")
	}
}

// bulk are the rows that are added, by table. A row is numbered by i.
var bulk = []string{
	"orgs (id, name, secret_hash, created_at): {id}, 'small', 'none', {at} FROM n",
	"org_logs (org_id, epoch, last_seq): {id}, 'epoch', 0 FROM n",
	"invite_codes (id, code_hash, max_uses, use_count, expires_at, created_at): {id}, 'invite' || i, 0, 0, 0, {at} FROM n",
	"bots (id, org_id, name, token_hash, auth_role, bio, role, tags, online, created_at, join_status): " +
		"{bot}, '{org}', 'bot-' || (10000000 + i), 'token' || i, 'member', 'knows a lot', 'coder', '[\"go\"]', FALSE, {at}, 'active' FROM n",
	"tombstones (id, org_id, name, deleted_at, deleted_by): {id}, '{org}', 'dead' || i, {at}, 'x' FROM n",
	"bot_tokens (id, bot_id, token_hash, scopes, created_at): {id}, '{busy}', 'scoped' || i, '[\"read\"]', {at} FROM n",
	"sessions (hash, ref, role, org_id, is_scoped_token, created_at, expires_at): 's' || i, 'r' || i, 'org_admin', '{org}', FALSE, {at}, {later} FROM n",
	"org_tickets (id, org_id, id_hash, code_hash, reusable, skip_approval, consumed, expires_at, created_at): " +
		"{id}, '{org}', 'i' || i, 'c' || i, FALSE, FALSE, {half}, 0, {at} FROM n",
	"audit_log (id, org_id, action, target_type, target_id, created_at): {id}, '{org}', 'thread.join', 'thread', {t}, {at} FROM n",
	"leases (id, org_id, name, head, shared, bot_id, fence, ttl, acquired_at, expires_at): " +
		"{id}, '{org}', 'at/' || (10000000 + i), 'at/' || (10000000 + i), FALSE, '{busy}', i, 1000, {at}, {later} FROM n",
	"deliveries (bot_id, seq, org_id, scope_id, kind, state, attempt, at, due, waits_for): " +
		"'{busy}', 1000000 + i, '{org}', {t}, 2, 1, 0, {at}, 0, 0 FROM n",
	"inbox_scopes (bot_id, scope_id, head, ready_at, settled_at): '{busy}', {t}, 1000000 + i, 0, 0 FROM n",
	"files (id, org_id, name, mime_type, size, created_at): {id}, '{org}', 'f', 'text/plain', 1, {at} FROM n",

	"channels (id, org_id, type, pair, created_at): {c}, '{org}', 'direct', 'pair' || i, {at} FROM n",
	"channel_members (channel_id, bot_id, joined_at, joined_seq): {c}, '{busy}', {at}, 1 FROM n",
	"channel_members (channel_id, bot_id, joined_at, joined_seq): {c}, {bot}, {at}, 1 FROM n",
	"channel_messages (id, channel_id, sender_id, content, content_type, created_at): {d}, {c}, {bot}, 'hello there', 'text', {at} FROM n",
	"channel_messages (id, channel_id, sender_id, content, content_type, created_at, event_seq): {dm}, '{channel}', '{gone}', 'hello there', 'text', {at}, {seq} + 4 FROM n",

	"threads (id, org_id, topic, status, visibility, join_policy, revision, created_at, updated_at, last_activity_at): " +
		"{t}, '{org}', 'topic ' || i, 'active', CASE WHEN {half} THEN 'private' ELSE 'public' END, 'open', 1, {at}, {at}, {at} FROM n",
	"thread_participants (thread_id, bot_id, joined_at, joined_seq): {t}, '{busy}', {at}, 1 FROM n",
	"thread_participants (thread_id, bot_id, joined_at, joined_seq): {t}, {bot}, {at}, 1 FROM n",
	"thread_participants (thread_id, bot_id, joined_at, joined_seq): '{thread}', {bot}, {at}, 1 FROM n WHERE {few}",
	"thread_messages (id, thread_id, sender_id, content, content_type, mention_all, created_at): {m}, {t}, {bot}, 'hello there', 'text', FALSE, {at} FROM n",
	"thread_messages (id, thread_id, sender_id, content, content_type, mention_all, created_at, event_seq): {hot}, '{thread}', '{gone}', 'hello there', 'text', TRUE, {at}, {seq} + 1 FROM n",
	"membership_history (bot_id, kind, scope_id, joined_seq, left_seq): '{gone}', 'thread', {t}, 1, 2 FROM n",
	"decisions (id, org_id, thread_id, asker_id, asker_name, kind, question, choices, bots, humans, blocks, status, asked_at, closed_at): " +
		"{id}, '{org}', '{thread}', '{busy}', 'busy', 'approve', 'deploy?', '[]', '[]', i % 2 = 0, FALSE, " +
		"CASE WHEN i <= 1000 THEN 'open' ELSE 'answered' END, {at}, CASE WHEN i <= 1000 THEN NULL ELSE {at} END FROM n",
	"ack_deadlines (message_id, org_id, sender_id, thread_id, due_at, overdue_at, check_at): {hot}, '{org}', '{busy}', '{thread}', {at}, {at}, {later} FROM n",
	"thread_join_requests (id, thread_id, bot_id, status, requested_at): {id}, '{thread}', {bot}, CASE WHEN {half} THEN 'pending' ELSE 'rejected' END, {at} FROM n",
	"artifacts (id, thread_id, artifact_key, type, content, version, format_warning, created_at, updated_at): " +
		"{id}, '{thread}', CASE WHEN {half} THEN 'key-' || (10000000 + i) ELSE 'document' END, 'text', 'hello', CASE WHEN {half} THEN 1 ELSE i END, FALSE, {at}, {at} FROM n",
	"webhook_deliveries (id, org_id, bot_id, seq, event_type, attempts, updated_at, reason): {id}, '{org}', {bot}, i, 'message', 5, {at}, 'refused' FROM n",

	"event_log (org_id, seq, at, type, audience, thread_id, actor_id, payload): '{org}', {seq} + 1, {at}, 'thread_message', 3, '{thread}', '{gone}', {post} FROM n",
	"event_log (org_id, seq, at, type, audience, thread_id, actor_id, payload): '{org}', {seq} + 2, {at}, 'thread_message', 3, {t}, {bot}, {post} FROM n",
	"event_log (org_id, seq, at, type, audience, channel_id, actor_id, payload): '{org}', {seq} + 3, {at}, 'message', 2, {c}, {bot}, {direct} FROM n",
	"event_log (org_id, seq, at, type, audience, channel_id, actor_id, payload): '{org}', {seq} + 4, {at}, 'message', 2, '{channel}', '{gone}', {direct} FROM n",
}
