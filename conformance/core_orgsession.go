package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// orgSessionChecks returns the checks of listing and ending the sessions of an org.
func orgSessionChecks() []Check {
	return []Check{
		{[]string{"B2B-ORG-040"}, "org admins can list the sessions of the org, newest first", orgSessionList},
		{[]string{"B2B-ORG-041"}, "org admins can end the sessions of the org", orgSessionEnds},
		{[]string{"B2B-ORG-040", "B2B-ORG-041"}, "more than 100 sessions can be listed in pages and ended", orgSessionPages},
	}
}

func orgSessionList(t *T) {
	o, other := t.Org(), t.Org()
	bot := o.Bot("worker")
	first := t.Login(J{"type": "bot", "token": bot.Token, "owner_name": "Ada"})
	t.Sleep(5 * time.Millisecond)
	o.Human()
	t.Sleep(5 * time.Millisecond)
	o.Admin.Login()
	other.Human()
	r := t.Get("/api/org/sessions", o.Admin).OK().Len("items", 3).Equal("has_more", false)
	for i, want := range []J{
		{"role": "bot_owner", "bot_id": o.Admin.ID, "owner_name": nil},
		{"role": "org_admin", "bot_id": nil, "owner_name": nil},
		{"role": "bot_owner", "bot_id": bot.ID, "owner_name": "Ada"},
	} {
		at := fmt.Sprintf("items.%d", i)
		r.Shape(at, "ref:s role:s bot_id:s? owner_name:s? created_at:i expires_at:i")
		for k, v := range want {
			r.Equal(at+"."+k, v)
		}
		if ref := r.Str(at + ".ref"); len(ref) != 16 || strings.Trim(ref, "0123456789abcdef") != "" {
			t.Errorf("%s: ref %q does not have 16 lower-case hex digits", r, ref)
		}
	}
	refs := r.Pluck("items", "ref")
	for _, c := range []struct {
		query string
		want  []string
		more  bool
	}{
		{"limit=2", refs[:2], true}, {"limit=2&offset=2", refs[2:], false}, {"limit=3", refs, false}, {"offset=-4", refs, false},
		{"offset=1", refs[1:], false}, {"offset=9", nil, false}, {"limit=0", refs, false}, {"limit=-1", refs[:1], true},
	} {
		page := t.Get("/api/org/sessions?"+c.query, o.Human()).OK().Equal("has_more", c.more)
		if got := page.Pluck("items", "ref"); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s: lists %v, want %v", page, got, c.want)
		}
	}
	t.Do("POST", "/api/auth/logout", first, nil).Status(200)
	t.Get("/api/org/sessions", o.Admin).OK().Len("items", 2)
}

func orgSessionEnds(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	human, victim, owner := o.Human(), o.Login(), bot.Login()
	var mine, its string
	t.Sleep(5 * time.Millisecond)
	for _, item := range t.Get("/api/org/sessions", human).OK().List("items") {
		if s := item.(map[string]any); s["role"] == "bot_owner" {
			its = s["ref"].(string)
		}
	}
	for _, ref := range []string{"x", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", owner.Cookie} {
		t.Do("DELETE", "/api/org/sessions/"+ref, human, nil).Refused(400, "INVALID_REF")
	}
	t.Do("DELETE", "/api/org/sessions/0123456789abcdef", human, nil).Refused(404, "NOT_FOUND")
	t.Do("DELETE", "/api/org/sessions/"+its, human, nil).Status(200).Equal("deleted", true)
	t.Get("/api/auth/session", owner).Refused(401, "AUTH_REQUIRED")
	t.Do("DELETE", "/api/org/sessions/"+its, human, nil).Refused(404, "NOT_FOUND")
	for _, ref := range t.Get("/api/org/sessions", human).OK().Len("items", 2).Pluck("items", "ref") {
		if r := t.Do("DELETE", "/api/org/sessions/"+ref, human, nil); r.StatusCode() == 400 {
			r.Refused(400, "SELF_LOGOUT")
			mine = ref
		} else {
			r.Status(200)
		}
	}
	t.Get("/api/auth/session", victim).Refused(401, "AUTH_REQUIRED")
	t.Get("/api/auth/session", human).Status(200)
	t.Do("DELETE", "/api/org/sessions/"+mine, o.Admin, nil).Status(200)
	t.Get("/api/auth/session", human).Refused(401, "AUTH_REQUIRED")
}

func orgSessionPages(t *T) {
	o := t.Org()
	oldest := o.Admin.Login()
	t.Sleep(5 * time.Millisecond)
	ref := t.Get("/api/org/sessions", o.Admin).OK().Str("items.0.ref")
	t.Concurrently(4, func(i int) {
		for n := range 5 {
			bot := o.Bot(fmt.Sprintf("bot-%d-%d", i, n))
			for range 5 {
				bot.Login()
			}
		}
	})
	t.Get("/api/org/sessions", o.Admin).OK().Len("items", 20).Equal("has_more", true)
	t.Get("/api/org/sessions?limit=1000", o.Admin).OK().Len("items", 100).Equal("has_more", true).Absent("items", "ref", ref)
	t.Get("/api/org/sessions?limit=100&offset=100", o.Admin).OK().Len("items", 1).Equal("has_more", false).Equal("items.0.ref", ref)
	t.Do("DELETE", "/api/org/sessions/"+ref, o.Admin, nil).Status(200)
	t.Get("/api/auth/session", oldest).Refused(401, "AUTH_REQUIRED")
}
