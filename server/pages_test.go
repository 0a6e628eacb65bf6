package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/store"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	"github.com/b2b-protocol/b2b/server"
)

// pageBody is the largest body of a list on the node of these tests, so that a page has few
// entries.
const pageBody = 6 << 10

// listCase is how a list is read. key is the field that identifies an entry.
type listCase struct {
	list   string         // the field of the answer; "" over REST when it is a bare array
	key    string         // of an entry, dotted
	as     string         // "bot", "admin", "human" or "operator"
	values map[string]any // of the request
	next   string         // the field of the request for the next page token
}

// longLists are the lists with pages limited by bytes, by procedure and field.
var longLists = map[string]listCase{
	"ListArtifacts.artifacts":        {key: "artifact_key", as: "bot", next: "cursor"},
	"ListArtifactVersions.artifacts": {key: "version", as: "bot", next: "cursor"},
	"ListOrgThreadArtifacts.items":   {key: "artifact_key", as: "human", next: "cursor"},
	"ListTokens.tokens":              {key: "id", as: "bot", next: "cursor"},
	"ListDecisions.items":            {list: "items", key: "id", as: "human", next: "cursor"},
	"ListBots.items":                 {key: "id", as: "bot", next: "cursor"},
	"ListPeers.bots":                 {key: "id", as: "bot", next: "cursor"},
	"ListChannelMessages.messages":   {key: "id", as: "bot", next: "before"},
	"ListBotChannels.channels":       {key: "id", as: "bot", values: map[string]any{"bot": "own-bot8"}, next: "cursor"},
	"GetInbox.messages":              {key: "id", as: "other", next: "cursor"},
	"ListThreads.items":              {key: "id", as: "bot", next: "cursor"},
	"ListThreadMessages.items":       {key: "id", as: "bot", next: "cursor"},
	"ListOrgThreads.items":           {key: "id", as: "human", next: "cursor"},
	"ListOrgThreadMessages.messages": {key: "id", as: "human", next: "before"},
	"SearchOrgMessages.messages":     {key: "message_id", as: "human", values: map[string]any{"q": "needle"}, next: "cursor"},
	"ListOrgs.orgs":                  {key: "id", as: "operator", next: "cursor"},
	"ListInviteCodes.invite_codes":   {key: "id", as: "operator", next: "cursor"},
	"ListOrgTickets.items":           {list: "items", key: "id", as: "human", next: "cursor"},
	"ListOrgSessions.items":          {list: "items", key: "ref", as: "human", next: "offset"},
	"ListAuditEntries.entries":       {key: "id", as: "human", values: map[string]any{"target_type": "thread", "bot_id": ""}, next: "cursor"},
	"ListDeadLetters.items":          {list: "items", key: "delivery_id", as: "human", next: "cursor"},
	"GetWorkspace.dms":               {list: "dms.items", key: "channel.id", as: "bot", next: "dm_cursor"},
	"GetWorkspace.threads":           {list: "threads.items", key: "id", as: "bot", next: "thread_cursor"},
}

// pagedLists are the same lists with pages limited by their parameters.
var pagedLists = map[string]map[string]any{
	"ListArtifacts.artifacts":        {"limit": 100},
	"ListOrgThreadArtifacts.items":   {"limit": 100},
	"ListThreads.items":              {"limit": 100},
	"ListThreadMessages.items":       {"cursor": ""},
	"ListOrgThreads.items":           {"limit": 100},
	"ListOrgThreadMessages.messages": {"before": "none"},
	"ListChannelMessages.messages":   {"before": "none"},
}

// shortLists cannot reach the bound: entries × the largest entry that limits allow.
var shortLists = map[string]string{
	"ListCatchupEvents.events":       "200 × a topic and ids",
	"ListJoinRequests.join_requests": "50 × a name and ids",
	"GetSystemPresence.bots":         "none",
	"ListLeases.items":               "200 × a name, a note and ids",
	"ListDeliveries.items":           "200 × what a worker said, and ids",
	"GetReceipts.items":              "200 × what a worker said, and ids",
	"ListOverdueDeliveries.items":    "150 receipts",
	"ClaimInbox.items":               "bounded by ClaimInbox, which hands out fewer",
	"Search.items":                   "100 × a title, a topic, ids and four snippets",
}

// TestPagesEndByBytes reads every list of the schema, over REST and Connect: no body is larger than
// the bound unless it has one entry, and following the page tokens returns every entry once.
func TestPagesEndByBytes(t *testing.T) {
	t.Parallel()
	n := newNodeWith(t, func(c *server.Config) { c.PageBytes = pageBody })
	o := n.newOrg(t, "own")
	crowd(t, n, o)
	for _, op := range operations() {
		for _, field := range listsOf(op.Desc.Output()) {
			name := method(op) + "." + field
			c, known := longLists[name]
			if _, short := shortLists[name]; short && !known {
				continue
			}
			if !known {
				t.Errorf("%s is a list that this test does not know: put it into longLists", name)
				continue
			}
			for _, more := range []map[string]any{nil, pagedLists[name]} {
				values := usual(op, idFieldsOf(t, op), o)
				for k, v := range c.values {
					values[k] = v
				}
				for k, v := range more {
					values[k] = v
				}
				as := map[string]caller{"bot": o.member, "other": o.other, "human": o.human, "operator": n.operator}[c.as]
				rest := walk(t, name+" over REST", c, values, true, func(values map[string]any) answer { return n.call(t, as, op, values) })
				c.list = field
				if strings.HasPrefix(method(op), "GetWorkspace") {
					c.list += ".items"
				}
				connect := walk(t, name+" over Connect", c, values, false, func(values map[string]any) answer { return n.connect(t, as, op, values) })
				if slices.Sort(rest); !slices.Equal(rest, slices.Sorted(slices.Values(connect))) {
					t.Errorf("%s: %d entries over REST, %d over Connect", name, len(rest), len(connect))
				}
				if c = longLists[name]; more == nil && pagedLists[name] == nil {
					break
				}
			}
		}
	}
}

// listsOf returns the lists of a response: its repeated messages, and the messages that are pages
// themselves.
func listsOf(m protoreflect.MessageDescriptor) (names []string) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.Message() == nil {
			continue
		}
		unit := boundOf(limitOf(f).GetOf()).GetUnit()
		listed := f.IsList() && (unit == optionsv1.Unit_UNIT_ITEMS || unit == optionsv1.Unit_UNIT_PAGE)
		if listed || !f.IsList() && f.Message().Fields().ByName("has_more") != nil {
			names = append(names, string(f.Name()))
		}
	}
	return names
}

// walk reads a list to its end and returns the keys of its entries.
func walk(t *testing.T, name string, c listCase, values map[string]any, wire bool, call func(map[string]any) answer) (got []string) {
	t.Helper()
	values, pages, offset := clone(values), 0, 0
	for {
		a := call(values)
		if a.status != 200 {
			t.Errorf("%s with %v: %v", name, values, a)
			return got
		}
		body := any(nil)
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			t.Fatal(err)
		}
		page, around := entriesOf(body, c.list, wire)
		if len(a.body) > pageBody && len(page) > 1 {
			t.Errorf("%s: %d bytes with %d entries", name, len(a.body), len(page))
		}
		for _, e := range page {
			key := fmt.Sprint(at(e, c.key, wire))
			if slices.Contains(got, key) {
				t.Errorf("%s: %s comes twice", name, key)
				return got
			}
			got = append(got, key)
		}
		pages, offset = pages+1, offset+len(page)
		next := ""
		switch {
		case c.next == "offset":
			if around["has_more"] == true || around["hasMore"] == true {
				values["offset"] = offset
				continue
			}
		case wire && a.header.Get("Link") != "":
			next = linked(t, a.header.Get("Link"), c.next)
		default:
			for _, k := range []string{"next_cursor", "nextCursor", "cursor"} {
				if text, ok := around[k].(string); ok {
					next = text
				}
			}
		}
		if next == "" || len(page) == 0 {
			break
		}
		values[c.next] = next
	}
	if pages < 3 {
		t.Errorf("%s: %d entries in %d pages: too few for this test", name, len(got), pages)
	}
	return got
}

// linked returns the query parameter in the next link of a Link header.
func linked(t *testing.T, link, parameter string) string {
	t.Helper()
	target, rel, _ := strings.Cut(strings.TrimPrefix(link, "<?"), ">; ")
	query, err := url.ParseQuery(target)
	if err != nil || rel != `rel="next"` || query.Get(parameter) == "" {
		t.Errorf("Link is %s: %v", link, err)
	}
	return query.Get(parameter)
}

// entriesOf returns a list in a response, and the object that contains it.
func entriesOf(body any, list string, wire bool) (entries []any, around map[string]any) {
	if bare, ok := body.([]any); ok {
		return bare, nil
	}
	around, _ = body.(map[string]any)
	if wire && list == "" {
		for _, k := range []string{"items", "messages"} {
			if page, ok := around[k].([]any); ok {
				return page, around
			}
		}
	}
	path := strings.Split(list, ".")
	for _, k := range path[:len(path)-1] {
		around, _ = around[k].(map[string]any)
	}
	k := path[len(path)-1]
	if !wire {
		k = camel(k)
	}
	entries, _ = around[k].([]any)
	return entries, around
}

func at(v any, path string, wire bool) any {
	m, _ := v.(map[string]any)
	if inner, ok := m["message"].(map[string]any); ok && m[path] == nil && !wire {
		m = inner
	}
	k, rest, deeper := strings.Cut(path, ".")
	if !wire {
		k = camel(k)
	}
	if deeper {
		return at(m[k], rest, wire)
	}
	return m[k]
}

func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

func clone(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// crowd fills the lists of an org, so that none of them fits into three responses.
func crowd(t *testing.T, n *node, o *org) {
	t.Helper()
	const entries = 12
	text := "needle \"\u0001 " + strings.Repeat("é\u2028", 150)
	ticket := n.must(t, o.human, "POST", "/api/org/tickets", map[string]any{"reusable": true, "skip_approval": true})["ticket"].(string)
	n.must(t, o.human, "PATCH", "/api/org/settings", map[string]any{"join_approval_required": false})
	thread := "/api/threads/" + o.at["thread"]
	for i := range entries {
		bot := n.must(t, nobody, "POST", "/api/auth/register", map[string]any{
			"org_id": o.id, "ticket": ticket, "name": fmt.Sprintf("crowd%d-%s", i, strings.Repeat("n", 100)), "bio": text[:700], "metadata": map[string]any{"k": text},
		})
		as := bearer("bot", "bot", "full", bot["token"].(string))
		n.login(t, "owner", map[string]any{"type": "bot", "token": bot["token"], "owner_name": strings.Repeat("o", 250)})
		n.must(t, o.member, "POST", "/api/send", map[string]any{"to": bot["bot_id"], "content": text})
		n.must(t, as, "POST", "/api/send", map[string]any{"to": o.at["bot"], "content": text})
		n.must(t, o.member, "POST", "/api/send", map[string]any{"to": o.at["bot"], "content": text})
		n.must(t, o.member, "POST", thread+"/messages", map[string]any{"content": text, "metadata": map[string]any{"k": text}})
		n.must(t, o.member, "POST", thread+"/artifacts", map[string]any{"artifact_key": fmt.Sprint("crowd", i), "content": text})
		n.must(t, o.member, "PATCH", thread+"/artifacts/"+o.at["artifact key"], map[string]any{"content": text})
		n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "crowd", "context": text, "participants": []string{bot["bot_id"].(string)}})
		n.must(t, o.member, "POST", thread+"/decisions", map[string]any{"kind": "input", "question": text, "humans": true})
		n.must(t, o.member, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"read"}, "label": text[:200]})
		n.must(t, o.human, "POST", "/api/org/tickets", map[string]any{"reusable": true})
		n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": strings.Repeat("é", 128)})
		n.must(t, n.operator, "POST", "/api/platform/invite-codes", map[string]any{"label": strings.Repeat("é", 250)})
		dead := &store.WebhookDelivery{
			ID: uuid.NewString(), OrgID: o.id, BotID: o.at["bot"], Seq: int64(10 + i), EventType: "message", UpdatedAt: 1, Reason: text,
		}
		if err := n.server.Store().Update(t.Context(), o.id, func(tx store.Tx) error { return tx.PutDelivery(t.Context(), dead) }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListsAreKnown checks that the tables of this file name lists of the schema and no others.
func TestListsAreKnown(t *testing.T) {
	t.Parallel()
	all := make(map[string]bool)
	for _, op := range operations() {
		for _, field := range listsOf(op.Desc.Output()) {
			all[method(op)+"."+field] = true
		}
	}
	for name := range longLists {
		if !all[name] {
			t.Errorf("%s is no list", name)
		}
	}
	for name := range shortLists {
		if !all[name] {
			t.Errorf("%s is no list", name)
		}
	}
}
