package conformance

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/coder/websocket"
)

func wsTicketChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-001"}, "bots, owners and org admins can get a connection ticket", wsTickets},
		{[]string{"B2B-WS-002"}, "only one of 64 concurrent connections with a ticket is accepted", wsTicketOnce},
		{[]string{"B2B-WS-003"}, "a connection without a valid ticket is closed at once", wsTicketRequired},
		{[]string{"B2B-WS-004"}, "the credential is checked again when its ticket is used", wsTicketRechecked},
	}
}

func wsTickets(t *T) {
	h := newFixture(t)
	seen := map[string]bool{}
	for _, c := range []Caller{h.Ann, h.Ann.Scoped("profile"), h.Ann.Scoped("read"), h.Ann.Login(), h.Human(), h.Ann} {
		r := t.Do("POST", "/api/ws-ticket", c, nil).OK().Equal("expires_in", 30)
		ticket := r.Str("ticket")
		if len(ticket) != 48 || strings.Trim(ticket, "0123456789abcdef") != "" || seen[ticket] {
			r.errorf("the ticket does not have 48 hex digits, or is not new")
		}
		seen[ticket] = true
	}
	t.Do("POST", "/api/ws-ticket", h.Ann, J{"bogus": 1}).OK()
	t.Do("POST", "/api/ws-ticket", t.Super(), nil).Refused(403, "FORBIDDEN")
	t.Do("POST", "/api/ws-ticket", nil, nil).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/ws-ticket", Token("bot_unknown"), nil).Refused(401, "INVALID_TOKEN")
	t.Do("POST", "/api/ws-ticket", h.PendingBot("late"), nil).Refused(403, "BOT_NOT_ACTIVE")
	t.Do("POST", "/api/ws-ticket", h.Human(), nil, Header("Origin", "https://elsewhere.example")).Refused(403, "CSRF_ERROR")
}

func wsTicketOnce(t *T) {
	h := newFixture(t)
	ticket := t.wsTicket(h.Ann)
	var opened, refused atomic.Int32
	t.Concurrently(64, func(int) {
		s := t.dial("one of 64", "ticket", ticket)
		_ = s.conn.Write(t.ctx, websocket.MessageText, []byte(`{"type":"ping"}`)) // fails if the server has closed it
		s.await(func() bool { return len(s.frames) > 0 })
		if s.open() {
			opened.Add(1)
			return
		}
		if e := s.ends(); e.code == 4001 {
			refused.Add(1)
		}
	})
	if opened.Load() != 1 || refused.Load() != 63 {
		t.Errorf("%d were accepted and %d closed with 4001, want 1 and 63", opened.Load(), refused.Load())
	}
	t.dial("a later one", "ticket", ticket).closes(4001, "Invalid or expired ticket")
}

func wsTicketRequired(t *T) {
	h := newFixture(t)
	missing := "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket."
	t.dial("nobody").closes(4001, missing)
	t.dial("nobody", "ticket", "").closes(4001, missing)
	for _, bad := range []string{"x", strings.Repeat("0", 48), string(h.Ann.Token), t.AdminSecret(), strings.Repeat("x", 3000)} {
		t.dial("nobody", "ticket", bad).closes(4001, "Invalid or expired ticket")
	}
	t.dial("a token", "token", string(h.Ann.Token)).closes(4001, missing)
	ctx, cancel := context.WithTimeout(t.ctx, t.patient(requestTimeout))
	defer cancel()
	conn, _, err := websocket.Dial(ctx, t.wsURL(), &websocket.DialOptions{HTTPClient: t.target.client, HTTPHeader: http.Header{"Authorization": {"Bearer " + string(h.Ann.Token)}}})
	if err != nil {
		t.Fatalf("opening with a bearer token: %v", err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != 4001 {
		t.Errorf("a bearer token instead of a ticket: %v, want the close code 4001", err)
	}
	elsewhere := strings.Replace(t.wsURL("ticket", t.wsTicket(h.Ann)), "/ws?", "/elsewhere?", 1)
	wrong, res, err := websocket.Dial(ctx, elsewhere, &websocket.DialOptions{HTTPClient: t.target.client})
	switch {
	case err == nil:
		_ = wrong.CloseNow() // the check has failed already
		t.Errorf("an upgrade at another path is accepted")
	case res == nil || res.StatusCode < 400 || res.StatusCode >= 500:
		t.Errorf("an upgrade at another path: %v, want status 4xx", err)
	}
}

func wsTicketRechecked(t *T) {
	h := newFixture(t)
	revoked := t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"read"}}).OK()
	tickets := map[string]string{
		"revoked": t.wsTicket(Token(revoked.Str("token"))), "rejected": t.wsTicket(h.Bob), "deleted": t.wsTicket(h.Cyd),
	}
	ended := h.Ann.Login()
	tickets["ended"] = t.wsTicket(ended)
	t.Do("DELETE", "/api/me/tokens/"+revoked.Str("id"), h.Ann, nil).OK()
	h.Bob.SetStatus("rejected")
	t.Do("DELETE", "/api/me", h.Cyd, nil).OK()
	t.Do("POST", "/api/auth/logout", ended, nil).OK()
	t.dial("a revoked token", "ticket", tickets["revoked"]).closes(4001)
	t.dial("a rejected bot", "ticket", tickets["rejected"]).closes(4403, "bot_rejected")
	t.dial("a deleted bot", "ticket", tickets["deleted"]).closes(4001)
	if e := t.dial("an ended session", "ticket", tickets["ended"]).ends(); e.code != 4001 && e.code != 4002 {
		t.Errorf("the ticket of an ended session: closed with %d %q, want 4001 or 4002", e.code, e.reason)
	}
	suspended := newFixture(t)
	ticket := t.wsTicket(suspended.Ann)
	suspended.SetStatus("suspended")
	t.dial("a bot of a suspended org", "ticket", ticket).closes(4100, "Organization is not active")
}
