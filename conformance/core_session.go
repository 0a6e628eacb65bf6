package conformance

import (
	"net/http"
	"strings"
	"time"
)

// sessionChecks returns the checks of login, logout and reading a session.
func sessionChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-020", "B2B-AUTH-021"}, "a login returns a session and sets its cookie", loginSession},
		{[]string{"B2B-AUTH-022"}, "a login requires a type and its fields", loginFields},
		{[]string{"B2B-AUTH-023"}, "a login with wrong credentials is rejected with 401", loginCredentials},
		{[]string{"B2B-AUTH-024"}, "a login to an inactive org or as an inactive bot fails", loginInactive},
		{[]string{"B2B-AUTH-025"}, "the sixth session of a bot or an org ends the oldest one", sessionLimit},
		{[]string{"B2B-AUTH-064"}, "too many logins with a scoped token end only sessions of that token", scopedSessionLimit},
		{[]string{"B2B-AUTH-026", "B2B-AUTH-027"}, "GET /api/auth/session describes the session", sessionDescription},
		{[]string{"B2B-AUTH-028"}, "a logout ends the session, also in a suspended org", logout},
	}
}

func loginSession(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	for _, c := range []struct {
		login    *Session
		role     string
		lifetime time.Duration
		want     J
		shape    string
	}{
		{bot.Login(), "bot_owner", 24 * time.Hour, J{"org_id": o.ID, "bot_id": bot.ID}, "expires_at:i"},
		{o.Login(), "org_admin", 8 * time.Hour, J{"org_id": o.ID}, "expires_at:i !bot_id"},
		{t.Super(), "super_admin", 4 * time.Hour, nil, "expires_at:i !bot_id !org_id"},
	} {
		r := c.login.Login.in(t)
		r.Equal("session.role", c.role).Shape("session", c.shape)
		for k, v := range c.want {
			r.Equal("session."+k, v)
		}
		t.cookieOf(r, c.lifetime)
		began, err := http.ParseTime(r.Header.Get("Date"))
		if err != nil {
			began = time.Now()
		}
		ends := time.UnixMilli(int64(r.Num("session.expires_at")))
		if off := ends.Sub(began.Add(c.lifetime)); off < -time.Minute || off > time.Minute {
			t.Errorf("%s: the session ends %s after its start, want %s", r, ends.Sub(began), c.lifetime)
		}
	}
}

func loginFields(t *T) {
	for _, body := range []J{
		{}, {"type": "human"}, {"type": nil}, {"type": 5}, {"type": []string{"bot"}}, {"type": "BOT", "token": "x"}, {"token": "x"},
		{"type": "bot"}, {"type": "bot", "token": ""}, {"type": "bot", "token": 5}, {"type": "bot", "token": nil},
		{"type": "org_admin"}, {"type": "org_admin", "org_id": "x"}, {"type": "org_admin", "org_secret": "x"},
		{"type": "org_admin", "org_id": "x", "org_secret": J{}}, {"type": "org_admin", "org_id": 1, "org_secret": "x"},
		{"type": "super_admin"}, {"type": "super_admin", "admin_secret": ""}, {"type": "super_admin", "admin_secret": []int{1}},
	} {
		r := t.Do("POST", "/api/auth/login", nil, body).Refused(400, "VALIDATION_ERROR")
		if _, ok := r.cookie(); ok {
			t.Errorf("%s: sets a cookie", r)
		}
	}
	o := t.Org()
	t.Do("POST", "/api/auth/login", nil, J{"type": "bot", "token": o.Admin.Token, "owner_name": J{}}).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", "/api/auth/login", nil, J{"type": "bot", "token": o.Admin.Token, "owner_name": nil}).Status(200)
}

func loginCredentials(t *T) {
	o := t.Org()
	short := t.Do("POST", "/api/me/tokens", o.Admin, J{"scopes": []string{"read"}, "expires_in": 1}).OK().Str("token")
	t.Sleep(50 * time.Millisecond)
	for _, c := range []struct {
		body J
		code string
	}{
		{J{"type": "bot", "token": "bot_" + strings.Repeat("0", 48)}, "INVALID_TOKEN"},
		{J{"type": "bot", "token": short}, "TOKEN_EXPIRED"},
		{J{"type": "org_admin", "org_id": unusedID, "org_secret": o.Secret}, "INVALID_CREDENTIALS"},
		{J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret + "0"}, "INVALID_CREDENTIALS"},
		{J{"type": "super_admin", "admin_secret": t.AdminSecret() + "0"}, "INVALID_CREDENTIALS"},
	} {
		r := t.Do("POST", "/api/auth/login", nil, c.body, newAddress()).Refused(401, c.code)
		if _, ok := r.cookie(); ok {
			t.Errorf("%s: sets a cookie", r)
		}
	}
	o.Login()
}

func loginInactive(t *T) {
	o := t.Org()
	bot := o.PendingBot("newbie")
	asBot := J{"type": "bot", "token": bot.Token}
	t.Do("POST", "/api/auth/login", nil, asBot).Refused(403, "BOT_NOT_ACTIVE")
	bot.SetStatus("active")
	t.Do("POST", "/api/auth/login", nil, asBot).Status(200)
	bot.SetStatus("rejected")
	t.Do("POST", "/api/auth/login", nil, asBot).Refused(403, "BOT_NOT_ACTIVE")
	bot.SetStatus("active")
	o.SetStatus("suspended")
	t.Do("POST", "/api/auth/login", nil, asBot).Refused(403, "ORG_INACTIVE")
	asHuman := J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}
	t.Do("POST", "/api/auth/login", nil, asHuman).Refused(403, "ORG_INACTIVE")
	asHuman["org_secret"] = "wrong"
	t.Do("POST", "/api/auth/login", nil, asHuman, newAddress()).Refused(401, "INVALID_CREDENTIALS")
	o.SetStatus("active")
	o.Login()
}

func sessionLimit(t *T) {
	o := t.Org()
	bot, other := o.Bot("worker"), o.Bot("other")
	bystander := other.Login()
	for _, login := range []func() *Session{bot.Login, o.Login} {
		var all []*Session
		for range 6 {
			all = append(all, login())
			t.Sleep(5 * time.Millisecond)
		}
		t.Get("/api/auth/session", all[0]).Refused(401, "AUTH_REQUIRED")
		for _, s := range all[1:] {
			t.Get("/api/auth/session", s).Status(200)
		}
	}
	t.Get("/api/auth/session", bystander).Status(200)
}

func scopedSessionLimit(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	token, another := bot.Scoped("profile"), bot.Scoped("read")
	kept := []*Session{bot.Login(), bot.Login(), t.Login(J{"type": "bot", "token": another})}
	var own []*Session
	for range 6 {
		own = append(own, t.Login(J{"type": "bot", "token": token}))
		t.Sleep(5 * time.Millisecond)
	}
	for _, s := range append(kept, own[1:]...) {
		t.Get("/api/auth/session", s).Status(200)
	}
	t.Get("/api/auth/session", own[0]).Refused(401, "AUTH_REQUIRED")
}

func sessionDescription(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	scoped := t.Login(J{"type": "bot", "token": bot.Scoped("read", "message"), "owner_name": "Ada"})
	for _, c := range []struct {
		s    *Session
		want J
	}{
		{bot.Login(), J{"role": "bot_owner", "org_id": o.ID, "bot_id": bot.ID, "owner_name": nil, "scopes": []string{"full"}, "is_scoped_token": false}},
		{scoped, J{"role": "bot_owner", "org_id": o.ID, "bot_id": bot.ID, "owner_name": "Ada", "scopes": []string{"read", "message"}, "is_scoped_token": true}},
		{o.Human(), J{"role": "org_admin", "org_id": o.ID, "bot_id": nil, "owner_name": nil, "scopes": nil, "is_scoped_token": false}},
		{t.Super(), J{"role": "super_admin", "org_id": nil, "bot_id": nil, "owner_name": nil, "scopes": nil, "is_scoped_token": false}},
	} {
		r := t.Get("/api/auth/session", c.s).Status(200)
		for k, v := range c.want {
			r.Equal(k, v)
		}
		r.Shape("", "expires_at:i config:o").Shape("config", "max_file_size_mb:n")
	}
	t.Get("/api/me", scoped).Status(200)
	t.Do("PATCH", "/api/me/profile", scoped, J{"bio": "x"}).Refused(403, "INSUFFICIENT_SCOPE")
	t.Get("/api/auth/session", nil).Refused(401, "AUTH_REQUIRED")
	t.Get("/api/auth/session", o.Admin).Refused(401, "AUTH_REQUIRED")
	o.SetStatus("suspended")
	t.Get("/api/auth/session", o.Human()).Status(200).Equal("role", "org_admin")
}

func logout(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	kept := bot.Login()
	leaving, late := bot.Login(), o.Login()
	t.logout(leaving)
	t.Get("/api/auth/session", kept).Status(200)
	o.SetStatus("suspended")
	t.logout(late)
	t.Do("POST", "/api/auth/logout", nil, nil).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/auth/logout", bot, nil).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/auth/logout", leaving, nil).Refused(401, "AUTH_REQUIRED")
}

// in returns a copy of the response that records failures in t, for a response that several checks
// share.
func (r *Response) in(t *T) *Response {
	mine := *r
	mine.t = t
	return &mine
}

// cookieOf asserts the attributes of the session cookie that r sets.
func (t *T) cookieOf(r *Response, lifetime time.Duration) {
	c, ok := r.cookie()
	if !ok {
		t.Errorf("%s: sets no hxa_session", r)
		return
	}
	t.cookieShape(&Session{Cookie: c.Value, Login: r})
	seconds := int(lifetime / time.Second)
	if c.Path != "/" || c.Domain != "" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Expires.IsZero() ||
		c.MaxAge > seconds || c.MaxAge < seconds-60 {
		t.Errorf("%s: cookie %q, want Path=/, HttpOnly, Secure, SameSite=Strict, Expires, a Max-Age of %d and no Domain", r, c.Raw, seconds)
	}
}

// logout ends s and asserts that it is no longer valid.
func (t *T) logout(s *Session) {
	r := t.Do("POST", "/api/auth/logout", s, nil).Status(200).Equal("ok", true)
	if c, ok := r.cookie(); !ok || c.Value != "" || (c.MaxAge >= 0 && c.Expires.After(time.Now())) ||
		c.Path != "/" || c.Domain != "" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("%s: does not clear the cookie with the same attributes: %v", r, c)
	}
	t.Get("/api/auth/session", s).Refused(401, "AUTH_REQUIRED")
}
