package conformance

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const a2aPath = "/a2a/"

// a2aChecks returns the checks of the profile a2a.
func a2aChecks() []Check {
	return []Check{
		{[]string{"B2B-A2A-001", "B2B-A2A-007"}, "A2A needs the bearer token of a bot, before a body is read, and its version", a2aCredentials},
		{[]string{"B2B-A2A-002", "B2B-A2A-003"}, "a bot that opts in has a card, which its org can show to anybody", a2aCards},
		{[]string{"B2B-A2A-004"}, "a token with the scope a2a gives tasks, and does nothing else", a2aScopes},
		{[]string{"B2B-A2A-005", "B2B-A2A-006", "B2B-A2A-015"}, "a message begins a task, which is a thread, and a repeated one does not", a2aTasks},
		{[]string{"B2B-A2A-005"}, "a repeated message changes nothing, and a refused one leaves nothing", a2aRepeats},
		{[]string{"B2B-A2A-005", "B2B-A2A-010", "B2B-A2A-014"}, "the state of a task is that of its thread", a2aStates},
		{[]string{"B2B-A2A-010", "B2B-A2A-014", "B2B-DEC-001"}, "a blocked task goes on with an answer, or is canceled, unless a decision holds it", a2aBlocked},
		{[]string{"B2B-A2A-011"}, "a client that waits gets the answer", a2aWaits},
		{[]string{"B2B-A2A-012"}, "a client that streams gets what is said and made until the task ends", a2aStreams},
		{[]string{"B2B-A2A-013"}, "tasks are listed with filters, in pages", a2aLists},
		{[]string{"B2B-A2A-015"}, "JSON, links, files and artifacts arrive", a2aParts},
		{[]string{"B2B-A2A-016", "B2B-A2A-017", "B2B-AUD-007"}, "push configs of a task are created, read and deleted by its client, over both bindings", a2aPushConfigs},
		{[]string{"B2B-A2A-017", "B2B-A2A-020", "B2B-HOOK-030"}, "a push config that cannot be served is refused", a2aPushRefused},
		{[]string{"B2B-A2A-017", "B2B-A2A-018", "B2B-A2A-019", "B2B-A2A-020"}, "the task is posted after each change, again if that failed, until it ends", a2aPushed},
		{[]string{"B2B-A2A-018", "B2B-A2A-020"}, "nothing is posted after a push config was deleted, or its token was revoked", a2aPushStops},
	}
}

// a2aAgent is a bot that is an agent, and a client of it.
type a2aAgent struct {
	*T
	org           *Org
	agent, client *Bot
	path          string
}

func (t *T) a2aAgent() *a2aAgent {
	o := t.Org()
	agent := o.Bot("agent", J{"protocols": J{"a2a": true}, "bio": "It works.", "tags": []string{"work"}})
	return &a2aAgent{T: t, org: o, agent: agent, client: o.Bot("client"), path: a2aPath + agent.ID}
}

// rpc makes a request over JSON-RPC.
func (a *a2aAgent) rpc(by Caller, method string, params J, opts ...Option) *Response {
	return a.Do("POST", a.path, by, J{"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
		append([]Option{Header("A2A-Version", "1.0")}, opts...)...).Status(200)
}

// message returns the parameters of a request that sends a message.
func message(id, text string, more J) J {
	return J{"message": with(J{"messageId": id, "role": "ROLE_USER", "parts": []J{{"text": text}}}, more), "configuration": J{"returnImmediately": true}}
}

// give sends a message, and returns the task as it is then.
func (a *a2aAgent) give(id, text string, more J) *Response {
	return a.rpc(a.client, "SendMessage", message(id, text, more)).Has("result.task.id")
}

// task returns a task with its state, which is checked.
func (a *a2aAgent) task(id, state string) *Response {
	return a.rpc(a.client, "GetTask", J{"id": id}).Equal("result.status.state", "TASK_STATE_"+state)
}

// refused checks the reason of an error.
func (r *Response) reason(want string) *Response {
	return r.Equal("error.data.0.reason", want)
}

func a2aCredentials(t *T) {
	a := t.a2aAgent()
	get := J{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": J{"id": "x"}}
	version := Header("A2A-Version", "1.0")
	t.Do("POST", a.path, a.client, get, version).Status(200).reason("TASK_NOT_FOUND")
	for code, by := range map[string]Caller{"AUTH_REQUIRED": nil, "INVALID_TOKEN": Token("bot_0000")} {
		for _, path := range []string{"", "/message:send", "/tasks/x"} {
			r := t.Do("POST", a.path+path, by, Raw(`{"jsonrpc":`)).Refused(401, code)
			if !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: WWW-Authenticate is %q", r, r.Header.Get("WWW-Authenticate"))
			}
		}
	}
	t.Do("POST", a.path, a.org.Human(), get, version).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", a.path, a.client, Raw(`{"jsonrpc":`), version).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", a.path, a.client, Raw(`{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"`+strings.Repeat("x", 1<<20)+`"}}`), version).
		Refused(413, "PAYLOAD_TOO_LARGE")
	for _, id := range []string{a.client.ID, "01a00000-0000-7000-8000-000000000000", "agent"} {
		t.Do("POST", a2aPath+id, a.client, get, version).Refused(404, "NOT_FOUND")
	}
	t.Do("POST", a.path, t.Org().Bot("stranger"), get, version).Refused(404, "NOT_FOUND")
	for _, path := range []string{"", "//tasks", "/nothing", "/tasks/x/y", "/files/x/y", "/files/../tasks"} {
		t.Get(a.path+path, a.client, version).Refused(404, "NOT_FOUND")
	}
	t.Do("POST", a.path, a.client, J{"jsonrpc": "2.0", "id": 1, "method": "ListTasks"}, version).Status(200).Equal("result.totalSize", 0)
	a.rpc(a.agent, "SendMessage", message("own", "to myself", nil)).reason("INVALID_PARAMS")
	for _, other := range []string{"", "0.3", "2.0"} {
		t.Do("POST", a.path, a.client, get, Header("A2A-Version", other)).Status(200).reason("VERSION_NOT_SUPPORTED")
	}
}

func a2aCards(t *T) {
	a := t.a2aAgent()
	card := a.path + "/.well-known/agent-card.json"
	r := t.Get(card, a.client).Status(200)
	r.Equal("name", "agent").Equal("description", "It works.").Equal("skills.0.tags.0", "work").Equal("capabilities.streaming", true)
	for _, binding := range []string{"JSONRPC", "HTTP+JSON"} {
		if !slices.Contains(r.Pluck("supportedInterfaces", "protocolBinding"), binding) {
			t.Errorf("%s: there is no %s", r, binding)
		}
	}
	if url := r.Str("supportedInterfaces.0.url"); !strings.HasPrefix(url, "http") || !strings.HasSuffix(url, a.path) {
		t.Errorf("the URL of the agent is %s", url)
	}
	a.rpc(a.client, "GetExtendedAgentCard", J{}).Equal("result.name", "agent")
	t.Get(card, nil).Refused(401, "AUTH_REQUIRED")
	a.org.Settings(J{"public_agent_cards": true})
	public := t.Get(card, nil).Status(200).Equal("name", "agent")
	if public.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s: pages of other origins cannot read it", public)
	}
	t.Get(card, nil, Header("If-None-Match", public.Header.Get("ETag"))).Status(304)
	t.Get(a2aPath+a.client.ID+"/.well-known/agent-card.json", nil).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", a.path+"/message:send", nil, J{}).Refused(401, "AUTH_REQUIRED") // the card alone is for anybody
	t.Do("PATCH", "/api/me/profile", a.agent, J{"protocols": J{"a2a": false}}).OK()
	t.Get(card, nil).Refused(401, "AUTH_REQUIRED")
	t.Get(card, a.client).Refused(404, "NOT_FOUND")
}

func a2aScopes(t *T) {
	a := t.a2aAgent()
	guest := a.client.Scoped("a2a")
	task := a.rpc(guest, "SendMessage", message("m1", "hello", nil)).Str("result.task.id")
	a.rpc(guest, "GetTask", J{"id": task}).Equal("result.id", task)
	for _, path := range []string{"/api/threads", "/api/bots", thr(task, "/messages"), "/api/me", "/api/events", "/api/org"} {
		t.Get(path, guest).Refused(403, "INSUFFICIENT_SCOPE")
	}
	t.Do("POST", "/api/ws-ticket", guest, J{}).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("POST", "/api/send", guest, J{"to": "agent", "content": "x"}).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("POST", thr(task, "/messages"), guest, J{"content": "x"}).Refused(403, "INSUFFICIENT_SCOPE")
	a.rpc(a.client.Scoped("read", "thread"), "GetTask", J{"id": task}).Equal("result.id", task)
	a.rpc(a.client.Scoped("read"), "SendMessage", message("m2", "hello", nil)).reason("UNAUTHORIZED")
	t.Do("POST", a.path, a.client.Scoped("profile"), J{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": J{"id": task}}, Header("A2A-Version", "1.0")).
		Refused(403, "INSUFFICIENT_SCOPE")
}

func a2aWaits(t *T) {
	a := t.a2aAgent()
	params := message("m1", "hello", nil)
	delete(params, "configuration")
	t.Concurrently(2, func(i int) {
		if i == 0 {
			a.rpc(a.client, "SendMessage", params).Equal("result.task.status.state", "TASK_STATE_COMPLETED").
				Equal("result.task.status.message.parts.0.text", "hello to you")
			return
		}
		id := a.first()
		// A report: after an answer the task would wait for the client until it is resolved.
		t.Do("POST", thr(id, "/messages"), a.agent, J{"content": "hello to you", "no_reply": true}).OK()
		t.patch(a.agent, id, J{"status": "resolved"}).OK()
	})
}

// first returns the id of the first thread of the agent that has a message.
func (a *a2aAgent) first() (id string) {
	a.eventually(soon, "the agent has no task", func() bool {
		r := a.Get("/api/threads", a.agent).OK()
		if len(r.List("")) == 0 {
			return false
		}
		id = r.Str("0.id")
		return len(a.Get(thr(id, "/messages"), a.agent).OK().List("")) > 0
	})
	return id
}

func a2aStreams(t *T) {
	a := t.a2aAgent()
	var events []map[string]any
	t.Concurrently(2, func(i int) {
		if i == 0 {
			r := a.rpc(a.client, "SendStreamingMessage", message("m1", "hello", nil), Header("Accept", "text/event-stream"))
			events = eventsOf(r)
			return
		}
		id := a.first()
		t.Sleep(300 * time.Millisecond) // the stream has probably begun; if not, the task has all of it
		t.Do("POST", thr(id, "/messages"), a.agent, J{"content": "on it", "no_reply": true}).OK()
		t.Do("POST", thr(id, "/artifacts"), a.agent, J{"artifact_key": "plan", "type": "markdown", "content": "# Plan"}).OK()
		t.Do("POST", thr(id, "/messages"), a.agent, J{"content": "done", "no_reply": true}).OK()
		t.patch(a.agent, id, J{"status": "resolved"}).OK()
	})
	if len(events) == 0 || events[0]["task"] == nil {
		t.Fatalf("the first event is not the task: %v", events)
	}
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatalf("encode the events: %v", err)
	}
	for _, want := range []string{`"on it"`, `"# Plan"`, `"done"`, `"TASK_STATE_COMPLETED"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the stream has no %s: %s", want, text)
		}
	}
	id := a.first()
	r := a.rpc(a.client, "SubscribeToTask", J{"id": id}, Header("Accept", "text/event-stream"))
	if !bytes.Contains(r.Body, []byte("UNSUPPORTED_OPERATION")) {
		t.Errorf("%s: a task that has ended can be subscribed to", r)
	}
}

// eventsOf returns the results of a stream of JSON-RPC.
func eventsOf(r *Response) (out []map[string]any) {
	for line := range strings.Lines(string(r.Body)) {
		data, ok := strings.CutPrefix(line, "data:")
		var e struct {
			Result map[string]any `json:"result"`
		}
		if ok && json.Unmarshal([]byte(data), &e) == nil && e.Result != nil {
			out = append(out, e.Result)
		}
	}
	return out
}

func a2aLists(t *T) {
	a := t.a2aAgent()
	var ids []string // the newest first
	for i, context := range []string{"even", "odd", "even"} {
		ids = append([]string{a.give("m"+string(rune('0'+i)), "hello", J{"contextId": context}).Str("result.task.id")}, ids...)
		t.tick()
	}
	list := func(params J, want ...string) *Response {
		r := a.rpc(a.client, "ListTasks", params)
		var got []string
		if len(want) > 0 {
			got = r.Pluck("result.tasks", "id")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the tasks are %v, want %v", r, got, want)
		}
		return r
	}
	r := list(J{}, ids...).Equal("result.totalSize", 3).Equal("result.pageSize", 50)
	if _, has := r.find("result.tasks.0.history"); has {
		t.Errorf("%s: a history that nobody asked for", r)
	}
	list(J{"historyLength": 5}, ids...).Equal("result.tasks.0.history.0.messageId", "m2")
	list(J{"contextId": "even"}, ids[0], ids[2])
	list(J{"status": "TASK_STATE_WORKING"}).Equal("result.totalSize", 0)
	a.rpc(a.client, "CancelTask", J{"id": ids[0]})
	list(J{"status": "TASK_STATE_CANCELED"}, ids[0])
	list(J{"status": "TASK_STATE_SUBMITTED"}, ids[1], ids[2]).Equal("result.totalSize", 2)
	first := list(J{"pageSize": 2}, ids[0], ids[1]).Equal("result.totalSize", 3)
	list(J{"pageSize": 2, "pageToken": first.Str("result.nextPageToken")}, ids[2]).Equal("result.nextPageToken", "")
	changed := a.task(ids[1], "SUBMITTED").Str("result.status.timestamp")
	list(J{"statusTimestampAfter": changed}, ids[0], ids[1])
	for _, bad := range []J{{"pageSize": 101}, {"pageSize": -1}, {"status": "TASK_STATE_ODD"}, {"pageToken": "?"}, {"historyLength": -1}} {
		a.rpc(a.client, "ListTasks", bad).reason("INVALID_PARAMS")
	}
	t.Get(a.path+"/tasks?contextId=odd", a.client, Header("A2A-Version", "1.0")).Status(200).Equal("tasks.0.id", ids[1]).Equal("totalSize", 1)
}

func a2aParts(t *T) {
	a := t.a2aAgent()
	id := a.give("m1", "", J{"parts": []J{
		{"text": "take"}, {"data": J{"n": 1}}, {"url": "https://example.com/x", "filename": "x"}, {"raw": "aGVsbG8=", "filename": "a.txt", "mediaType": "text/plain"},
	}}).Str("result.task.id")
	t.Get(thr(id, "/messages"), a.agent).OK().Equal("0.parts.0.type", "json").Equal("0.parts.1.url", "https://example.com/x").Equal("0.parts.2.name", "a.txt")
	t.Do("POST", thr(id, "/artifacts"), a.agent, J{"artifact_key": "plan", "type": "markdown", "title": "The plan", "content": "# Plan"}).OK()
	r := a.task(id, "SUBMITTED").Equal("result.artifacts.0.artifactId", "plan").Equal("result.artifacts.0.name", "The plan").
		Equal("result.artifacts.0.metadata.version", 1).Equal("result.artifacts.0.parts.0.text", "# Plan")
	r.Equal("result.history.0.parts.1.data.n", 1).Equal("result.history.0.parts.2.url", "https://example.com/x")
	_, file, ok := strings.Cut(r.Str("result.history.0.parts.3.url"), a2aPath)
	if !ok {
		t.Fatalf("%s: the file is elsewhere", r)
	}
	if got := t.Get(a2aPath+file, a.client.Scoped("a2a")).Status(200); string(got.Body) != "hello" {
		t.Errorf("%s: the file is %q", got, got.Body)
	}
	t.Get(a2aPath+file, nil).Refused(401, "AUTH_REQUIRED")
	t.Get(a2aPath+file+"0", a.client).Refused(404, "NOT_FOUND")
}
