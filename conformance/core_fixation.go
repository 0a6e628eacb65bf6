package conformance

import "strings"

// fixationChecks returns the checks that only a login creates a session id, and that only the
// cookie can carry it.
func fixationChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-050"}, "a login does not reuse the session cookie of its request", loginCookieFresh},
		{[]string{"B2B-AUTH-050"}, "every login creates a new session id", loginSessionFresh},
		{[]string{"B2B-AUTH-050"}, "a session id is accepted only in its cookie", sessionOnlyInCookie},
	}
}

func loginCookieFresh(t *T) {
	o := t.Org()
	victim, attacker := o.Bot("victim"), o.Bot("attacker")
	theirs, ended := attacker.Login(), victim.Login()
	t.logout(ended)
	for role, body := range map[string]J{
		"bot_owner": {"type": "bot", "token": string(victim.Token)},
		"org_admin": {"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret},
	} {
		for _, planted := range []string{string(make64('a')), "short", strings.Repeat("f", 4096), ended.Cookie, theirs.Cookie} {
			s := t.Login(body, Header("Cookie", "hxa_session="+planted))
			if s.Cookie == planted {
				t.Errorf("%s: the session has the id from the request", s.Login)
			}
			t.cookieShape(s)
			t.Get("/api/auth/session", s).Status(200).Equal("role", role)
			if planted != theirs.Cookie {
				t.Get("/api/auth/session", &Session{Cookie: planted, origin: t.target.origin()}).Refused(401, "AUTH_REQUIRED")
			}
		}
	}
	t.Get("/api/auth/session", theirs).Status(200).Equal("bot_id", attacker.ID) // the session of the attacker has not changed
}

func loginSessionFresh(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	seen := map[string]bool{}
	for range 4 {
		for _, s := range []*Session{bot.Login(), o.Login()} {
			if seen[s.Cookie] {
				t.Errorf("%s: two sessions have the same id", s.Login)
			}
			seen[s.Cookie] = true
		}
	}
}

func sessionOnlyInCookie(t *T) {
	o := t.Org()
	s := o.Bot("worker").Login()
	id := s.Cookie
	t.Get("/api/me", s).Status(200)
	for _, query := range []string{"hxa_session=", "session=", "session_id=", "sid=", "cookie=hxa_session="} {
		t.Get("/api/me?"+query+id, nil).Refused(401, "AUTH_REQUIRED")
	}
	for _, h := range [][2]string{
		{"X-Session", id}, {"X-Session-Id", id}, {"Hxa-Session", id}, {"hxa_session", id}, {"Authorization", "Session " + id}, {"X-Cookie", "hxa_session=" + id},
		{"Cookie", "HXA_SESSION=" + id}, {"Cookie", "hxa_session2=" + id}, {"Cookie", "session=" + id}, {"Cookie", "hxa_session=" + strings.ToUpper(id)}, {"Cookie", "hxa_session=" + id[:63]},
		{"Cookie", "hxa_session=" + id + "0"}, {"Cookie", "other=hxa_session=" + id},
	} {
		if h[1] == "hxa_session="+id { // an id without letters has no upper case
			continue
		}
		t.Get("/api/me", nil, Header(h[0], h[1])).Refused(401, "AUTH_REQUIRED")
	}
	t.Get("/api/me", Token(id)).Refused(401, "INVALID_TOKEN")
	for _, body := range []J{{"hxa_session": id}, {"session": id, "session_id": id}} {
		t.Do("PATCH", "/api/me/profile", nil, body).Refused(401, "AUTH_REQUIRED")
		t.Do("POST", "/api/auth/logout", nil, body).Refused(401, "AUTH_REQUIRED")
	}
	t.Do("POST", "/api/auth/logout", nil, Raw("hxa_session="+id), Header("Content-Type", "application/x-www-form-urlencoded")).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	t.Get("/api/me", s).Status(200)
	t.logout(s)
	t.Get("/api/me", s).Refused(401, "AUTH_REQUIRED")
	t.Do("PATCH", "/api/me/profile", s, J{"bio": "x"}).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/ws-ticket", s, nil).Refused(401, "AUTH_REQUIRED")
}

// cookieShape asserts the format of a session id.
func (t *T) cookieShape(s *Session) {
	if len(s.Cookie) != 64 || strings.Trim(s.Cookie, "0123456789abcdef") != "" {
		t.Errorf("%s: the cookie does not have 64 lower-case hex digits", s.Login)
	}
}
