package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ticketChecks returns the checks of org tickets.
func ticketChecks() []Check {
	return []Check{
		{[]string{"B2B-ORG-030"}, "a ticket has flags and an expiry", newTickets},
		{[]string{"B2B-ORG-031"}, "usable tickets are listed newest first, in pages", ticketList},
		{[]string{"B2B-ORG-031"}, "a page of tickets has 20 entries by default, and at most 100", func(t *T) {
			o := t.Org()
			for range 101 {
				o.Ticket(J{})
			}
			t.Get("/api/org/tickets", o.Admin).OK().Len("items", 20).Has("cursor")
			t.Get("/api/org/tickets?limit=1000", o.Admin).OK().Len("items", 100).Has("cursor")
		}},
		{[]string{"B2B-ORG-032"}, "a ticket can be revoked by id or code, even if it is used or expired", ticketRevocation},
	}
}

func newTickets(t *T) {
	o := t.Org()
	for _, c := range []struct {
		body             any
		reusable, direct bool
		lifetime         time.Duration
	}{
		{J{}, false, false, 30 * time.Minute},
		{nil, false, false, 30 * time.Minute},
		{J{"reusable": true, "skip_approval": true, "expires_in": 600}, true, true, 10 * time.Minute},
		{J{"reusable": false, "skip_approval": false, "expires_in": 0}, false, false, 0},
		{J{"expires_in": 90.5}, false, false, 90500 * time.Millisecond},
		{J{"expires_in": -1}, false, false, 30 * time.Minute},
	} {
		now := t.serverTime(o)
		r := t.Do("POST", "/api/org/tickets", o.Admin, c.body).OK().Shape("", "ticket:s expires_at:n").
			Equal("reusable", c.reusable).Equal("skip_approval", c.direct)
		if code := r.Str("ticket"); len(code) != 20 || !strings.HasPrefix(code, "tkt_") {
			t.Errorf("%s: ticket is not tkt_ followed by 16 hex digits", r)
		}
		r.expires("expires_at", c.lifetime, now)
	}
}

func ticketList(t *T) {
	o := t.Org()
	used, short := o.Ticket(J{}), o.Ticket(J{"expires_in": 0.05})
	o.Register(J{"ticket": used, "name": "first"}).Status(200)
	byOwner := t.Do("POST", "/api/org/tickets", o.Admin.Login(), J{"reusable": true, "skip_approval": true, "expires_in": 0}).OK().Str("ticket")
	t.Sleep(5 * time.Millisecond)
	byHuman := t.Do("POST", "/api/org/tickets", o.Human(), J{}).OK().Str("ticket")
	t.Sleep(5 * time.Millisecond)
	byBot := o.Ticket(J{})
	o.Register(J{"ticket": byOwner, "name": "second"}).Status(200)
	t.Sleep(100 * time.Millisecond)
	r := t.Get("/api/org/tickets", o.Admin).OK().Lacks("cursor").Absent("items", "code", used).Absent("items", "code", short)
	if got, want := r.Pluck("items", "code"), []string{byBot, byHuman, byOwner}; !slices.Equal(got, want) {
		t.Errorf("%s: lists %v, want %v", r, got, want)
	}
	for i, by := range []any{o.Admin.ID, nil, o.Admin.ID} {
		r.Equal(fmt.Sprintf("items.%d.created_by", i), by).
			Shape(fmt.Sprintf("items.%d", i), "id:s code:s? reusable:b skip_approval:b expires_at:n created_by:s? created_at:i")
	}
	r.Equal("items.2.reusable", true).Equal("items.2.skip_approval", true).Equal("items.2.expires_at", 0)
	var paged []string
	path := "/api/org/tickets?limit=2"
	for range 3 {
		page := t.Get(path, o.Human()).OK()
		paged = append(paged, page.Pluck("items", "code")...)
		if _, more := page.find("cursor"); !more {
			break
		}
		path = "/api/org/tickets?limit=2&cursor=" + escape(page.Str("cursor"))
	}
	if want := []string{byBot, byHuman, byOwner}; !slices.Equal(paged, want) {
		t.Errorf("pages of 2 list %v, want %v", paged, want)
	}
	t.Get("/api/org/tickets?limit=3", o.Admin).OK().Len("items", 3).Lacks("cursor")
	t.Get("/api/org/tickets?cursor=nonsense", o.Admin).Status(200).Len("items", 0).Lacks("cursor")
}

func ticketRevocation(t *T) {
	o := t.Org()
	byCode, byID, used, short := o.Ticket(J{}), o.Ticket(J{}), o.Ticket(J{}), o.Ticket(J{"expires_in": 0.05})
	id := t.Get("/api/org/tickets", o.Admin).OK().Find("items", "code", byID)["id"].(string)
	o.Register(J{"ticket": used, "name": "first"}).Status(200)
	t.Sleep(100 * time.Millisecond)
	for _, ref := range []string{byCode, id, used, short} {
		t.Do("DELETE", "/api/org/tickets/"+ref, o.Admin, nil).Status(200).Equal("deleted", true)
		t.Do("DELETE", "/api/org/tickets/"+ref, o.Human(), nil).Refused(404, "NOT_FOUND")
	}
	for _, code := range []string{byCode, byID, used, short} {
		o.Register(J{"ticket": code, "name": "second"}).Refused(401, "INVALID_TICKET")
	}
	t.Do("DELETE", "/api/org/tickets/"+unusedID, o.Admin, nil).Refused(404, "NOT_FOUND")
}

// serverTime returns the current time of the server in Unix milliseconds.
func (t *T) serverTime(o *Org) float64 {
	return t.Do("POST", "/api/me/tokens", o.Admin, J{"scopes": []string{"read"}}).OK().Num("created_at")
}
