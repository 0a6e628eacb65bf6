package conformance

import "strings"

// conditional reads a path with the ETag of the last response, and returns that of the new one. The
// tag of a list of bots may change at the beginning of a minute (B2B-HTTP-052).
func (t *T) conditional(path string, by Caller, tag string, same bool) string {
	r := t.Get(path, by, Header("If-None-Match", tag))
	now := r.Header.Get("ETag")
	if same && r.StatusCode() == 200 && now != tag {
		tag = now
		r = t.Get(path, by, Header("If-None-Match", tag))
		now = r.Header.Get("ETag")
	}
	vary := strings.Join(r.Header.Values("Vary"), ",")
	switch {
	case same && (r.StatusCode() != 304 || now != tag):
		t.Errorf("%s: nothing changed, want 304 and the ETag %s, has %s", r, tag, now)
	case !same && (r.StatusCode() != 200 || now == tag || now == ""):
		t.Errorf("%s: it changed, want 200 and another ETag than %s, has %s", r, tag, now)
	case r.Header.Get("Cache-Control") != "private, no-cache":
		t.Errorf("%s: Cache-Control: %s", r, r.Header.Get("Cache-Control"))
	case !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "Cookie"):
		t.Errorf("%s: Vary: %s", r, vary)
	case same:
		r.Empty()
	}
	return now
}

func conditionalReads(t *T) {
	o := t.Org()
	bot, other := o.Bot("bot"), o.Bot("other")
	tid := t.Do("POST", "/api/threads", bot, J{"topic": "first", "participants": []string{other.ID}}).Status(200).Str("id")
	renamed := func(by *Bot, name string) func() {
		return func() { t.Do("PATCH", "/api/me/name", by, J{"name": name}).OK() }
	}
	posted := func(content string) func() {
		return func() { t.Do("POST", "/api/threads/"+tid+"/messages", other, J{"content": content}).OK() }
	}
	for path, changes := range map[string][]func(){
		"/api/bots":                         {renamed(other, "b1"), func() { o.Bot("new") }},
		"/api/peers":                        {renamed(other, "b2"), func() { t.Do("PATCH", "/api/me/profile", other, J{"bio": "x"}).OK() }},
		"/api/threads":                      {posted("1"), func() { t.Do("PATCH", "/api/threads/"+tid, other, J{"topic": "second"}).OK() }},
		"/api/threads/" + tid:               {func() { t.Do("PATCH", "/api/threads/"+tid, other, J{"topic": "third"}).OK() }},
		"/api/threads/" + tid + "/messages": {posted("2"), posted("3")},
	} {
		tag := t.Get(path, bot).OK().Header.Get("ETag")
		for _, change := range changes {
			tag = t.conditional(path, bot, tag, true)
			change()
			tag = t.conditional(path, bot, tag, false)
		}
		t.Do("HEAD", path, bot, nil, Header("If-None-Match", t.conditional(path, bot, tag, true))).Status(304).Empty()
	}

	// Another caller gets its own response.
	tag := t.Get("/api/peers", bot).OK().Header.Get("ETag")
	t.names(t.Get("/api/peers", other, Header("If-None-Match", tag)), "", "admin", "bot", "new")

	// Access is checked first.
	tag = t.Get("/api/threads/"+tid, other).OK().Header.Get("ETag")
	t.conditional("/api/threads/"+tid, other, tag, true)
	t.Do("DELETE", "/api/threads/"+tid+"/participants/"+other.ID, bot, nil).OK()
	t.Get("/api/threads/"+tid, other, Header("If-None-Match", tag)).Refused(403, "JOIN_REQUIRED")
	made := t.Do("POST", "/api/me/tokens", other, J{"scopes": []string{"read"}}).OK()
	token := Token(made.Str("token"))
	tag = t.Get("/api/bots", token).OK().Header.Get("ETag")
	t.conditional("/api/bots", token, tag, true)
	t.Do("DELETE", "/api/me/tokens/"+made.Str("id"), other, nil).Status(200)
	t.Get("/api/bots", token, Header("If-None-Match", tag)).Refused(401, "INVALID_TOKEN")
	t.Get("/api/bots", nil, Header("If-None-Match", "*")).Refused(401, "AUTH_REQUIRED")
}
