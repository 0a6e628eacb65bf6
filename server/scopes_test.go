package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/server"
)

// callScopes is the scope that a bot needs for each call, repeated here to find mistakes in the
// schema (B2B-AUTH-063). Calls that are not for bots, and those that need no scope, are under "".
var callScopes = map[string]string{
	"read": `ListArtifacts ListArtifactVersions ListBots GetBot GetBotProfile GetWebhookHealth GetMe ListPeers GetWorkspace
		GetChannel ListChannelMessages ListBotChannels GetInbox Subscribe ListCatchupEvents CountCatchupEvents
		GetFile GetFileInfo ListThreads GetThread ListThreadMessages GetLease ListLeases GetDecision ListDecisions ListDeliveries GetReceipts ListOverdueDeliveries Search`,
	"thread": `AddArtifact UpdateArtifact CreateThread UpdateThread JoinThread ListJoinRequests ApproveJoinRequest RejectJoinRequest
		AddParticipant RemoveParticipant LeaveThread SendThreadMessage AcquireLease RenewLease ReleaseLease AskThreadDecision`,
	"message": "SendDirectMessage SendChannelMessage AskChannelDecision",
	"upload":  "UploadFile AnswerDecision WithdrawDecision ClaimInbox StreamInbox AckDelivery NackDelivery ExtendDelivery ProgressDelivery WaitDelivery RedeliverDead",
	"profile": "UpdateProfile RenameMe",
	"full":    "CreateToken ListTokens DeleteToken DeleteMe",
	"admin": `DeleteBot GetOrgSettings UpdateOrgSettings CreateOrgTicket ListOrgTickets DeleteOrgTicket ListOrgSessions DeleteOrgSession
		RotateSecret UpdateBotRole UpdateBotStatus ListAuditEntries ListOrgThreads GetOrgThread ListOrgThreadMessages UpdateOrgThread
		AddOrgThreadParticipant RemoveOrgThreadParticipant SearchOrgMessages ListOrgThreadArtifacts ListDeadLetters RedeliverDeadLetters`,
	"": `GetOrg CreateTicket
		Login Logout GetSession RegisterBot RedeemInviteCode GetHealth GetApiHealth GetSystemPresence GetConfig GetVersion GetStats GetSkill GetOpenApi
		CreateOrg ListOrgs UpdateOrg DeleteOrg RotateOrgSecret CreateInviteCode ListInviteCodes DeleteInviteCode DeleteTombstone`,
}

func TestScopesOfCalls(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for scope, calls := range callScopes {
		for _, name := range strings.Fields(calls) {
			want[name] = scope
		}
	}
	for _, op := range operations() {
		got := strings.TrimPrefix(scopeName(op.Access.GetScope()), "unspecified")
		if scope, known := want[method(op)]; !known || scope != got {
			t.Errorf("%s needs the scope %q, want %q (known: %v)", method(op), got, scope, known)
		}
		delete(want, method(op))
	}
	for name := range want {
		t.Errorf("%s is no call", name)
	}
}

func scopeName(s optionsv1.Scope) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "SCOPE_"))
}

// eventScopes is, for each type of event, the scopes that receive it besides full, and the calls
// that return the same. The scope read receives all types.
var eventScopes = map[string]struct{ scopes, calls string }{
	"message":               {"read", "ListChannelMessages GetInbox"},
	"channel_created":       {"read", "GetChannel"},
	"bot_online":            {"read", "GetBot"},
	"bot_offline":           {"read", "GetBot"},
	"bot_registered":        {"read", "GetBot"},
	"bot_status_changed":    {"read", "GetBot"},
	"bot_renamed":           {"read", "GetBot"},
	"bot_join_request":      {"read admin", "ListBots UpdateBotStatus"},
	"thread_created":        {"read", "GetThread"},
	"thread_updated":        {"read", "GetThread"},
	"thread_status_changed": {"read", "GetThread"},
	"thread_participant":    {"read", "GetThread"},
	"thread_message":        {"read", "ListThreadMessages"},
	"thread_artifact":       {"read", "ListArtifacts"},
	"thread_join_request":   {"read thread", "Subscribe ListJoinRequests"},
	"thread_join_resolved":  {"read thread", "Subscribe JoinThread"},
	"lease_acquired":        {"read thread", "GetLease AcquireLease"},
	"lease_released":        {"read thread", "GetLease AcquireLease"},
	"delivery_updated":      {"read", "GetReceipts"},
	"delivery_overdue":      {"read", "ListOverdueDeliveries"},
	"delivery_escalated":    {"read", "GetReceipts"},
	"decision_asked":        {"read", "GetDecision"},
	"decision_closed":       {"read", "GetDecision"},
}

// receivedBy returns the types that a credential with these scopes receives without naming them.
func receivedBy(scopes []string) (types []string) {
	for kind, e := range eventScopes {
		if !eventtype.IsNamed(kind) && slices.ContainsFunc(scopes, func(s string) bool { return s == "full" || slices.Contains(strings.Fields(e.scopes), s) }) {
			types = append(types, kind)
		}
	}
	slices.Sort(types)
	return types
}

// TestScopesOfEventTypes checks that each type declares which scopes receive it, and that a scope
// receives what some call with this scope returns.
func TestScopesOfEventTypes(t *testing.T) {
	t.Parallel()
	needs := map[string]string{}
	for _, op := range operations() {
		needs[method(op)] = scopeName(op.Access.GetScope())
	}
	choices := (&b2bv1.Event{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range choices.Len() {
		kind := string(choices.Get(i).Name())
		declared, _ := proto.GetExtension(choices.Get(i).Options(), optionsv1.E_Told).(*optionsv1.Told)
		var got, shown []string
		for _, s := range declared.GetScopes() {
			got = append(got, scopeName(s))
		}
		for _, name := range strings.Fields(eventScopes[kind].calls) {
			if !slices.Contains(shown, needs[name]) {
				shown = append(shown, needs[name])
			}
		}
		if want := strings.Fields(eventScopes[kind].scopes); !slices.Equal(got, want) || !slices.Equal(got, shown) {
			t.Errorf("%s is received by %v, want %v, which calls need %v", kind, got, want, shown)
		}
	}
}

// watcher is a token and a connection with it.
type watcher struct {
	scopes []string
	caller caller
	conn   *websocket.Conn
}

func (n *liveNode) dial(t *testing.T, c caller, query string) *websocket.Conn {
	t.Helper()
	ticket := n.must(t, c, "POST", "/api/ws-ticket", map[string]any{})["ticket"].(string)
	client := &http.Client{Transport: &http.Transport{}}
	conn, _, err := websocket.Dial(t.Context(), n.url+"/ws?ticket="+ticket+query, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() {
		_ = conn.CloseNow() // it may be closed already
		client.CloseIdleConnections()
	})
	return conn
}

// types returns the types received so far: up to the refusal of a frame that no bot may send, which
// is sent after all earlier events.
func types(t *testing.T, conn *websocket.Conn) (kinds []string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe"}`)); err != nil {
		t.Fatal(err)
	}
	for {
		_, data, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var frame struct{ Type string }
		if err := json.Unmarshal(data, &frame); err != nil {
			t.Fatal(err)
		}
		if frame.Type == "error" {
			slices.Sort(kinds)
			return slices.Compact(kinds)
		}
		kinds = append(kinds, frame.Type)
	}
}

// TestEventsByScope causes every event that an admin bot can receive, and compares what tokens of
// different scopes receive, live and after resuming, over every binding, with the table of this
// file (B2B-EVT-040).
func TestEventsByScope(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "own")
	var watchers []*watcher
	for _, scopes := range [][]string{
		{"full"}, {"read"}, {"thread"}, {"message"}, {"profile"}, {"admin"}, {"thread", "message", "profile", "admin"}, {"profile", "read"},
	} {
		made := n.must(t, o.admin, "POST", "/api/me/tokens", map[string]any{"scopes": scopes})
		w := &watcher{scopes: scopes, caller: bearer(fmt.Sprint(scopes), "admin bot", "", made["token"].(string))}
		w.conn = n.dial(t, w.caller, "")
		watchers = append(watchers, w)
	}
	owner := n.login(t, "owner", map[string]any{"type": "bot", "token": strings.TrimPrefix(watchers[3].caller.header.Get("Authorization"), "Bearer ")})
	watchers = append(watchers, &watcher{scopes: []string{"message"}, caller: owner, conn: n.dial(t, owner, "")})

	last := n.everything(t, o)
	for _, w := range watchers {
		if got, want := types(t, w.conn), receivedBy(w.scopes); !slices.Equal(got, want) {
			t.Errorf("%v: received %v live, want %v", w.scopes, got, want)
		}
	}
	top, err := n.server.Store().LogTop(t.Context(), o.id)
	if err != nil {
		t.Fatal(err)
	}
	start := eventlog.Position{Epoch: top.Epoch}.String()
	for _, w := range watchers {
		want := slices.DeleteFunc(receivedBy(w.scopes), func(kind string) bool { return kind == "bot_online" }) // which is delivered once
		if got := types(t, n.dial(t, w.caller, "&cursor="+start)); !slices.Equal(got, want) {
			t.Errorf("%v: received %v by a replay, want %v", w.scopes, got, want)
		}
		if !slices.ContainsFunc(w.scopes, func(s string) bool { return s == "full" || s == "read" }) {
			if a := n.send(w.caller, "GET", "/api/events", nil); a.status != 403 {
				t.Errorf("%v: server-sent events: %v", w.scopes, a)
			}
			continue
		}
		var sent []string
		for s := n.events(t, w.caller, "?cursor="+start); !slices.Contains(sent, "end"); {
			e := s.next()
			sent = append(sent, e.kind)
			if e.kind == "bot_offline" && strings.Contains(e.data, last) {
				break
			}
		}
		if slices.Sort(sent); !slices.Equal(slices.Compact(sent), want) {
			t.Errorf("%v: received %v by server-sent events, want %v", w.scopes, slices.Compact(sent), want)
		}
		if got := n.connectTypes(t, w.caller, start, last); !slices.Equal(got, want) {
			t.Errorf("%v: received %v over Connect, want %v", w.scopes, got, want)
		}
	}
}

// everything causes every type of event that an admin bot of an org can receive, and returns the id
// of the bot that is deleted last.
func (n *liveNode) everything(t *testing.T, o *org) string {
	t.Helper()
	self := n.must(t, o.admin, "GET", "/api/me", nil)["id"].(string)
	thread := o.at["thread"]
	n.say(t, o.member, thread, "hello")
	n.must(t, o.member, "POST", "/api/threads/"+thread+"/artifacts", map[string]any{"artifact_key": "scopes", "content": "x"})
	n.must(t, o.member, "PATCH", "/api/threads/"+thread, map[string]any{"status": "blocked"})
	n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "with", "participants": []string{self}})

	asked := n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "without", "join_policy": "approval"})["id"].(string)
	request := n.must(t, o.admin, "POST", "/api/threads/"+asked+"/join", map[string]any{})["request_id"].(string)
	n.must(t, o.member, "POST", "/api/threads/"+asked+"/join-requests/"+request+"/approve", map[string]any{})

	ticket := n.must(t, o.human, "POST", "/api/org/tickets", map[string]any{})["ticket"]
	late := n.must(t, nobody, "POST", "/api/auth/register", map[string]any{"org_id": o.id, "name": "late", "ticket": ticket})
	id, bot := late["bot_id"].(string), bearer("late", "bot", "full", late["token"].(string))
	n.must(t, o.human, "PATCH", "/api/org/bots/"+id+"/status", map[string]any{"status": "active"})
	n.must(t, bot, "PATCH", "/api/me/name", map[string]any{"name": "later"})
	n.must(t, bot, "POST", "/api/threads/"+thread+"/join", map[string]any{})
	n.must(t, bot, "POST", "/api/send", map[string]any{"to": self, "content": "hello"})
	types(t, n.dial(t, bot, "")) // it is online
	n.must(t, bot, "DELETE", "/api/me", nil)
	return id
}

// connectTypes returns the types of events that Connect streams from a position up to the deletion
// of a bot.
func (n *liveNode) connectTypes(t *testing.T, c caller, from, last string) (kinds []string) {
	t.Helper()
	over := &http.Transport{}
	defer over.CloseIdleConnections()
	client := b2bv1connect.NewEventServiceClient(&http.Client{Transport: over}, n.url)
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", c.header.Get("Authorization"))
	s, err := client.Subscribe(ctx, &b2bv1.SubscribeRequest{Cursor: &from})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // it was read as far as needed
	for s.Receive() {
		e := s.Msg().GetEvent()
		if e == nil {
			continue
		}
		m := e.ProtoReflect()
		kinds = append(kinds, string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()))
		if e.GetBotOffline().GetBot().GetId() == last {
			break
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
