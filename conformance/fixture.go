package conformance

import (
	"context"
	"net/http"
	"sync"
)

// Org is an org that a check creates. It is destroyed after the check.
type Org struct {
	ID     string
	Name   string
	Secret string // org_secret; stale once the check rotates it
	Admin  *Bot   // registered with the org secret, so its auth_role is admin

	t      *T
	ticket func() string
	human  func() *Session
}

// Bot is a registered bot. As a [Caller] it uses its primary token.
type Bot struct {
	ID           string
	Name         string
	Token        Token
	Registration *Response // the response of POST /api/auth/register

	org *Org
}

// Super returns the super-admin session that all checks of a run share. A check must not log it
// out.
func (t *T) Super() *Session {
	s, err := t.target.super()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

// Org creates an org with one admin bot, named admin.
func (t *T) Org() *Org {
	o := t.BareOrg()
	o.Admin = o.AdminBot("admin")
	return o
}

// BareOrg creates an org without bots.
func (t *T) BareOrg() *Org {
	r := t.Do("POST", "/api/orgs", t.Super(), J{"name": "conformance"}).OK()
	return t.adopt(r.Str("id"), "conformance", r.Str("org_secret"))
}

// adopt returns an org that the check created with its own request, and destroys it after the
// check.
func (t *T) adopt(id, name, secret string) *Org {
	o := &Org{ID: id, Name: name, Secret: secret, t: t}
	o.ticket = sync.OnceValue(func() string { return o.Ticket(J{"reusable": true, "skip_approval": true, "expires_in": 0}) })
	o.human = sync.OnceValue(o.Login)
	t.Cleanup(func() {
		r, err := t.target.send(context.WithoutCancel(t.ctx), "DELETE", "/api/orgs/"+id, t.Super(), nil)
		if err != nil {
			t.target.logf("destroying an org after its check: %v", err)
		} else if r.status != 204 && r.status != 404 {
			t.target.logf("destroying an org after its check: %s", r)
		}
	})
	return o
}

// Register posts a registration to the org and returns the response of any status. The body has the
// fields and org_id.
func (o *Org) Register(fields J, opts ...Option) *Response {
	body := J{"org_id": o.ID}
	for k, v := range fields {
		body[k] = v
	}
	return o.t.Do("POST", "/api/auth/register", nil, body, opts...)
}

func (o *Org) newBot(base J, more []J) *Bot {
	for _, m := range more {
		for k, v := range m {
			base[k] = v
		}
	}
	r := o.Register(base).OK()
	return &Bot{ID: r.Str("bot_id"), Name: r.Str("name"), Token: Token(r.Str("token")), Registration: r, org: o}
}

// Bot registers a member with a reusable ticket that skips approval. more has further fields of the
// registration.
func (o *Org) Bot(name string, more ...J) *Bot {
	return o.newBot(J{"name": name, "ticket": o.ticket()}, more)
}

// AdminBot registers a bot with the org secret: its auth_role is admin.
func (o *Org) AdminBot(name string, more ...J) *Bot {
	return o.newBot(J{"name": name, "org_secret": o.Secret}, more)
}

// PendingBot makes the org require approval and registers a bot that waits for approval.
func (o *Org) PendingBot(name string, more ...J) *Bot {
	o.Settings(J{"join_approval_required": true})
	return o.newBot(J{"name": name, "ticket": o.Ticket(J{"reusable": true})}, more)
}

// Ticket creates an org ticket and returns its code.
func (o *Org) Ticket(body J) string {
	return o.t.Do("POST", "/api/org/tickets", o.Admin, body).OK().Str("ticket")
}

// Settings changes org settings.
func (o *Org) Settings(body J) *Response {
	return o.t.Do("PATCH", "/api/org/settings", o.Admin, body).OK()
}

// Audit lists the org's newest audit entries with the action, newest first.
func (o *Org) Audit(action string) *Response {
	return o.t.Get("/api/audit?limit=200&action="+action, o.Admin).OK()
}

// Human returns the org-admin session of the check, which is created at the first call.
func (o *Org) Human() *Session { return o.human() }

// Login creates an org-admin session.
func (o *Org) Login() *Session {
	return o.t.Login(J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret})
}

// SetStatus suspends or activates the org.
func (o *Org) SetStatus(status string) {
	o.t.Do("PATCH", "/api/orgs/"+o.ID, o.t.Super(), J{"status": status}).OK()
}

// Login posts a login that must succeed and returns its session.
func (t *T) Login(body J, opts ...Option) *Session {
	r := t.Do("POST", "/api/auth/login", nil, body, opts...).OK()
	c, ok := r.cookie()
	if !ok {
		r.fatalf("the login sets no hxa_session cookie")
	}
	return &Session{Cookie: c.Value, Login: r, origin: t.target.origin()}
}

// Login creates a bot_owner session with the bot's primary token.
func (b *Bot) Login() *Session {
	return b.org.t.Login(J{"type": "bot", "token": string(b.Token)})
}

// Scoped creates a scoped token of the bot.
func (b *Bot) Scoped(scopes ...string) Token {
	return Token(b.org.t.Do("POST", "/api/me/tokens", b, J{"scopes": scopes}).OK().Str("token"))
}

// Promote gives the bot auth_role admin.
func (b *Bot) Promote() { b.setRole("admin") }

// Demote gives the bot auth_role member.
func (b *Bot) Demote() { b.setRole("member") }

func (b *Bot) setRole(role string) {
	b.org.t.Do("PATCH", "/api/org/bots/"+b.ID+"/role", b.org.Admin, J{"auth_role": role}).OK()
}

// SetStatus sets the bot's join_status to active or rejected.
func (b *Bot) SetStatus(status string) {
	b.org.t.Do("PATCH", "/api/org/bots/"+b.ID+"/status", b.org.Admin, J{"status": status}).OK()
}

func (b *Bot) authorize(h http.Header) { b.Token.authorize(h) }
