package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
)

// newestMCP is the revision of MCP in which clients subscribe to resources.
const newestMCP = "2026-07-28"

// ofNewestMCP returns the metadata of a request of newestMCP.
func ofNewestMCP() J {
	return J{
		"io.modelcontextprotocol/protocolVersion": newestMCP, "io.modelcontextprotocol/clientCapabilities": J{},
		"io.modelcontextprotocol/clientInfo": J{"name": "conformance", "version": "1"},
	}
}

// listenMCP is the method by which a client subscribes to resources.
const listenMCP = "subscriptions/listen"

func subscribing(uris []string) J {
	return J{"_meta": ofNewestMCP(), "notifications": J{"resourceSubscriptions": uris}}
}

// listen subscribes to resources, and returns when that is acknowledged.
func (t *T) listen(name string, by Caller, uris ...string) *Stream {
	body, err := json.Marshal(J{"jsonrpc": "2.0", "id": 7, "method": listenMCP, "params": subscribing(uris)})
	if err != nil {
		t.Fatalf("encoding a request: %v", err)
	}
	s, refused := t.connectStream(name, by, "POST", mcpPath, string(body),
		Header("Accept", "application/json, text/event-stream"), Header("MCP-Protocol-Version", newestMCP), Header("Mcp-Method", listenMCP))
	if s == nil {
		t.Fatalf("%s", refused)
	}
	_, ack := s.seek("acknowledgement", func(fr Frame) bool { return fr.str("method") == "notifications/subscriptions/acknowledged" })
	s.asResponse(ack).Len("params.notifications.resourceSubscriptions", len(uris))
	return s
}

// listenRefused asserts that a subscription is refused.
func (t *T) listenRefused(by Caller, uris ...string) {
	t.mcp(by, listenMCP, subscribing(uris), Header("MCP-Protocol-Version", newestMCP), Header("Mcp-Method", listenMCP)).
		Has("error.code").Lacks("result")
}

// updated waits for the notification that a resource has changed, which says no more.
func (s *Stream) updated(uri string) {
	_, fr := s.seek("notification of "+uri, func(fr Frame) bool { return fr.str("params.uri") == uri })
	s.asResponse(fr).Equal("method", "notifications/resources/updated").Shape("params", "uri:s _meta:o")
}

// never asserts that nothing received has one of some texts.
func (s *Stream) never(texts ...string) {
	for _, raw := range raws(s.all()) {
		for _, text := range texts {
			if strings.Contains(raw, text) {
				s.errorf("received %s", raw)
			}
		}
	}
}

func mcpListens(t *T) {
	o := t.Org()
	ann, bob, cyd := o.Bot("ann"), o.Bot("bob"), o.Bot("cyd")
	open := func(topic string, fields J) string {
		return t.Do("POST", "/api/threads", ann, with(J{"topic": topic, "participants": []string{"bob"}}, fields)).OK().Str("id")
	}
	one, two := open("one", J{"visibility": "private"}), open("two", nil)
	t.Do("POST", thr(one, "/artifacts"), ann, J{"artifact_key": "plan", "content": "first"}).OK()
	thread, plan := "b2b://threads/"+one, "b2b://threads/"+one+"/artifacts/plan"
	s := t.listen("bob", bob, thread, plan, "b2b://agents/cyd")
	t.say(ann, two, "elsewhere")
	t.say(ann, one, "secret words")
	s.updated(thread)
	t.Do("POST", thr(one, "/artifacts"), ann, J{"artifact_key": "other", "content": "secret words"}).OK()
	t.Do("PATCH", thr(one, "/artifacts/plan"), ann, J{"content": "secret words"}).OK()
	s.updated(plan)
	t.Do("PATCH", thr(one, ""), ann, J{"status": "reviewing"}).OK()
	s.updated(thread)
	t.Do("PATCH", "/api/me/name", cyd, J{"name": "cyd2"}).OK()
	s.updated("b2b://agents/cyd")
	t.Do("DELETE", thr(one, "/participants/bob"), ann, nil).OK()
	s.updated(thread) // that it is not in it any more
	rename := func(name string) {
		t.Do("PATCH", "/api/me/name", cyd, J{"name": name}).OK()
		s.updated("b2b://agents/cyd")
	}
	rename("cyd")
	rename("cyd3") // by then the notifications of the change before have come
	before := len(s.all())
	t.say(ann, one, "without bob")
	rename("cyd")
	if n := len(s.all()) - before; n != 1 {
		s.errorf("received %d notifications after the bot had left the thread, want 1", n)
	}
	s.never("secret words", two, "without bob", "other")
}

func mcpListensWithin(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("abcdefg")
	hidden := "b2b://threads/" + t.Do("POST", "/api/threads", ann, J{"topic": "hidden", "visibility": "private"}).OK().Str("id")
	for _, uri := range []string{hidden, hidden + "/artifacts/plan", "b2b://threads/" + unusedID, "b2b://agents/nobody", "b2b://nothing"} {
		t.listenRefused(bob, uri)
	}
	t.listen("ann", ann, hidden)
	var names []string // of one agent: each letter as it is or escaped
	for i := range 51 {
		name := ""
		for j, letter := range "abcdefg" {
			if i>>j&1 == 1 {
				name += fmt.Sprintf("%%%02x", letter)
			} else {
				name += string(letter)
			}
		}
		names = append(names, "b2b://agents/"+name)
	}
	t.listenRefused(ann, names...)
	t.listen("ann", ann, names[:50]...)

	made := t.Do("POST", "/api/me/tokens", ann, J{"scopes": []string{"read"}}).OK()
	s := t.listen("a token", Token(made.Str("token")), hidden)
	t.Do("DELETE", "/api/me/tokens/"+made.Str("id"), ann, nil).OK()
	s.ends()
	client := J{"name": "conformance", "version": "1"}
	t.mcp(ann, "initialize", J{"protocolVersion": earlier, "capabilities": J{}, "clientInfo": client}).Status(200).
		Has("result.capabilities.resources").Lacks("result.capabilities.resources.subscribe")
	t.mcp(ann, "resources/subscribe", J{"uri": hidden}).Has("error.code").Lacks("result")
	t.mcp(ann, "server/discover", J{"_meta": ofNewestMCP()}, Header("MCP-Protocol-Version", newestMCP), Header("Mcp-Method", "server/discover")).
		Status(200).Equal("result.capabilities.resources.subscribe", true)
}
