package conformance

import (
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

// httpChecks returns the checks of paths, methods and headers.
func httpChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-001"}, "a success is 200 with JSON, except for two calls with 201 and two with 204", successStatus},
		{[]string{"B2B-HTTP-010"}, "unknown paths and methods return 401 without a valid credential, else 404", unknownPaths},
		{[]string{"B2B-HTTP-011"}, "paths are matched in any case and with one trailing slash", func(t *T) {
			o := t.Org()
			for _, path := range []string{"/api/me", "/api/me/", "/API/Me", "/Api/ME/", "/api/BOTS/" + o.Admin.ID, "/api/bots/admin/PROFILE/"} {
				t.Get(path, o.Admin).Status(200).Equal("id", o.Admin.ID)
			}
			t.Do("POST", "/API/org/Tickets/", o.Admin, J{}).Status(200).Has("ticket")
			t.Get("/HEALTH/", nil).Status(200)
			t.Get("/api/me/nope", o.Admin).Refused(404, "NOT_FOUND")
			t.Get("/api/bots/ADMIN/profile", o.Admin).Refused(404, "NOT_FOUND")
		}},
		{[]string{"B2B-HTTP-012"}, "HEAD is supported wherever GET is", func(t *T) {
			o := t.Org()
			for _, path := range []string{"/health", "/api/version", "/skill.md"} {
				t.Do("HEAD", path, nil, nil).Status(200).Empty()
			}
			t.Do("HEAD", "/api/me", o.Admin, nil).Status(200).Empty()
			t.Do("HEAD", "/api/me", nil, nil).Status(401).Empty()
			t.Do("HEAD", "/api/bots/"+unusedID, o.Admin, nil).Status(404).Empty()
		}},
		{[]string{"B2B-HTTP-013"}, "GET responses have a weak ETag, and If-None-Match returns 304", weakETags},
		{[]string{"B2B-HTTP-050", "B2B-HTTP-051"}, "conditional reads see every change, and access is checked before 304", conditionalReads},
		{[]string{"B2B-HTTP-014"}, "an invalid escape in a path is 400, an escaped slash matches no route", func(t *T) {
			o := t.Org()
			if r := t.Get("/api/bots/%zz", o.Admin); r.StatusCode() != 400 {
				t.Errorf("%s: want 400", r)
			}
			t.Get("/api/bots/a%2Fb", o.Admin).Refused(404, "NOT_FOUND")
			t.Get("/api/bots/%61dmin/profile", o.Admin).Status(200).Equal("id", o.Admin.ID)
		}},
		{[]string{"B2B-HTTP-015"}, "invalid integers in a query get default values", queryIntegers},
		{[]string{"B2B-HTTP-016"}, "without allowed origins there are no CORS headers", noCORS},
	}
}

func successStatus(t *T) {
	o := t.Org()
	r := t.Get("/api/org", o.Admin).Status(200)
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("%s: Content-Type %q", r, ct)
	}
	t.Do("POST", "/api/org/tickets", o.Admin, J{}).Status(200)
	invite := t.Do("POST", "/api/platform/invite-codes", t.Super(), J{"max_uses": 1}).Status(201)
	made := t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": invite.Str("code"), "name": "x"}).Status(201)
	t.Do("DELETE", "/api/orgs/"+made.Str("org_id"), t.Super(), nil).Status(204).Empty()
	t.Do("DELETE", "/api/platform/invite-codes/"+invite.Str("id"), t.Super(), nil).Status(204).Empty()
}

func unknownPaths(t *T) {
	o := t.Org()
	for _, c := range []struct{ method, path string }{
		{"GET", "/api/nope"}, {"POST", "/api/nope"}, {"PUT", "/api/nope/deeper"}, {"PATCH", "/api/nope"}, {"DELETE", "/api/nope"},
		{"GET", "/api/auth/login"}, {"GET", "/api/auth/register"}, {"PUT", "/api/org"}, {"DELETE", "/api/version"}, {"GET", "/nope"},
	} {
		t.Do(c.method, c.path, nil, nil).Refused(401, "AUTH_REQUIRED")
		t.Do(c.method, c.path, Token("bot_unknown"), nil).Refused(401, "INVALID_TOKEN")
		t.Do(c.method, c.path, o.Admin, nil).Refused(404, "NOT_FOUND")
	}
	t.Get("/api/nope", o.Human()).Refused(404, "NOT_FOUND")
	t.Do("POST", "/nope", o.Admin, J{}).Refused(404, "NOT_FOUND")
	t.Get("/api/org", o.Admin).Status(200)
}

func weakETags(t *T) {
	o := t.Org()
	r := t.Get("/api/org/settings", o.Admin).OK()
	tag := r.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Fatalf("%s: ETag %q is not a weak one", r, tag)
	}
	t.Get("/api/org/settings", o.Admin, Header("If-None-Match", tag)).Status(304).Empty()
	t.Get("/api/org/settings", o.Admin, Header("If-None-Match", `W/"other"`)).Status(200)
	o.Settings(J{"threads_per_hour_per_bot": 77})
	t.Get("/api/org/settings", o.Admin, Header("If-None-Match", tag)).Status(200)
}

func queryIntegers(t *T) {
	o := t.Org()
	for range 3 {
		o.Ticket(J{})
	}
	for query, want := range map[string]int{
		"": 3, "limit=2": 2, "limit=2abc": 2, "limit=1.9": 1, "limit=0": 3, "limit=": 3, "limit=abc": 3, "limit=-5": 1,
		"limit=1000": 3, "limit=2&limit=1": 2,
	} {
		t.Get("/api/org/tickets?"+query, o.Admin).Status(200).Len("items", want)
	}
}

func noCORS(t *T) {
	o := t.Org()
	from := Header("Origin", "https://elsewhere.example")
	for _, r := range []*Response{
		t.Get("/api/version", nil, from).Status(200),
		t.Get("/api/org", o.Admin, from).Status(200),
		t.Get("/api/org", nil, from).Status(401),
		t.Do("OPTIONS", "/api/org", nil, nil, from, Header("Access-Control-Request-Method", "GET")).Refused(401, "AUTH_REQUIRED"),
		t.Do("OPTIONS", "/api/org", o.Admin, nil, from, Header("Access-Control-Request-Method", "GET")).Refused(404, "NOT_FOUND"),
	} {
		for name := range r.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: has %s", r, name)
			}
		}
	}
}

// procedure is a procedure that every bot may call.
const procedure = "/b2b.v1.BotService/GetMe"

// edgeChecks returns the checks of what applies to all bindings.
func edgeChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-030"}, "paths of procedures are matched in any case and with a trailing slash", procedurePaths},
		{[]string{"B2B-HTTP-032"}, "an unknown procedure has the errors of an unknown path", unknownProcedures},
		{[]string{"B2B-HTTP-022"}, "bytes of a body that was not read are not another request", unreadBody},
		{[]string{"B2B-HTTP-033"}, "an invalid WebSocket handshake gets a JSON error and does not consume its ticket", invalidHandshakes},
	}
}

func procedurePaths(t *T) {
	o := t.Org()
	for _, path := range []string{procedure, procedure + "/", "/B2B.V1.botservice/GETME", "/b2b.v1.BOTSERVICE/getme/"} {
		t.Do("POST", path, o.Admin, J{}).Status(200).Has("bot")
	}
	from := Header("Origin", "https://elsewhere.example")
	for name := range t.Do("POST", procedure, o.Admin, J{}, from).Status(200).Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("without allowed origins the response of a procedure has %s", name)
		}
	}
	conn, _, err := websocket.Dial(t.ctx, strings.Replace(t.wsURL("ticket", t.wsTicket(o.Admin)), "/ws?", "/WS/?", 1), nil)
	if err != nil {
		t.Errorf("opening a connection at /WS/: %v", err)
	} else {
		_ = conn.CloseNow() // it may be closed already
	}
	t.Do("OPTIONS", procedure, nil, nil, from).Refused(401, "AUTH_REQUIRED")
	t.Do("OPTIONS", procedure, o.Admin, nil, from).Refused(404, "NOT_FOUND")
}

func unknownProcedures(t *T) {
	o := t.Org()
	t.Do("POST", procedure, o.Admin, J{}).Status(200)
	for _, path := range []string{"/b2b.v1.BotService/GetMeNot", "/b2b.v1.NoService/GetMe", "/b2b.v1.", procedure + "/x"} {
		t.Do("POST", path, nil, J{}).Refused(401, "AUTH_REQUIRED")
		t.Do("POST", path, Token("bot_nonsense"), J{}).Refused(401, "INVALID_TOKEN")
		t.Do("POST", path, o.Admin, J{}).Refused(404, "NOT_FOUND")
	}
	t.Get(procedure, nil).Refused(401, "AUTH_REQUIRED")
	t.Get(procedure, o.Admin).Refused(404, "NOT_FOUND")
	text := Header("Content-Type", "text/plain")
	t.Do("POST", procedure, nil, Raw("{}"), text).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", procedure, o.Admin, Raw("{}"), text).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	web := Header("Content-Type", "application/grpc-web+proto")
	for caller, status := range map[Caller]string{nil: "16", o.Admin: "12"} { // UNAUTHENTICATED, UNIMPLEMENTED
		r := t.Do("POST", "/b2b.v1.BotService/GetMeNot", caller, Raw(""), web)
		if got := r.Header.Get("Grpc-Status"); got != status {
			t.Errorf("%s: status %q, want %s", r, got, status)
		}
	}
}

func invalidHandshakes(t *T) {
	o := t.Org()
	w := o.Bot("worker")
	ticket := t.wsTicket(w)
	upgrade := func(path string, more ...Option) *Response {
		return t.Do("GET", path+"?ticket="+ticket, nil, nil, append([]Option{
			Header("Connection", "Upgrade"), Header("Upgrade", "websocket"),
			Header("Sec-WebSocket-Version", "13"), Header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
		}, more...)...)
	}
	upgrade("/api/me").Refused(400, "VALIDATION_ERROR")
	upgrade("/ws/x").Refused(400, "VALIDATION_ERROR")
	upgrade("/ws", Header("Sec-WebSocket-Version", "8")).Refused(400, "VALIDATION_ERROR")
	upgrade("/ws", Header("Sec-WebSocket-Key", "short")).Refused(400, "VALIDATION_ERROR")
	t.dial("worker", "ticket", ticket).ping()
}

// requestChecks returns the checks of request bodies.
func requestChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-002"}, "a body that is not application/json is rejected", bodyMediaTypes},
		{[]string{"B2B-HTTP-003"}, "malformed JSON is rejected with 400", func(t *T) {
			o := t.Org()
			for _, body := range []Raw{`{`, `{"a":}`, `{"a":1}}`, `nope`, `"text"`, `7`, `true`, `null`} {
				t.Do("POST", "/api/org/tickets", o.Admin, body).Refused(400, "VALIDATION_ERROR")
				t.Do("POST", "/api/auth/login", nil, body).Refused(400, "VALIDATION_ERROR")
				t.Do("PATCH", "/api/org/bots/none/role", o.Admin, body).Refused(400, "VALIDATION_ERROR")
			}
			t.Do("POST", "/api/org/tickets", o.Admin, Raw(" {\n} ")).Status(200)
		}},
		{[]string{"B2B-HTTP-021"}, "the caller and its access are checked before the body", accessBeforeBody},
		{[]string{"B2B-HTTP-004", "B2B-LIM-030"}, "a body can have 1 MiB, or 256 KiB for calls without a credential", bodySize},
		{[]string{"B2B-LIM-031"}, "an object or a list can have at most 10,000 elements", bodyElements},
		{[]string{"B2B-LIM-034"}, "a query can have at most 1000 parameters", func(t *T) {
			o := t.Org()
			t.Get("/api/org/tickets?limit=1"+strings.Repeat("&a", 999), o.Admin).Status(200)
			t.Get("/api/org/tickets?limit=1"+strings.Repeat("&a", 1000), o.Admin).Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-HTTP-005"}, "a charset other than UTF-8 is rejected with 415", func(t *T) {
			o := t.Org()
			t.Do("POST", "/api/org/tickets", o.Admin, Raw(`{}`), Header("Content-Type", "application/json; charset=iso-8859-1")).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
			t.Do("POST", "/api/org/tickets", o.Admin, Raw(`{}`), Header("Content-Type", "application/json; charset=UTF-8")).Status(200)
		}},
		{[]string{"B2B-HTTP-006"}, "unknown keys of a body are ignored", func(t *T) {
			o := t.Org()
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"bio": "x", "nonsense": J{"deep": []int{1}}, "name": "other"}).Status(200).
				Equal("bio", "x").Equal("name", "admin").Lacks("nonsense")
		}},
		{[]string{"B2B-HTTP-007", "B2B-ERR-002"}, "unusual bodies never cause a server error", unusualBodies},
		{[]string{"B2B-HTTP-008"}, "a wrong JSON type is rejected with 400, after authentication and scope", bodyJSONTypes},
	}
}

func bodyMediaTypes(t *T) {
	o := t.Org()
	body := Raw(`{"auth_role":"member"}`)
	worker := o.Bot("worker")
	role := "/api/org/bots/" + worker.ID + "/role"
	t.Do("PATCH", role, o.Admin, Raw(`{"auth_role":"admin"}`)).Status(200)
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", ""} {
		t.Do("PATCH", role, o.Admin, body, Header("Content-Type", ct)).Refused(415, "UNSUPPORTED_MEDIA_TYPE").Has("hint")
		t.Do("POST", "/api/auth/login", nil, Raw("type=bot"), Header("Content-Type", ct)).Refused(415, "UNSUPPORTED_MEDIA_TYPE").Has("hint")
		t.Do("DELETE", "/api/bots/"+worker.ID, o.Admin, Raw("a=b"), Header("Content-Type", ct)).Refused(415, "UNSUPPORTED_MEDIA_TYPE").Has("hint")
		t.Do("POST", "/api/org/tickets", o.Admin, Raw(""), Header("Content-Type", ct)).Status(200).Has("ticket")
	}
	t.Get("/api/bots/"+worker.ID, o.Admin).Status(200).Equal("auth_role", "admin")
	for _, ct := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		t.Do("PATCH", role, o.Admin, body, Header("Content-Type", ct)).Status(200).Equal("auth_role", "member")
	}
	t.Do("POST", "/api/org/tickets", o.Admin, Raw("")).Status(200).Has("ticket")
	t.Do("POST", "/api/org/tickets", o.Admin, nil).Status(200).Has("ticket")
}

func accessBeforeBody(t *T) {
	o := t.Org()
	reader := Token(t.Do("POST", "/api/me/tokens", o.Admin, J{"scopes": []string{"read"}}).OK().Str("token"))
	worker := o.Bot("worker")
	large := Raw(`{"pad":"` + strings.Repeat("x", 1<<20) + `"}`)
	for _, body := range []Raw{`{`, `null`, large} {
		t.Do("POST", "/api/threads", nil, body).Refused(401, "AUTH_REQUIRED")
		t.Do("POST", "/api/threads", Token("bot_nobody"), body).Refused(401, "INVALID_TOKEN")
		t.Do("POST", "/api/nope", nil, body).Refused(401, "AUTH_REQUIRED")
		t.Do("POST", "/api/nope", o.Admin, body).Refused(404, "NOT_FOUND")
		t.Do("POST", "/api/threads", reader, body).Refused(403, "INSUFFICIENT_SCOPE")
		t.Do("POST", "/api/org/tickets", worker, body).Refused(403, "FORBIDDEN")
		t.Do("POST", "/api/orgs", o.Admin, body).Refused(401, "AUTH_REQUIRED")
	}
	t.Do("POST", "/api/threads", nil, Raw("a=b"), Header("Content-Type", "text/plain")).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/threads", o.Admin, Raw(`{`)).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", "/api/threads", o.Admin, large).Refused(413, "PAYLOAD_TOO_LARGE")
	t.Do("POST", "/api/threads", o.Admin, J{"topic": "a"}).Status(200)
}

func bodySize(t *T) {
	o := t.Org()
	padded := func(size int) Raw {
		return Raw(`{"pad":"` + strings.Repeat("x", size-len(`{"pad":""}`)) + `"}`)
	}
	t.Do("POST", "/api/org/tickets", o.Admin, padded(1<<20)).Status(200)
	t.Do("POST", "/api/org/tickets", o.Admin, padded(1<<20+1)).Refused(413, "PAYLOAD_TOO_LARGE")
	for _, path := range []string{"/api/auth/login", "/api/auth/register", "/api/platform/orgs"} {
		t.Do("POST", path, nil, padded(256<<10)).Refused(400, "VALIDATION_ERROR")
		t.Do("POST", path, nil, padded(256<<10+1)).Refused(413, "PAYLOAD_TOO_LARGE")
	}
}

func bodyElements(t *T) {
	o := t.Org()
	keys := func(n int) Raw {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		return Raw("{" + strings.TrimSuffix(b.String(), ",") + "}")
	}
	t.Do("POST", "/api/org/tickets", o.Admin, keys(10_000)).Status(200)
	t.Do("POST", "/api/org/tickets", o.Admin, keys(10_001)).Refused(400, "VALIDATION_ERROR")
	many := Raw(`{"topic":"a","participants":[` + strings.Repeat(`"",`, 10_000) + `""]}`)
	t.Do("POST", "/api/threads", o.Admin, many).Refused(400, "VALIDATION_ERROR")
	// Free-form JSON is limited in bytes only.
	numbers := "[" + strings.Repeat("1,", 20_000) + "1]"
	t.Do("POST", "/api/threads", o.Admin, Raw(`{"topic":"a","context":`+numbers+`}`)).Status(200)
}

func unusualBodies(t *T) {
	o := t.Org()
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	bodies := []Raw{
		Raw(`{"metadata":` + deep + `}`), Raw(`{"protocols":` + strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000) + `}`),
		"{\"bio\":\"\xff\xfe\"}", "{\"\xc3\":1,\"bio\":\"x\"}", `{"bio":"a\u0000b"}`, `{"bio":"\ud800"}`, `{"bio":"one","bio":"two"}`,
		`{"protocols":{"n":1e99999}}`, `{"protocols":{"n":123456789012345678901234567890}}`, `[]`, `[{"bio":"x"}]`, "\ufeff{}",
	}
	for _, body := range bodies {
		for _, route := range []string{"PATCH /api/me/profile", "POST /api/auth/register", "PATCH /api/org/settings", "POST /api/auth/login"} {
			method, path, _ := strings.Cut(route, " ")
			r := t.Do(method, path, o.Admin, body)
			switch {
			case r.StatusCode() >= 500:
				t.Errorf("%s: server error", r)
			case r.StatusCode() >= 400:
				r.Has("error", "code")
			}
		}
	}
	t.Get("/api/me", o.Admin).Status(200)
}

func bodyJSONTypes(t *T) {
	o := t.Org()
	reader, bot := o.Admin.Scoped("read"), o.Bot("worker")
	for _, c := range []struct {
		method, path string
		body         J
	}{
		{"PATCH", "/api/me/profile", J{"bio": 5}}, {"PATCH", "/api/me/profile", J{"tags": "x"}},
		{"PATCH", "/api/me/profile", J{"bio": "a\x00b"}}, {"PATCH", "/api/me/name", J{"name": J{}}}, {"POST", "/api/me/tokens", J{"scopes": "read"}},
	} {
		t.Do(c.method, c.path, o.Admin, c.body).Refused(400, "VALIDATION_ERROR")
		t.Do(c.method, c.path, nil, c.body).Refused(401, "AUTH_REQUIRED")
		t.Do(c.method, c.path, reader, c.body).Refused(403, "INSUFFICIENT_SCOPE")
	}
	t.Do("PATCH", "/api/org/settings", o.Admin, J{"join_approval_required": "yes"}).Refused(400, "VALIDATION_ERROR")
	t.Do("PATCH", "/api/org/settings", bot, J{"join_approval_required": "yes"}).Refused(403, "FORBIDDEN")
	t.Do("POST", "/api/orgs", nil, J{"name": []int{1}}).Refused(401, "AUTH_REQUIRED")
}
