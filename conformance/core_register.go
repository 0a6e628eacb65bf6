package conformance

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// botShape is the shape of a bot in all responses; see T.Shape. Other checks test the types of
// metadata and protocols.
const botShape = "id:s org_id:s name:s auth_role:=admin|member online:b last_seen_at:i? created_at:i metadata:* bio:s? role:s? function:s? team:s? " +
	"tags:[s]? languages:[s]? protocols:* status_text:s? timezone:s? active_hours:s? version:s runtime:s? join_status:=active|pending|rejected " +
	"!webhook_url !webhook_secret !token_hash !join_status_changed_by"

// registerChecks returns the checks of the fields and the response of a registration.
func registerChecks() []Check {
	return []Check{
		{[]string{"B2B-REG-001", "B2B-BOT-001"}, "the response of a registration has the bot and its token", registration},
		{[]string{"B2B-REG-003"}, "a registration requires an org, a credential and a valid name", registrationFields},
		{[]string{"B2B-REG-004"}, "the name all is reserved", func(t *T) {
			o := t.Org()
			for _, name := range []string{"all", "ALL", "All", "aLL"} {
				o.Register(J{"org_secret": o.Secret, "name": name}).Refused(400, "RESERVED_NAME")
				o.Register(J{"org_secret": "wrong", "name": name, "bio": strings.Repeat("x", 5000)}).Refused(400, "RESERVED_NAME")
			}
			o.Register(J{"org_secret": o.Secret, "name": "all-in"}).Status(200)
		}},
		{[]string{"B2B-REG-005"}, "a registration with a profile field of a wrong type or size fails", registrationProfile},
		{[]string{"B2B-REG-006"}, "metadata can be any JSON and is returned unchanged", func(t *T) {
			o := t.Org()
			for i, sent := range []string{
				`{"a":1,"big":12345678901234567890,"z":{"b":null},"f":1.5}`, `"text"`, `[1,"x",null]`, `7`, `false`, `""`, `{}`, `null`,
			} {
				name := "bot" + string(rune('a'+i))
				r := t.Do("POST", "/api/auth/register", nil, Raw(`{"org_id":"`+o.ID+`","org_secret":"`+o.Secret+`","name":"`+name+`","metadata":`+sent+`}`)).OK()
				r.Equal("metadata", json.RawMessage(sent))
				t.Get("/api/me", Token(r.Str("token"))).OK().Equal("metadata", json.RawMessage(sent))
			}
		}},
		{[]string{"B2B-REG-007"}, "a webhook URL cannot have an internal address", registrationWebhooks},
		{[]string{"B2B-REG-013"}, "the default version of a bot is 1.0.0", func(t *T) {
			o := t.Org()
			o.Register(J{"org_secret": o.Secret, "name": "a"}).Status(200).Equal("version", "1.0.0")
			o.Register(J{"org_secret": o.Secret, "name": "b", "version": nil}).Status(200).Equal("version", "1.0.0")
			o.Register(J{"org_secret": o.Secret, "name": "c", "version": ""}).Status(200).Equal("version", "")
			o.Register(J{"org_secret": o.Secret, "name": "d", "version": "2.1"}).Status(200).Equal("version", "2.1")
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"version": "3"}).Status(200).Equal("version", "3")
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"version": nil}).Status(200).Equal("version", "1.0.0")
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"version": ""}).Status(200).Equal("version", "")
		}},
	}
}

func registration(t *T) {
	o := t.Org()
	r := o.Register(J{"name": "worker", "ticket": o.Ticket(J{})}).OK().Shape("", botShape+" bot_id:s token:s !message")
	if r.Str("id") != r.Str("bot_id") || !strings.HasPrefix(r.Str("token"), "bot_") || len(r.Str("token")) != 52 {
		t.Errorf("%s: want bot_id equal to id, and a token of bot_ and 48 hex digits", r)
	}
	t.has(r, J{
		"org_id": o.ID, "name": "worker", "auth_role": "member", "online": false, "metadata": nil, "bio": nil, "role": nil, "function": nil,
		"team": nil, "tags": nil, "languages": nil, "protocols": nil, "status_text": nil, "timezone": nil, "active_hours": nil, "version": "1.0.0",
		"runtime": nil, "join_status": "active", "last_seen_at": r.Value("created_at"),
	})
	full := fullProfile()
	full["name"], full["org_secret"], full["metadata"] = "full", o.Secret, J{"a": []int{1}}
	full["webhook_secret"], full["webhook_url"] = "hush", ""
	r = o.Register(full).OK().Shape("", botShape+" token:s").Equal("metadata", full["metadata"])
	t.has(r, fullProfile())
	t.Get("/api/me", Token(r.Str("token"))).OK().Shape("", botShape+" !token !bot_id").Equal("id", r.Str("id"))
}

func registrationFields(t *T) {
	o := t.Org()
	ticket := o.Ticket(J{"reusable": true})
	for _, body := range []J{
		{"org_id": nil, "org_secret": o.Secret, "name": "x"}, {"org_id": "", "org_secret": o.Secret, "name": "x"}, {"org_id": 5, "ticket": ticket, "name": "x"},
		{"org_id": nil, "org_secret": o.Secret, "ticket": ticket, "name": "x"},
		{"name": "x"}, {"ticket": "", "name": "x"}, {"ticket": nil, "org_secret": nil, "name": "x"}, {"ticket": 5, "name": "x"}, {"org_secret": 5, "name": "x"},
		{"org_secret": J{}, "name": "x"}, {"ticket": ticket}, {"ticket": ticket, "name": ""}, {"ticket": ticket, "name": nil}, {"ticket": ticket, "name": 5},
		{"ticket": ticket, "name": true}, {"ticket": ticket, "name": []string{"x"}}, {"ticket": ticket, "name": J{}}, {"ticket": ticket, "name": "a b"},
		{"ticket": ticket, "name": "a.b"}, {"ticket": ticket, "name": "a/b"}, {"ticket": ticket, "name": "é"}, {"ticket": ticket, "name": "所有人"},
		{"ticket": ticket, "name": "x\n"}, {"ticket": ticket, "name": "@x"}, {"ticket": ticket, "name": strings.Repeat("n", 129)},
	} {
		o.Register(body).Refused(400, "VALIDATION_ERROR")
	}
	t.Do("POST", "/api/auth/register", nil, J{"org_secret": o.Secret, "name": "x"}).Refused(400, "VALIDATION_ERROR")
	for _, name := range []string{"a", "-", "_", "9lives", "-dash", "Az_09-", strings.Repeat("n", 128)} {
		o.Register(J{"ticket": ticket, "name": name}).Status(200).Equal("name", name)
	}
}

func registrationProfile(t *T) {
	o := t.Org()
	for _, field := range wrongProfiles() {
		field["name"], field["org_secret"] = "worker", o.Secret
		o.Register(field).Refused(400, "VALIDATION_ERROR")
	}
	for _, field := range []J{
		{"webhook_secret": J{}}, {"webhook_url": 5}, {"webhook_url": "https://8.8.8.8/" + strings.Repeat("x", 2048)},
		{"metadata": J{"k": strings.Repeat("x", 16384)}},
	} {
		field["name"], field["org_secret"] = "worker", o.Secret
		o.Register(field).Refused(400, "VALIDATION_ERROR")
	}
	blank := J{"name": "worker", "org_secret": o.Secret}
	for k := range fullProfile() {
		blank[k] = nil
	}
	o.Register(blank).Status(200).Equal("version", "1.0.0").Equal("tags", nil)
}

func registrationWebhooks(t *T) {
	o := t.Org()
	for _, hook := range []string{
		"nonsense", "ftp://8.8.8.8/x", "http://8.8.8.8/x", "//8.8.8.8/x", "javascript:alert(1)", "https://", "https://127.9.9.9/x", "https://127.1.2.3:8443/", "https://10.1.2.3/", "https://172.16.0.1/",
		"https://172.31.255.1/", "https://192.168.1.1/", "https://169.254.169.254/latest", "https://0.0.0.0/", "https://[::1]/", "https://[fc00::1]/",
		"https://[fd12::1]/", "https://[fe80::1]/", "https://[::ffff:127.9.9.9]/", "https://[::ffff:10.0.0.1]/",
	} {
		o.Register(J{"org_secret": o.Secret, "name": "hooked", "webhook_url": hook}).Refused(400, "VALIDATION_ERROR")
	}
	o.Register(J{"org_secret": o.Secret, "name": "hooked", "webhook_url": "https://8.8.8.8/hook", "webhook_secret": "hush"}).Status(200).
		Lacks("webhook_url", "webhook_secret")
	o.Register(J{"org_secret": o.Secret, "name": "empty", "webhook_url": ""}).Status(200)
	o.Register(J{"org_secret": o.Secret, "name": "none", "webhook_url": nil}).Status(200)
}

// registerCredentialChecks returns the checks of the credentials of a registration.
func registerCredentialChecks() []Check {
	return []Check{
		{[]string{"B2B-REG-002"}, "the org secret registers admins and takes precedence over a ticket", func(t *T) {
			o := t.Org()
			ticket := o.Ticket(J{})
			o.Register(J{"org_secret": o.Secret, "ticket": ticket, "name": "boss"}).Status(200).Equal("auth_role", "admin")
			o.Register(J{"org_secret": o.Secret, "ticket": "tkt_unknown", "name": "boss2"}).Status(200).Equal("auth_role", "admin")
			o.Register(J{"org_secret": "wrong", "ticket": ticket, "name": "worker"}).Refused(401, "INVALID_CREDENTIALS")
			o.Register(J{"ticket": ticket, "name": "worker"}).Status(200).Equal("auth_role", "member")
		}},
		{[]string{"B2B-REG-008"}, "a registration with a wrong org secret fails", func(t *T) {
			o, other := t.Org(), t.Org()
			o.Register(J{"org_secret": "wrong", "name": "x"}).Refused(401, "INVALID_CREDENTIALS")
			o.Register(J{"org_secret": other.Secret, "name": "x"}).Refused(401, "INVALID_CREDENTIALS")
			t.Do("POST", "/api/auth/register", nil, J{"org_id": unusedID, "org_secret": o.Secret, "name": "x"}).Refused(401, "INVALID_CREDENTIALS")
			o.SetStatus("suspended")
			o.Register(J{"org_secret": "wrong", "name": "x"}).Refused(401, "INVALID_CREDENTIALS")
			o.Register(J{"org_secret": o.Secret, "name": "x"}).Refused(403, "ORG_SUSPENDED")
			o.SetStatus("active")
			o.Register(J{"org_secret": o.Secret, "name": "x"}).Status(200)
		}},
		{[]string{"B2B-REG-009"}, "a ticket is valid in its org, until its expiry and for its uses", ticketUse},
		{[]string{"B2B-REG-010", "B2B-BOT-012"}, "the credential is checked before the name, and a name conflict does not consume a ticket", registrationOrder},
		{[]string{"B2B-REG-011"}, "concurrent registrations use a single-use ticket and a name once", concurrentRegistrations},
		{[]string{"B2B-REG-012", "B2B-REG-001"}, "an org can require approval of bots that register with a ticket", registrationApproval},
		{[]string{"B2B-REG-015"}, "a bot registers with what an invitation link has", invitationLink},
	}
}

func ticketUse(t *T) {
	o, other := t.Org(), t.Org()
	single, reusable := o.Ticket(J{}), o.Ticket(J{"reusable": true})
	shortSingle, shortReusable := o.Ticket(J{"expires_in": 1.5}), o.Ticket(J{"reusable": true, "expires_in": 1.5})
	o.Register(J{"ticket": shortSingle, "name": "early"}).Status(200)
	id := t.Get("/api/org/tickets", o.Admin).OK().Find("items", "code", reusable)["id"]
	o.Register(J{"ticket": "tkt_0123456789abcdef", "name": "x"}).Refused(401, "INVALID_TICKET")
	other.Register(J{"ticket": single, "name": "x"}).Refused(401, "INVALID_TICKET")
	t.Do("POST", "/api/auth/register", nil, J{"org_id": unusedID, "ticket": single, "name": "x"}).Refused(401, "INVALID_TICKET")
	t.Do("POST", "/api/auth/register", nil, J{"ticket": "tkt_0123456789abcdef", "name": "x"}).Refused(401, "INVALID_TICKET")
	o.Register(J{"ticket": single, "name": "a"}).Status(200)
	o.Register(J{"ticket": single, "name": "b"}).Refused(401, "TICKET_CONSUMED")
	t.Do("POST", "/api/auth/register", nil, J{"ticket": single, "name": "b"}).Refused(401, "TICKET_CONSUMED")
	for name, org := range map[string]any{"absent": nil, "empty": ""} {
		t.Do("POST", "/api/auth/register", nil, J{"org_id": org, "ticket": reusable, "name": name}).Status(200).Equal("org_id", o.ID)
	}
	again := J{"ticket": reusable, "name": "once", "request_id": "without the org"}
	t.Do("POST", "/api/auth/register", nil, again).Status(200).
		Equal("token", t.Do("POST", "/api/auth/register", nil, again).Status(200).Str("token"))
	o.Register(J{"ticket": reusable, "name": "b"}).Status(200)
	o.Register(J{"ticket": id, "name": "c"}).Status(200)
	t.Sleep(1700 * time.Millisecond)
	o.Register(J{"ticket": shortSingle, "name": "d"}).Refused(401, "TICKET_EXPIRED")
	o.Register(J{"ticket": shortReusable, "name": "d"}).Refused(401, "TICKET_EXPIRED")
}

// invitationLink acts like a client that was given a link and nothing else.
func invitationLink(t *T) {
	o := t.Org()
	link := "/skill.md#" + url.Values{"org": {o.ID}, "ticket": {o.Ticket(J{})}}.Encode()
	page, fragment, _ := strings.Cut(link, "#")
	guide := t.Get(page, nil).Status(200)
	for _, word := range []string{"#org=", "ticket="} {
		if !strings.Contains(string(guide.Body), word) {
			t.Errorf("the guide does not say what %q in an invitation link is", word)
		}
	}
	members, err := url.ParseQuery(fragment)
	if err != nil {
		t.Fatalf("the fragment of %s: %v", link, err)
	}
	body := J{"org_id": members.Get("org"), "ticket": members.Get("ticket"), "name": "invited"}
	t.Do("POST", "/api/auth/register", nil, body).Status(200).Equal("org_id", o.ID).Equal("auth_role", "member")
	body["name"] = "again"
	t.Do("POST", "/api/auth/register", nil, body).Refused(401, "TICKET_CONSUMED")
}

func registrationOrder(t *T) {
	o, other := t.Org(), t.Org()
	o.Bot("worker")
	gone := o.Bot("gone")
	t.Do("DELETE", "/api/bots/"+gone.ID, o.Admin, nil).Status(200)
	ticket := o.Ticket(J{})
	for name, code := range map[string]string{"worker": "NAME_CONFLICT", "gone": "NAME_TOMBSTONED"} {
		o.Register(J{"org_secret": "wrong", "name": name}).Refused(401, "INVALID_CREDENTIALS")
		o.Register(J{"ticket": "tkt_unknown", "name": name}).Refused(401, "INVALID_TICKET")
		o.Register(J{"org_secret": o.Secret, "name": name}).Refused(409, code)
		o.Register(J{"ticket": ticket, "name": name}).Refused(409, code)
		other.Register(J{"org_secret": other.Secret, "name": name}).Status(200)
	}
	o.Register(J{"ticket": ticket, "name": "Worker"}).Status(200).Equal("name", "Worker")
}

func concurrentRegistrations(t *T) {
	o := t.Org()
	single, reusable := o.Ticket(J{}), o.Ticket(J{"reusable": true})
	var byTicket, byName atomic.Int32
	t.Concurrently(12, func(i int) {
		if r := o.Register(J{"ticket": single, "name": "rush" + string(rune('a'+i))}); r.StatusCode() == 200 {
			byTicket.Add(1)
		} else {
			r.Refused(401, "TICKET_CONSUMED")
		}
	})
	t.Concurrently(12, func(int) {
		if r := o.Register(J{"ticket": reusable, "name": "same"}); r.StatusCode() == 200 {
			byName.Add(1)
		} else {
			r.Refused(409, "NAME_CONFLICT")
		}
	})
	if byTicket.Load() != 1 || byName.Load() != 1 {
		t.Errorf("12 concurrent registrations: %d bots with a single-use ticket, %d bots with one name", byTicket.Load(), byName.Load())
	}
}

func registrationApproval(t *T) {
	o := t.Org()
	early := o.Bot("early")
	o.Settings(J{"join_approval_required": true})
	plain, direct := o.Ticket(J{"reusable": true}), o.Ticket(J{"reusable": true, "skip_approval": true})
	o.Register(J{"ticket": plain, "name": "waits"}).Status(200).Equal("join_status", "pending").
		Equal("message", "Awaiting org admin approval").Shape("", botShape+" token:s bot_id:s")
	o.Register(J{"ticket": direct, "name": "trusted"}).Status(200).Equal("join_status", "active").Lacks("message")
	o.Register(J{"org_secret": o.Secret, "name": "boss"}).Status(200).Equal("join_status", "active").Lacks("message")
	t.Get("/api/me", early).Status(200).Equal("join_status", "active")
	o.Settings(J{"join_approval_required": false})
	o.Register(J{"ticket": plain, "name": "free"}).Status(200).Equal("join_status", "active").Lacks("message")
	t.Get("/api/bots", o.Admin).OK().Find("", "name", "waits")
	t.Get("/api/bots/waits/profile", o.Admin).Status(200).Equal("join_status", "pending")
}

// fullProfile returns a body with a value for each of the twelve profile fields.
func fullProfile() J {
	return J{
		"bio": "keeps order", "role": "gardener", "function": "ops", "team": "orchard", "tags": []string{"Ops", "ünï"}, "languages": []string{"en"},
		"protocols": J{"version": "1", "nested": J{"a": []int{1}}}, "status_text": "busy", "timezone": "Europe/Berlin", "active_hours": "08-18",
		"version": "2.0", "runtime": "go",
	}
}

// wrongProfiles returns bodies with one profile field each, which has a wrong type.
func wrongProfiles() []J {
	var out []J
	for _, field := range []string{"bio", "role", "function", "team", "status_text", "timezone", "active_hours", "version", "runtime"} {
		for _, v := range []any{5, true, J{}, []string{"x"}} {
			out = append(out, J{field: v})
		}
	}
	for _, field := range []string{"tags", "languages"} {
		for _, v := range []any{"x", 5, J{}, []any{1}, []any{"a", nil}, true} {
			out = append(out, J{field: v})
		}
	}
	for _, v := range []any{"x", 5, true} {
		out = append(out, J{"protocols": v})
	}
	return out
}
