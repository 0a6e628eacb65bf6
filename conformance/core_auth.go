package conformance

import (
	"time"
)

// tokenShape is the shape of a scoped token without its secret; see T.Shape.
const tokenShape = "id:s scopes:[s] label:s? expires_at:n? created_at:i last_used_at:i?"

// bearerChecks returns the checks of bearer credentials and the order of their validation.
func bearerChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-001"}, "a valid session cookie takes precedence over a bearer token, an invalid one is ignored", cookieBeforeBearer},
		{[]string{"B2B-AUTH-002"}, "a bearer token is accepted only in the header Authorization: Bearer", bearerHeader},
		{[]string{"B2B-AUTH-003"}, "secrets and tickets are not accepted as bearer tokens", func(t *T) {
			o := t.Org()
			ticket := o.Ticket(J{"reusable": true})
			for _, secret := range []string{t.AdminSecret(), o.Secret, ticket, "bot_0", string(o.Admin.Token) + "0"} {
				t.Get("/api/me", Token(secret)).Refused(401, "INVALID_TOKEN")
				t.Get("/api/orgs", Token(secret)).Refused(401, "AUTH_REQUIRED")
			}
			t.Get("/api/me", o.Admin).Status(200)
			t.Get("/api/orgs", t.Super()).Status(200)
		}},
		{[]string{"B2B-AUTH-004"}, "a bearer token is validated in order: token, expiry, join status, org header, org status", bearerOrder},
		{[]string{"B2B-AUTH-005", "B2B-BOT-024"}, "a bot that is not active gets BOT_NOT_ACTIVE until it is approved", bearerOfInactiveBots},
		{[]string{"B2B-AUTH-006"}, "calls in a suspended org fail until it is activated again", bearerInSuspendedOrg},
		{[]string{"B2B-AUTH-007"}, "a call with a bearer token updates last_seen_at and last_used_at", bearerActivity},
		{[]string{"B2B-AUTH-010"}, "GET /api/me has the last_seen_at from before the call", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			registered := bot.Registration.Num("last_seen_at")
			t.Sleep(50 * time.Millisecond)
			t.Get("/api/me", bot).OK().Equal("last_seen_at", registered)
			t.eventually(3*time.Second, "last_seen_at was not updated", func() bool {
				return t.Get("/api/me", bot).OK().Num("last_seen_at") > registered
			})
		}},
		{[]string{"B2B-AUTH-008"}, "no credential of a destroyed org is valid", bearerInDestroyedOrg},
		{[]string{"B2B-AUTH-009"}, "X-Org-Id is ignored for sessions", func(t *T) {
			o := t.Org()
			otherOrg := Header("X-Org-Id", unusedID)
			t.Get("/api/org", o.Human(), otherOrg).Status(200)
			t.Get("/api/org", o.Admin.Login(), otherOrg).Status(200)
			t.Get("/api/org", o.Admin, otherOrg).Refused(403, "ORG_MISMATCH")
		}},
	}
}

func cookieBeforeBearer(t *T) {
	o := t.Org()
	human := o.Human()
	bearer := Header("Authorization", "Bearer "+string(o.Admin.Token))
	t.Get("/api/me", o.Admin).Status(200)
	t.Get("/api/me", human, bearer).Refused(403, "FORBIDDEN")
	dead := Header("Cookie", "hxa_session="+string(make64('0')))
	t.Get("/api/me", o.Admin, dead).Status(200)
	t.Get("/api/me", nil, dead).Refused(401, "AUTH_REQUIRED")
	t.Get("/api/auth/session", nil, Header("Cookie", "other=1; hxa_session="+human.Cookie+"; hxa_session="+string(make64('1')))).Status(200)
	t.Get("/api/auth/session", nil, Header("Cookie", "hxa_session="+string(make64('1'))+"; hxa_session="+human.Cookie)).Status(401)
}

func bearerHeader(t *T) {
	o := t.Org()
	token := string(o.Admin.Token)
	for _, header := range []string{"", "Bearer", "Bearer ", "bearer " + token, "BEARER " + token, "Basic " + token, "Token " + token, token} {
		t.Get("/api/me", nil, Header("Authorization", header)).Refused(401, "AUTH_REQUIRED")
	}
	t.Get("/api/me", nil, Header("Authorization", "Bearer  "+token)).Status(401)
	for _, query := range []string{"token=", "access_token=", "api_key="} {
		t.Get("/api/me?"+query+token, nil).Refused(401, "AUTH_REQUIRED")
	}
	t.Get("/api/me", nil, Header("Authorization", "Bearer "+token)).Status(200)
}

func bearerOrder(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	otherOrg := Header("X-Org-Id", unusedID)
	short := Token(t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}, "expires_in": 50}).OK().Str("token"))
	long := bot.Scoped("read")
	t.Get("/api/me", bot, Header("X-Org-Id", o.ID)).Status(200)
	t.Get("/api/me", bot, otherOrg).Refused(403, "ORG_MISMATCH")
	t.Get("/api/me", long, otherOrg).Refused(403, "ORG_MISMATCH")
	t.Get("/api/me", Token("scoped_unknown"), otherOrg).Refused(401, "INVALID_TOKEN")
	t.Sleep(100 * time.Millisecond)
	t.Get("/api/me", short).Refused(401, "TOKEN_EXPIRED")
	bot.SetStatus("rejected")
	t.Get("/api/me", short).Refused(401, "TOKEN_EXPIRED")
	t.Get("/api/me", bot, otherOrg).Refused(403, "BOT_NOT_ACTIVE")
	o.SetStatus("suspended")
	t.Get("/api/me", bot).Refused(403, "BOT_NOT_ACTIVE")
	t.Get("/api/me", o.Admin, otherOrg).Refused(403, "ORG_MISMATCH")
	t.Get("/api/me", o.Admin).Refused(403, "ORG_SUSPENDED")
}

func bearerOfInactiveBots(t *T) {
	o := t.Org()
	bot := o.PendingBot("newbie")
	refused := func(c Caller, status string) {
		for _, route := range [][2]string{
			{"GET", "/api/me"}, {"GET", "/api/org"}, {"GET", "/api/peers"}, {"GET", "/api/bots"}, {"GET", "/api/me/workspace"},
			{"POST", "/api/me/tokens"}, {"DELETE", "/api/me"}, {"GET", "/api/audit"}, {"POST", "/api/org/tickets"}, {"GET", "/api/nope"},
		} {
			t.Do(route[0], route[1], c, nil).Refused(403, "BOT_NOT_ACTIVE").
				Equal("error", "bot_not_active").Equal("join_status", status).Shape("", "message:s")
		}
	}
	refused(bot, "pending")
	bot.SetStatus("active")
	t.Get("/api/me", bot).Status(200).Equal("join_status", "active")
	scoped := bot.Scoped("full")
	t.Get("/api/me", scoped).Status(200)
	bot.SetStatus("rejected")
	refused(bot, "rejected")
	refused(scoped, "rejected")
	bot.SetStatus("active")
	t.Get("/api/me", bot).Status(200)
	t.Get("/api/me", scoped).Status(200)
}

func bearerInSuspendedOrg(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	callers := []Caller{o.Admin, bot, bot.Scoped("full"), bot.Login(), o.Human()}
	for _, c := range callers {
		t.Get("/api/org", c).Status(200)
	}
	o.SetStatus("suspended")
	for _, c := range callers {
		t.Get("/api/org", c).Refused(403, "ORG_SUSPENDED")
		t.Get("/api/nope", c).Refused(403, "ORG_SUSPENDED")
		t.Get("/api/bots", c).Refused(403, "ORG_SUSPENDED")
	}
	o.SetStatus("active")
	for _, c := range callers {
		t.Get("/api/org", c).Status(200).Equal("status", "active")
	}
}

func bearerActivity(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	created := bot.Registration.Num("created_at")
	scoped := bot.Scoped("read")
	t.Get("/api/me/tokens", bot).OK().Equal("0.last_used_at", nil)
	t.Sleep(50 * time.Millisecond)
	t.Get("/api/me", scoped).OK().Equal("online", false)
	t.eventually(3*time.Second, "last_seen_at and last_used_at were not updated", func() bool {
		seen := t.Get("/api/bots/"+bot.ID, o.Admin).OK()
		used := t.Get("/api/me/tokens", bot).OK().Value("0.last_used_at")
		return seen.Num("last_seen_at") > created && used != nil
	})
}

func bearerInDestroyedOrg(t *T) {
	o := t.Org()
	scoped, owner, human := o.Admin.Scoped("full"), o.Admin.Login(), o.Human()
	for _, c := range []Caller{o.Admin, scoped, owner, human} {
		t.Get("/api/org", c).Status(200)
	}
	t.Do("DELETE", "/api/orgs/"+o.ID, t.Super(), nil).Status(204)
	t.Get("/api/org", o.Admin).Refused(401, "INVALID_TOKEN")
	t.Get("/api/org", scoped).Refused(401, "INVALID_TOKEN")
	t.Get("/api/org", owner).Status(401)
	t.Get("/api/org", human).Status(401)
	t.Get("/api/audit", human).Status(401)
}

// make64 returns a well-formed session id that no session has.
func make64(digit byte) []byte {
	id := make([]byte, 64)
	for i := range id {
		id[i] = digit
	}
	return id
}
