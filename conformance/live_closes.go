package conformance

import "time"

// ended closes the sockets among all that close, and asserts that the others go on.
func ended(t *T, code int, reason string, over []*Socket, stay ...*Socket) {
	for _, k := range over {
		k.closes(code, reason)
	}
	for _, k := range stay {
		k.ping()
	}
}

func closeChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-005"}, "a session's sockets end with it", func(t *T) {
			h := newHall(t)
			out, other, human, forced := h.Ann.Login(), h.Ann.Login(), h.Login(), h.Login()
			byToken := t.open("ann", h.Ann)
			kept, two := t.open("another owner", other), []*Socket{t.open("an owner", out), t.open("the same owner", out)}
			admin, evicted := t.open("an admin", human), t.open("an admin who is thrown out", forced)
			t.Do("POST", "/api/auth/logout", out, nil).OK()
			ended(t, 4002, "Session revoked", two, byToken, kept, admin)
			sessions := t.Get("/api/org/sessions", human).OK()
			for i, role := range sessions.Pluck("items", "role") {
				if role == "org_admin" { // the caller's own is refused
					t.Do("DELETE", "/api/org/sessions/"+sessions.Pluck("items", "ref")[i], human, nil)
				}
			}
			ended(t, 4002, "Session revoked", []*Socket{evicted}, byToken, kept, admin)
			t.Do("POST", "/api/auth/logout", human, nil).OK()
			ended(t, 4002, "Session revoked", []*Socket{admin}, byToken, kept)
		}},
		{[]string{"B2B-WS-005"}, "the oldest session is closed when there are too many", func(t *T) {
			h := newHall(t)
			byToken, first := t.open("ann", h.Ann), t.open("the first owner", h.Ann.Login())
			t.tick()
			second := t.open("the second owner", h.Ann.Login())
			for range 4 {
				t.tick()
				h.Ann.Login()
			}
			ended(t, 4002, "Session evicted", []*Socket{first}, byToken, second)
		}},
		{[]string{"B2B-WS-005"}, "the oldest admin's session is closed when there are too many", func(t *T) {
			h := newHall(t)
			first := t.open("the first admin", h.Login())
			t.tick()
			second := t.open("the second admin", h.Login())
			for range 4 {
				t.tick()
				h.Login()
			}
			ended(t, 4002, "Credential rotated", []*Socket{first}, second)
		}},
		{[]string{"B2B-WS-005"}, "a new org secret closes the admins' sockets", func(t *T) {
			h := newHall(t)
			admins := []*Socket{t.open("an admin", h.Human()), t.open("another admin", h.Login())}
			bot, owner := t.open("ann", h.Ann), t.open("ann's owner", h.Ann.Login())
			t.Do("POST", "/api/org/rotate-secret", h.Admin, nil).OK()
			ended(t, 4002, "Credential rotated", admins, bot, owner)
		}},
		{[]string{"B2B-WS-005"}, "a revoked token closes its sockets", func(t *T) {
			h := newHall(t)
			r := t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"full"}}).OK()
			scoped := Token(r.Str("token"))
			over := []*Socket{t.open("a token", scoped), t.open("a token again", scoped)}
			stay := []*Socket{t.open("ann", h.Ann), t.open("another token", h.Ann.Scoped("full"))}
			t.Do("DELETE", "/api/me/tokens/"+r.Str("id"), h.Ann, nil).OK()
			for _, k := range over {
				k.closes(4002)
			}
			ended(t, 4002, "", nil, stay...)
		}},
		{[]string{"B2B-WS-005", "B2B-WS-004", "B2B-EVT-037", "B2B-AUTH-060"}, "what came from a revoked token loses its sockets, streams and tickets", func(t *T) {
			h := newHall(t)
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
			ended(t, 4002, "Token revoked", []*Socket{byToken}, stay...)
			ended(t, 4002, "Session revoked", []*Socket{byOwner}, stay...)
			for _, f := range streams {
				f.ends()
			}
			for _, ticket := range tickets {
				t.dial("with a ticket from before", "ticket", ticket).closes(4001)
			}
		}},
		{[]string{"B2B-WS-030", "B2B-EVT-037"}, "a token's time ends its sockets and streams, and those of its sessions", endsByTime},
		{[]string{"B2B-WS-005"}, "a deleted bot's sockets are closed", func(t *T) {
			h := newHall(t)
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
				ended(t, 4002, "Token regenerated", over, stay)
			}
		}},
		{[]string{"B2B-WS-005", "B2B-WS-006"}, "a rejected bot hears of it and is closed", func(t *T) {
			h := newHall(t)
			over := []*Socket{t.open("bob", h.Bob), t.open("its owner", h.Bob.Login())}
			stay := t.open("ann", h.Ann)
			h.Bob.SetStatus("rejected")
			ended(t, 4403, "bot_rejected", over, stay)
			for _, f := range over {
				if k := kinds(events(f.all())); len(k) == 0 || k[len(k)-1] != "bot_status_changed" {
					f.errorf("was told %v before the end, want bot_status_changed last", k)
				}
			}
		}},
		{[]string{"B2B-WS-005"}, "a suspended org's sockets are closed, and open again later", func(t *T) {
			h, other := newHall(t), newHall(t)
			over := []*Socket{t.open("ann", h.Ann), t.open("its owner", h.Ann.Login()), t.open("an admin", h.Human())}
			stay := t.open("another org", other.Ann)
			h.SetStatus("suspended")
			ended(t, 4100, "Organization suspended", over, stay)
			h.SetStatus("active")
			t.open("ann", h.Ann)
		}},
		{[]string{"B2B-WS-005"}, "a destroyed org's sockets are closed", func(t *T) {
			h := newHall(t)
			over := []*Socket{t.open("ann", h.Ann), t.open("its owner", h.Ann.Login()), t.open("an admin", h.Human())}
			t.Do("DELETE", "/api/orgs/"+h.ID, t.Super(), nil).Status(204)
			ended(t, 4101, "Organization destroyed", over)
		}},
	}
}

// endsByTime has a token expire. What came from it must end when its time has come: not
// before, and not much later; a busy machine is given some seconds.
func endsByTime(t *T) {
	const life, late = 3 * time.Second, 4 * time.Second
	h := newHall(t)
	made := time.Now()
	token := func(life time.Duration) Token {
		return Token(t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"full"}, "expires_in": life.Milliseconds()}).OK().Str("token"))
	}
	short, long := token(life), token(time.Hour)
	owner := t.Login(J{"type": "bot", "token": string(short)})
	byToken, byOwner := t.open("a token with a time", short), t.open("its owner", owner)
	streams := []*Stream{t.stream("the token's stream", short, nil), t.stream("its owner's stream", owner, nil)}
	for _, f := range streams {
		if !f.open() {
			f.errorf("ended at once")
		}
	}
	socket, stream := t.open("a token with an hour", long), t.stream("a stream with an hour", long, nil)

	byToken.closes(4001, "Token expired")
	byOwner.closes(4002, "Session expired")
	for _, f := range streams {
		f.ends()
	}
	if took := time.Since(made); took < life || took > life+late {
		t.Errorf("a token of %v ended its sockets and streams after %v", life, took)
	}
	socket.ping()
	if !stream.open() {
		stream.errorf("ended with the token of another")
	}
}
