package conformance

import "time"

// closed asserts that the sockets in over are closed with a code and reason, and that the others
// stay open.
func closed(t *T, code int, reason string, over []*Socket, stay ...*Socket) {
	for _, k := range over {
		k.closes(code, reason)
	}
	for _, k := range stay {
		k.ping()
	}
}

func closeChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-005"}, "the sockets of a session are closed when the session ends", sessionEndCloses},
		{[]string{"B2B-WS-005"}, "the sockets of the oldest owner session are closed when there are too many sessions", ownerEvictionCloses},
		{[]string{"B2B-WS-005"}, "the sockets of the oldest org-admin session are closed when there are too many sessions", adminEvictionCloses},
		{[]string{"B2B-WS-005"}, "rotating the org secret closes the sockets of org-admin sessions", func(t *T) {
			h := newFixture(t)
			admins := []*Socket{t.open("an admin", h.Human()), t.open("another admin", h.Login())}
			bot, owner := t.open("ann", h.Ann), t.open("ann's owner", h.Ann.Login())
			t.Do("POST", "/api/org/rotate-secret", h.Admin, nil).OK()
			closed(t, 4002, "Credential rotated", admins, bot, owner)
		}},
		{[]string{"B2B-WS-005"}, "revoking a token closes its sockets", oneTokenRevocationCloses},
		{[]string{"B2B-WS-005", "B2B-WS-004", "B2B-EVT-037", "B2B-AUTH-060"}, "revoking a token ends the sockets, streams and tickets of tokens and sessions made with it", tokenRevocationCloses},
		{[]string{"B2B-WS-030", "B2B-EVT-037"}, "when a token expires, its sockets and streams and those of its sessions end", endsByTime},
		{[]string{"B2B-WS-005"}, "the sockets of a deleted bot are closed", botDeletionCloses},
		{[]string{"B2B-WS-005", "B2B-WS-006"}, "a rejected bot receives bot_status_changed before its sockets are closed", rejectionCloses},
		{[]string{"B2B-WS-005"}, "the sockets of a suspended org are closed, and can be opened again later", suspensionCloses},
		{[]string{"B2B-WS-005"}, "the sockets of a destroyed org are closed", func(t *T) {
			h := newFixture(t)
			over := []*Socket{t.open("ann", h.Ann), t.open("its owner", h.Ann.Login()), t.open("an admin", h.Human())}
			t.Do("DELETE", "/api/orgs/"+h.ID, t.Super(), nil).Status(204)
			closed(t, 4101, "Organization destroyed", over)
		}},
	}
}

func ownerEvictionCloses(t *T) {
	h := newFixture(t)
	byToken, first := t.open("ann", h.Ann), t.open("the first owner", h.Ann.Login())
	t.tick()
	second := t.open("the second owner", h.Ann.Login())
	for range 4 {
		t.tick()
		h.Ann.Login()
	}
	closed(t, 4002, "Session evicted", []*Socket{first}, byToken, second)
}

func adminEvictionCloses(t *T) {
	h := newFixture(t)
	first := t.open("the first admin", h.Login())
	t.tick()
	second := t.open("the second admin", h.Login())
	for range 4 {
		t.tick()
		h.Login()
	}
	closed(t, 4002, "Credential rotated", []*Socket{first}, second)
}

func oneTokenRevocationCloses(t *T) {
	h := newFixture(t)
	r := t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"full"}}).OK()
	scoped := Token(r.Str("token"))
	over := []*Socket{t.open("a token", scoped), t.open("a token again", scoped)}
	stay := []*Socket{t.open("ann", h.Ann), t.open("another token", h.Ann.Scoped("full"))}
	t.Do("DELETE", "/api/me/tokens/"+r.Str("id"), h.Ann, nil).OK()
	for _, k := range over {
		k.closes(4002)
	}
	closed(t, 4002, "", nil, stay...)
}

func rejectionCloses(t *T) {
	h := newFixture(t)
	over := []*Socket{t.open("bob", h.Bob), t.open("its owner", h.Bob.Login())}
	stay := t.open("ann", h.Ann)
	h.Bob.SetStatus("rejected")
	closed(t, 4403, "bot_rejected", over, stay)
	for _, f := range over {
		if k := kinds(events(f.all())); len(k) == 0 || k[len(k)-1] != "bot_status_changed" {
			f.errorf("received %v before the end, want bot_status_changed last", k)
		}
	}
}

func suspensionCloses(t *T) {
	h, other := newFixture(t), newFixture(t)
	over := []*Socket{t.open("ann", h.Ann), t.open("its owner", h.Ann.Login()), t.open("an admin", h.Human())}
	stay := t.open("another org", other.Ann)
	h.SetStatus("suspended")
	closed(t, 4100, "Organization suspended", over, stay)
	h.SetStatus("active")
	t.open("ann", h.Ann)
}

func sessionEndCloses(t *T) {
	h := newFixture(t)
	out, other, human, forced := h.Ann.Login(), h.Ann.Login(), h.Login(), h.Login()
	byToken := t.open("ann", h.Ann)
	kept, two := t.open("another owner", other), []*Socket{t.open("an owner", out), t.open("the same owner", out)}
	admin, evicted := t.open("an admin", human), t.open("an admin whose session is revoked", forced)
	t.Do("POST", "/api/auth/logout", out, nil).OK()
	closed(t, 4002, "Session revoked", two, byToken, kept, admin)
	sessions := t.Get("/api/org/sessions", human).OK()
	for i, role := range sessions.Pluck("items", "role") {
		if role == "org_admin" { // the request fails for the caller's own session
			t.Do("DELETE", "/api/org/sessions/"+sessions.Pluck("items", "ref")[i], human, nil)
		}
	}
	closed(t, 4002, "Session revoked", []*Socket{evicted}, byToken, kept, admin)
	t.Do("POST", "/api/auth/logout", human, nil).OK()
	closed(t, 4002, "Session revoked", []*Socket{admin}, byToken, kept)
}

func tokenRevocationCloses(t *T) {
	h := newFixture(t)
	full := J{"scopes": []string{"full"}}
	root := t.Do("POST", "/api/me/tokens", h.Ann, full).OK()
	child := t.Do("POST", "/api/me/tokens", Token(root.Str("token")), full).OK()
	token := Token(t.Do("POST", "/api/me/tokens", Token(child.Str("token")), full).OK().Str("token"))
	owner := t.Login(J{"type": "bot", "token": string(token)})
	byToken, byOwner := t.open("a grandchild", token), t.open("its owner", owner)
	streams := []*Stream{t.stream("a grandchild's stream", token, nil), t.stream("its owner's stream", owner, nil)}
	stay := []*Socket{t.open("ann", h.Ann), t.open("ann's owner", h.Ann.Login())}
	tickets := []string{t.wsTicket(token), t.wsTicket(owner)}
	t.Do("DELETE", "/api/me/tokens/"+root.Str("id"), h.Ann, nil).OK()
	closed(t, 4002, "Token revoked", []*Socket{byToken}, stay...)
	closed(t, 4002, "Session revoked", []*Socket{byOwner}, stay...)
	streams[0].endsWith("INVALID_TOKEN")
	streams[1].endsWith("AUTH_REQUIRED")
	for _, ticket := range tickets {
		t.dial("with a ticket from before", "ticket", ticket).closes(4001)
	}
}

func botDeletionCloses(t *T) {
	h := newFixture(t)
	for _, gone := range []struct {
		b  *Bot
		do func(b *Bot)
	}{
		{h.Bot("dan"), func(b *Bot) { t.Do("DELETE", "/api/me", b, nil).OK() }},
		{h.Bot("eve"), func(b *Bot) { t.Do("DELETE", "/api/bots/"+b.ID, h.Admin, nil).OK() }},
	} {
		over := []*Socket{t.open(gone.b.Name, gone.b), t.open("its token", gone.b.Scoped("read")), t.open("its owner", gone.b.Login())}
		stay := t.open("ann", h.Ann)
		gone.do(gone.b)
		closed(t, 4002, "Token regenerated", over, stay)
	}
}

// endsByTime asserts that the sockets and streams of a token and its sessions end when the token
// expires: not earlier, and at most a few seconds later, on a slow machine.
func endsByTime(t *T) {
	h := newFixture(t)
	token := func(lifetime time.Duration) Token {
		return Token(t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"full"}, "expires_in": lifetime.Milliseconds()}).OK().Str("token"))
	}
	begun := time.Now()
	long := token(time.Hour)
	sockets, streams := opensFor(t, long, "an hour")
	lifetime := max(3*time.Second, 4*time.Since(begun).Round(time.Second)) // by then a server this fast has opened them again
	late := t.patient(lifetime + time.Second)

	made := time.Now()
	over, ended := opensFor(t, token(lifetime), "a time")
	for _, f := range ended {
		if !f.open() {
			f.errorf("ended before the token expired")
		}
	}
	over[0].closes(4001, "Token expired")
	over[1].closes(4002, "Session expired")
	ended[0].endsWith("TOKEN_EXPIRED")
	ended[1].endsWith("AUTH_REQUIRED")
	if took := time.Since(made); took < lifetime || took > lifetime+late {
		t.Errorf("a token of %v ended its sockets and streams after %v", lifetime, took)
	}
	sockets[0].ping()
	sockets[1].ping()
	for _, f := range streams {
		if !f.open() {
			f.errorf("ended when another token expired")
		}
	}
}

// opensFor opens a socket and a stream with a token, and with a session that was made with it.
func opensFor(t *T, token Token, lives string) ([]*Socket, []*Stream) {
	owner := t.Login(J{"type": "bot", "token": string(token)})
	name, session := "a token with "+lives, "the owner of a token with "+lives
	return []*Socket{t.open(name, token), t.open(session, owner)}, []*Stream{t.stream(name, token, nil), t.stream(session, owner, nil)}
}
