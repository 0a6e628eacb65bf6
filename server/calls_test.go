package server_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// operations returns every RPC of the schema. Their services are never called.
func operations() []*call.Operation {
	return call.Services{
		ArtifactService:  b2bv1connect.UnimplementedArtifactServiceHandler{},
		AuthService:      b2bv1connect.UnimplementedAuthServiceHandler{},
		BotService:       b2bv1connect.UnimplementedBotServiceHandler{},
		ChannelService:   b2bv1connect.UnimplementedChannelServiceHandler{},
		OrgService:       b2bv1connect.UnimplementedOrgServiceHandler{},
		OrgThreadService: b2bv1connect.UnimplementedOrgThreadServiceHandler{},
		PlatformService:  b2bv1connect.UnimplementedPlatformServiceHandler{},
		ServerService:    b2bv1connect.UnimplementedServerServiceHandler{},
		ThreadService:    b2bv1connect.UnimplementedThreadServiceHandler{},
		TokenService:     b2bv1connect.UnimplementedTokenServiceHandler{},
		WebSocketService: b2bv1connect.UnimplementedWebSocketServiceHandler{},
		WebhookService:   b2bv1connect.UnimplementedWebhookServiceHandler{},
		LeaseService:     b2bv1connect.UnimplementedLeaseServiceHandler{},
		DecisionService:  b2bv1connect.UnimplementedDecisionServiceHandler{},
		SearchService:    b2bv1connect.UnimplementedSearchServiceHandler{},
	}.Operations()
}

// idFields are the kinds of things that the text fields of requests identify, by field or by
// message and field. The first kind is the default value of the field. A text field of a request
// must be here or in prose.
var idFields = map[string][]string{
	"artifact_key":                 {"artifact key"},
	"author":                       {"bot", "bot name"},
	"before":                       {"channel message", "thread message"},
	"bot":                          {"bot", "bot name"},
	"bot_id":                       {"bot"},
	"channel_id":                   {"channel"},
	"cursor":                       {"cursor", "org cursor", "bot", "thread message", "artifact key"},
	"delivery_id":                  {"dead letter"},
	"dm_cursor":                    {"cursor"},
	"thread_cursor":                {"cursor"},
	"escalate_to":                  {"bot", "bot name"},
	"join_request_id":              {"join request"},
	"org_id":                       {"org"},
	"org_secret":                   {"org secret"},
	"participants":                 {"bot", "bot name"},
	"ref":                          {"session"},
	"message_id":                   {"thread message", "channel message"},
	"reply_to":                     {"thread message"},
	"target_id":                    {"thread", "bot"},
	"channel_ids":                  {"channel"},
	"thread_id":                    {"thread"},
	"thread_ids":                   {"thread"},
	"ticket":                       {"ticket"},
	"to":                           {"bot", "bot name"},
	"DeleteBot.id":                 {"bot"},
	"DeleteInviteCode.id":          {"invite"},
	"DeleteOrgTicket.id":           {"ticket"},
	"DeleteToken.id":               {"token"},
	"GetBot.id":                    {"bot"},
	"GetBotProfile.name":           {"bot name"},
	"GetWebhookHealth.name":        {"bot name"},
	"DeleteTombstone.name":         {"tombstone"},
	"RedeemInviteCode.invite_code": {"invite"},
	"Login.token":                  {"token"},
	"GetFile.id":                   {"file"},
	"GetFileInfo.id":               {"file"},
	"GetLease.id":                  {"lease"},
	"RenewLease.id":                {"lease"},
	"ReleaseLease.id":              {"lease"},
	"wait_id":                      {"lease"},
	"AckDelivery.id":               {"delivery lease"},
	"NackDelivery.id":              {"delivery lease"},
	"ExtendDelivery.id":            {"delivery lease"},
	"ProgressDelivery.id":          {"delivery lease"},
	"WaitDelivery.id":              {"delivery lease"},
	"RedeliverDead.ids":            {"delivery lease"},
	"lease":                        {"delivery lease"},
	"GetDecision.id":               {"decision"},
	"AnswerDecision.id":            {"decision"},
	"WithdrawDecision.id":          {"decision"},
	"bots":                         {"bot", "bot name"},
}

// prose matches the text fields that identify nothing.
var prose = regexp.MustCompile(`^(request_id|name|content|content_type|context|topic|q|search|scope|label|action|target_type|reason|title|language|url|mime_type|` +
	`owner_name|admin_secret|webhook_url|webhook_secret|metadata|permission_policy|default_thread_permission_policy|protocols|` +
	`bio|role|function|team|tag|tags|languages|status|status_text|timezone|active_hours|version|runtime|types|prefix|note|text|question|choices|default|answer|comment|kinds)$`)

// optional matches the id fields that are omitted unless they are tested.
var optional = regexp.MustCompile(`^(author|Search\.thread_id|before|channel_ids?|thread_ids|.*cursor|participants|reply_to|escalate_to|target_id|delivery_id|wait_id|bots|ListDecisions\.thread_id|ListDecisions\.channel_id|RedeliverDead\.ids|Login\.token)$`)

// fillers are values for the other required fields.
var fillers = map[string]any{
	"AddArtifact.content":       "text",
	"UpdateArtifact.content":    "text",
	"CreateThread.topic":        "topic",
	"SendDirectMessage.content": "hello", "SendChannelMessage.content": "hello", "SendThreadMessage.content": "hello",
	"GetInbox.since":          1,
	"ListCatchupEvents.since": 1, "CountCatchupEvents.since": 1,
	"RegisterBot.name":         "newcomer",
	"RedeemInviteCode.name":    "newcomer",
	"UpdateBotRole.auth_role":  "member",
	"UpdateBotStatus.status":   "active",
	"UpdateThread.topic":       "topic",
	"UpdateOrgThread.status":   "blocked",
	"UpdateOrg.name":           "renamed",
	"Login.type":               "org_admin",
	"CreateToken.scopes":       []string{"read"},
	"AcquireLease.name":        "shared",
	"AcquireLease.mode":        "shared",
	"AcquireLease.ttl_seconds": 1,
	"ProgressDelivery.text":    "reading",
	"WaitDelivery.on":          "human",

	"AskThreadDecision.kind":      "approve",
	"AskThreadDecision.question":  "deploy?",
	"AskThreadDecision.humans":    true,
	"AskChannelDecision.kind":     "approve",
	"AskChannelDecision.question": "deploy?",
	"AskChannelDecision.humans":   true,
	"AnswerDecision.answer":       "approved",
	"Search.q":                    "wrote",
}

func method(op *call.Operation) string { return string(op.Desc.Name()) }

func lookup[V any](m map[string]V, op *call.Operation, field string) (V, bool) {
	if v, ok := m[method(op)+"."+field]; ok {
		return v, true
	}
	v, ok := m[field]
	return v, ok
}

// idFieldsOf returns the fields of an operation's request that identify things.
func idFieldsOf(t testing.TB, op *call.Operation) (fields []string) {
	t.Helper()
	all := op.Desc.Input().Fields()
	for i := range all.Len() {
		f := all.Get(i)
		text := f.Kind() == protoreflect.StringKind
		if m := f.Message(); m != nil {
			text = m.FullName() == "b2b.v1.StringList"
		}
		if !text {
			continue
		}
		name := string(f.Name())
		switch kinds, ok := lookup(idFields, op, name); {
		case ok && len(kinds) > 0:
			fields = append(fields, name)
		case slices.Contains(pathFields(op), name) || !prose.MatchString(name):
			t.Errorf("%s has a text field %s that this test does not know: put it into idFields or prose", op.Procedure, name)
		}
	}
	return fields
}

// usual returns the values of a valid call about the org's own things.
func usual(op *call.Operation, fields []string, o *org) map[string]any {
	values := make(map[string]any)
	all := op.Desc.Input().Fields()
	for i := range all.Len() {
		name := string(all.Get(i).Name())
		if v, ok := fillers[method(op)+"."+name]; ok {
			values[name] = v
		}
	}
	for _, f := range fields {
		_, filled := values[f]
		if filled || optional.MatchString(f) && !needed(op, f) || optional.MatchString(method(op)+"."+f) {
			continue
		}
		kinds, _ := lookup(idFields, op, f)
		values[f] = o.at[kinds[0]]
	}
	if method(op) == "RegisterBot" {
		delete(values, "org_secret") // the ticket is enough
	}
	return values
}

// with returns values with one field set to an id.
func with(op *call.Operation, values map[string]any, field, id string) map[string]any {
	out := make(map[string]any, len(values)+1)
	for k, v := range values {
		out[k] = v
	}
	out[field] = id
	if f := op.Desc.Input().Fields().ByName(protoreflect.Name(field)); f != nil && (f.Message() != nil || f.IsList()) {
		out[field] = []string{id}
	}
	if method(op) == "Login" && field == "token" {
		out["type"] = "bot"
	}
	if method(op) == "RegisterBot" && field == "org_secret" {
		delete(out, "ticket")
	}
	return out
}

// needed reports whether an id that is optional elsewhere is required here.
func needed(op *call.Operation, field string) bool {
	return slices.Contains(pathFields(op), field) || method(op) == "SendChannelMessage"
}

var variable = regexp.MustCompile(`\{(\w+)\}`)

func pathFields(op *call.Operation) (fields []string) {
	if len(op.HTTP) == 0 {
		return nil
	}
	_, pattern := call.Route(op.HTTP[0])
	for _, m := range variable.FindAllStringSubmatch(pattern, -1) {
		fields = append(fields, m[1])
	}
	return fields
}

// rest returns the REST request of a call: values that are not in the path go into the query of a
// GET, else into the body.
func rest(t testing.TB, op *call.Operation, values map[string]any) (method, target string, body []byte) {
	t.Helper()
	method, pattern := call.Route(op.HTTP[0])
	taken := make(map[string]bool)
	target = variable.ReplaceAllStringFunc(pattern, func(v string) string {
		name := strings.Trim(v, "{}")
		taken[name] = true
		text, _ := values[name].(string)
		return url.PathEscape(text)
	})
	left := make(map[string]any)
	query := make(url.Values)
	for k, v := range values {
		if taken[k] {
			continue
		}
		left[k] = v
		switch v := v.(type) {
		case string:
			query.Set(k, v)
		case int:
			query.Set(k, strconv.Itoa(v))
		case []string:
			query.Set(k, strings.Join(v, ","))
		}
	}
	switch {
	case op.Receive != nil:
		body = form(values, "text/plain", "text")
	case method == "GET":
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
	case op.HTTP[0].GetBody() != "" || len(left) > 0:
		body = encode(t, left)
	}
	return method, target, body
}

// formMark is the start of a body that send recognizes as a form.
const formMark = "--b2b-form"

// form returns an upload, with values as texts before the file.
func form(values map[string]any, kind, data string) []byte {
	var b strings.Builder
	for k, v := range values {
		fmt.Fprintf(&b, "%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%v\r\n", formMark, k, v)
	}
	fmt.Fprintf(&b, "%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: %s\r\n\r\n%s\r\n%s--\r\n", formMark, kind, data, formMark)
	return []byte(b.String())
}

// connectBody returns the Connect JSON body of a call.
func connectBody(t testing.TB, op *call.Operation, values map[string]any) []byte {
	t.Helper()
	out := make(map[string]any, len(values))
	for k, v := range values {
		f := op.Desc.Input().Fields().ByName(protoreflect.Name(k))
		switch {
		case f.Message() != nil && f.Message().FullName() == "b2b.v1.StringList":
			v = map[string]any{"values": v}
		case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp":
			v = "1970-01-01T00:00:00.001Z"
		case f.Enum() != nil:
			zero := string(f.Enum().Values().Get(0).Name())
			enum := func(text string) string { return strings.TrimSuffix(zero, "UNSPECIFIED") + strings.ToUpper(text) }
			if list, ok := v.([]string); ok {
				v = []string{enum(list[0])}
			} else {
				v = enum(v.(string))
			}
		}
		out[f.JSONName()] = v
	}
	return encode(t, out)
}

// call makes the call over REST if it has a path there, else over Connect.
func (n *node) call(t testing.TB, c caller, op *call.Operation, values map[string]any) answer {
	t.Helper()
	if len(op.HTTP) == 0 {
		return n.connect(t, c, op, values)
	}
	method, target, body := rest(t, op, values)
	return n.send(c, method, target, body)
}

func (n *node) connect(t testing.TB, c caller, op *call.Operation, values map[string]any) answer {
	t.Helper()
	return n.connectJSON(c, op, connectBody(t, op, values))
}

// connectJSON sends a Connect JSON body. For a stream, it returns its first message or, if there is
// none, the error in the form of a unary call.
func (n *node) connectJSON(c caller, op *call.Operation, body []byte) answer {
	if op.Stream == nil && op.Receive == nil {
		return n.send(c, http.MethodPost, op.Procedure, body, "Connect-Protocol-Version", "1")
	}
	body = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	a := n.send(c, http.MethodPost, op.Procedure, body, "Connect-Protocol-Version", "1", "Content-Type", "application/connect+json")
	if len(a.body) < 5 {
		return a
	}
	flags, length := a.body[0], binary.BigEndian.Uint32([]byte(a.body[1:5]))
	a.body = a.body[5 : 5+length]
	var end struct {
		Error json.RawMessage `json:"error"`
	}
	if flags&2 == 0 || json.Unmarshal([]byte(a.body), &end) != nil || end.Error == nil {
		return a
	}
	a.body = string(end.Error)
	switch a.code() {
	case "unauthenticated":
		a.status = 401
	case "permission_denied":
		a.status = 403
	case "internal":
		a.status = 500
	default:
		a.status = 400
	}
	return a
}

// allowed reports whether the schema lets the caller call.
func allowed(op *call.Operation, c caller) bool { return refused(op, c) == "" }

// refused is the status and code with which the caller must be refused, or "".
func refused(op *call.Operation, c caller) string {
	may := func(k optionsv1.Caller) bool { return slices.Contains(op.Access.GetCallers(), k) }
	bots := may(optionsv1.Caller_CALLER_BOT)
	admins := may(optionsv1.Caller_CALLER_ADMIN_BOT)
	humans := may(optionsv1.Caller_CALLER_ORG_ADMIN)
	operators := may(optionsv1.Caller_CALLER_SUPER_ADMIN)
	isBot, isAdmin := c.kind == "bot" || c.kind == "admin bot", c.kind == "admin bot"
	switch {
	case may(optionsv1.Caller_CALLER_NOBODY):
		return ""
	case c.kind == "nobody":
		return "401 AUTH_REQUIRED"
	case isBot && (bots || isAdmin && admins):
		if !satisfies(c.scope, op.Access.GetScope()) {
			return "403 INSUFFICIENT_SCOPE"
		}
		return ""
	case c.kind == "org admin" && humans, c.kind == "super admin" && operators:
		return ""
	case operators && !humans:
		return "401 AUTH_REQUIRED" // calls of operators are hidden from others
	case operators:
		return "403 HUMAN_SESSION_REQUIRED"
	case c.kind == "super admin" && admins:
		return "400 ORG_CONTEXT_REQUIRED"
	}
	return "403 FORBIDDEN"
}

func satisfies(held string, needed optionsv1.Scope) bool {
	need := strings.ToLower(strings.TrimPrefix(needed.String(), "SCOPE_"))
	return held == "full" || need == "unspecified" || need == held || need == "upload" && (held == "thread" || held == "message")
}
