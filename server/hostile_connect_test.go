package server_test

import (
	"fmt"
	"strings"
	"testing"
)

// Connect's JSON has its own rules.
func TestHostileConnect(t *testing.T) {
	t.Parallel()
	onBoth(t, hostileConnect)
}

func hostileConnect(t *testing.T, b *bench) {
	thread := b.own.at["thread"]
	for _, x := range []struct {
		procedure, body string
		want            string
	}{
		{"ThreadService/GetThread", fmt.Sprintf(`{"threadId":%q}`, thread), "200 "}, // positive control
		{"ThreadService/GetThread", `{"threadId":5}`, "400 invalid_argument"},
		{"ThreadService/GetThread", `{"threadId":{}}`, "400 invalid_argument"},
		{"ThreadService/GetThread", `{"threadId":"\u0000"}`, "400 invalid_argument"},
		{"ThreadService/GetThread", `{"threadId":"\ud800"}`, "400 invalid_argument"},
		{"ThreadService/GetThread", `{"threadId":"a","threadId":"b"}`, "400 invalid_argument"},
		{"ThreadService/GetThread", `{`, "400 invalid_argument"},
		{"ThreadService/GetThread", `[]`, "400 invalid_argument"},
		{"ThreadService/GetThread", strings.Repeat("[", 100_000), "400 invalid_argument"},
		{"ThreadService/GetThread", `{"threadId":"` + strings.Repeat("x", 64<<10) + `"}`, "404 not_found"},
		{"ThreadService/ListThreads", `{"status":"nova"}`, "400 invalid_argument"},
		{"ThreadService/ListThreads", `{"limit":1e400}`, "400 invalid_argument"},
		{"ThreadService/ListThreads", `{"limit":2147483648}`, "400 invalid_argument"},
		{"ThreadService/ListThreads", `{"limit":-5}`, "200 "},
		{"ThreadService/CreateThread", `{"topic":"a\u0000"}`, "400 invalid_argument"},
		{"ThreadService/CreateThread", `{"topic":"t","visibility":99}`, "400 invalid_argument"},
		{"ThreadService/CreateThread", `{"topic":"t","visibility":0}`, "400 invalid_argument"},
		{"ThreadService/CreateThread", `{"topic":"t","joinPolicy":77}`, "400 invalid_argument"},
		{"ThreadService/CreateThread", `{"topic":"t","permissionPolicy":"{"}`, "400 invalid_argument"},
		{"ThreadService/CreateThread", `{"topic":"t","permissionPolicy":""}`, "400 invalid_argument"},
		{"ThreadService/UpdateThread", fmt.Sprintf(`{"threadId":%q,"status":99}`, thread), "400 invalid_argument"},
		{"ThreadService/UpdateThread", fmt.Sprintf(`{"threadId":%q,"status":"THREAD_STATUS_CLOSED","closeReason":99}`, thread), "400 invalid_argument"},
		{"ThreadService/UpdateThread", fmt.Sprintf(`{"threadId":%q,"updateMask":"nova"}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","metadata":"{"}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","parts":{"values":[{}]}}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","parts":{"values":[{"text":{}}]}}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","parts":{"values":[{"json":{"content":"5"}}]}}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","parts":{"values":[{"text":{"content":"a"},"extra":"{"}]}}`, thread), "400 invalid_argument"},
		{"ThreadService/SendThreadMessage", fmt.Sprintf(`{"threadId":%q,"content":"a","parts":{"values":[{"text":{"content":"a"},"extra":"[]"}]}}`, thread), "400 invalid_argument"},
		{"ArtifactService/AddArtifact", fmt.Sprintf(`{"threadId":%q,"artifactKey":"k","content":"a","type":42}`, thread), "400 invalid_argument"},
		{"TokenService/CreateToken", `{"scopes":[99]}`, "400 invalid_argument"},
		{"TokenService/CreateToken", `{"scopes":[0]}`, "400 invalid_argument"},
		{"TokenService/CreateToken", `{"scopes":["TOKEN_SCOPE_READ"],"expiresIn":"NaN"}`, "400 invalid_argument"},
		{"TokenService/CreateToken", `{"scopes":["TOKEN_SCOPE_READ"],"expiresIn":"Infinity"}`, "200 "},
		{"BotService/UpdateProfile", `{"protocols":"{"}`, "400 invalid_argument"},
		{"BotService/UpdateProfile", `{"bio":"a","updateMask":"tags,bio"}`, "200 "},
		{"ChannelService/GetInbox", `{"since":"yesterday"}`, "400 invalid_argument"},
		{"ChannelService/GetInbox", `{"since":"9999-12-31T23:59:59Z"}`, "200 "},
		{"ChannelService/GetInbox", `{"since":"0001-01-01T00:00:00Z"}`, "200 "},
		{"AuthService/Login", `{"type":99}`, "400 invalid_argument"},
	} {
		a := b.send(b.own.member, "POST", "/b2b.v1."+x.procedure, []byte(x.body), "Connect-Protocol-Version", "1")
		if got := fmt.Sprintf("%d %s", a.status, a.code()); got != x.want {
			what := x.body
			if len(what) > 200 {
				what = what[:200] + "…"
			}
			t.Errorf("%s %s: %v, want %s", x.procedure, what, a, x.want)
		}
	}
	for _, op := range operations() { // unlike over REST: generated clients have no unknown fields
		a := b.connectJSON(b.may(t, op), op, []byte(`{"unknownField":[{}]}`))
		if a.status != 400 || a.code() != "invalid_argument" {
			t.Errorf("%s with an unknown field: %v", op.Procedure, a)
		}
	}
}
