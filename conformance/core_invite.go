package conformance

import (
	"strings"
	"sync/atomic"
	"time"
)

const (
	day         = 24 * time.Hour
	inviteShape = "id:s code:s label:s? max_uses:i use_count:i expires_at:n created_at:i"
)

// inviteChecks returns the checks of platform invite codes and of creating orgs with them.
func inviteChecks() []Check {
	return []Check{
		{[]string{"B2B-ORG-010"}, "an invite code has a number of uses, a label and an expiry", inviteCodes},
		{[]string{"B2B-ORG-011"}, "max_uses and label are validated", func(t *T) {
			for _, body := range []J{
				{"max_uses": -1}, {"max_uses": 1.5}, {"max_uses": "3"}, {"max_uses": nil}, {"max_uses": true},
				{"label": nil}, {"label": 5}, {"label": J{}}, {"label": strings.Repeat("x", 257)},
			} {
				t.Do("POST", "/api/platform/invite-codes", t.Super(), body).Refused(400, "VALIDATION_ERROR")
			}
			t.invite(J{"max_uses": 0, "label": strings.Repeat("x", 256)})
		}},
		{[]string{"B2B-ORG-012"}, "invite codes are listed newest first, with expired and exhausted", inviteList},
		{[]string{"B2B-ORG-013"}, "an invite code can be revoked by id", func(t *T) {
			code := t.invite(J{})
			t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("code"), t.Super(), nil).Refused(404, "NOT_FOUND")
			t.Do("DELETE", "/api/platform/invite-codes/"+unusedID, t.Super(), nil).Refused(404, "NOT_FOUND")
			t.redeem(code.Str("code"), "x").Status(201)
			t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("id"), t.Super(), nil).Status(204).Empty()
			t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("id"), t.Super(), nil).Refused(404, "NOT_FOUND")
			t.redeem(code.Str("code"), "x").Refused(401, "INVALID_INVITE_CODE")
			t.Get("/api/platform/invite-codes", t.Super()).OK().Absent("", "id", code.Str("id"))
		}},
		{[]string{"B2B-ORG-014", "B2B-LIM-002"}, "anyone can create an org with an invite code", orgByInvite},
		{[]string{"B2B-ORG-015"}, "concurrent requests do not exceed max_uses of an invite code", inviteUses},
	}
}

func inviteCodes(t *T) {
	for _, c := range []struct {
		body   J
		want   J
		expiry time.Duration // 0 means never
	}{
		{J{}, J{"max_uses": 0, "label": nil, "use_count": 0}, 90 * day},
		{J{"label": "pilot", "max_uses": 3, "expires_in": 86400}, J{"max_uses": 3, "label": "pilot"}, day},
		{J{"expires_in": 0, "label": ""}, J{"label": ""}, 0},
		{J{"expires_in": 90.5}, nil, 90500 * time.Millisecond},
		{J{"expires_in": -5}, nil, 90 * day},
	} {
		r := t.invite(c.body).Shape("", inviteShape)
		for k, v := range c.want {
			r.Equal(k, v)
		}
		if code := r.Str("code"); len(code) != 20 || !strings.HasPrefix(code, "hxa_") {
			t.Errorf("%s: code is not hxa_ followed by 16 hex digits", r)
		}
		r.expires("expires_at", c.expiry, r.Num("created_at"))
	}
}

func inviteList(t *T) {
	short := t.invite(J{"expires_in": 0.1})
	t.Sleep(5 * time.Millisecond)
	once := t.invite(J{"max_uses": 1})
	t.Sleep(5 * time.Millisecond)
	open := t.invite(J{"expires_in": 0})
	t.redeem(once.Str("code"), "vineyard").Status(201)
	t.Sleep(150 * time.Millisecond)
	r := t.Get("/api/platform/invite-codes", t.Super()).OK()
	var seen []string
	for _, id := range r.Pluck("", "id") {
		if id == short.Str("id") || id == once.Str("id") || id == open.Str("id") {
			seen = append(seen, id)
		}
	}
	if want := []string{open.Str("id"), once.Str("id"), short.Str("id")}; strings.Join(seen, " ") != strings.Join(want, " ") {
		t.Errorf("the list of invite codes is not newest first: %v, want %v", seen, want)
	}
	for _, c := range []struct {
		made               *Response
		uses               int
		expired, exhausted bool
	}{{short, 0, true, false}, {once, 1, false, true}, {open, 0, false, false}} {
		got := r.Find("", "id", c.made.Str("id"))
		t.Shape("an invite code of the list", got, inviteShape+" expired:b exhausted:b")
		if got["code"] != c.made.Str("code") || got["expired"] != c.expired || got["exhausted"] != c.exhausted || show(got["use_count"]) != show(c.uses) {
			t.Errorf("an invite code of the list is %s, want expired %v, exhausted %v, use_count %d", show(got), c.expired, c.exhausted, c.uses)
		}
	}
}

func orgByInvite(t *T) {
	code := t.invite(J{"max_uses": 4}).Str("code")
	for _, body := range []J{
		{}, {"name": "x"}, {"invite_code": "", "name": "x"}, {"invite_code": 5, "name": "x"}, {"invite_code": nil, "name": "x"},
		{"invite_code": code}, {"invite_code": code, "name": ""}, {"invite_code": code, "name": 5}, {"invite_code": code, "name": J{}},
		{"invite_code": code, "name": strings.Repeat("x", 129)}, {"invite_code": code, "name": strings.Repeat("😀", 64) + "x"},
		{"invite_code": "hxa_unknown", "name": ""},
	} {
		t.Do("POST", "/api/platform/orgs", nil, body).Refused(400, "VALIDATION_ERROR")
	}
	t.redeem("hxa_0123456789abcdef", "x").Refused(401, "INVALID_INVITE_CODE")
	for _, name := range []string{"vineyard", "vineyard", strings.Repeat("x", 128), strings.Repeat("😀", 64)} {
		r := t.redeem(code, name).Status(201).Equal("name", name).Shape("", "org_id:s org_secret:s")
		o := t.adopt(r.Str("org_id"), name, r.Str("org_secret"))
		o.Admin = o.AdminBot("admin")
		t.Get("/api/org", o.Admin).Status(200).Equal("name", name).Equal("id", o.ID)
	}
	t.redeem(code, "one too many").Refused(401, "INVALID_INVITE_CODE")
	short := t.invite(J{"expires_in": 0.05}).Str("code")
	t.Sleep(100 * time.Millisecond)
	t.redeem(short, "too late").Refused(401, "INVALID_INVITE_CODE")
}

func inviteUses(t *T) {
	code := t.invite(J{"max_uses": 2})
	var made atomic.Int32
	t.Concurrently(10, func(int) {
		if r := t.redeem(code.Str("code"), "rush"); r.StatusCode() == 201 {
			made.Add(1)
		} else {
			r.Refused(401, "INVALID_INVITE_CODE")
		}
	})
	if made.Load() != 2 {
		t.Errorf("10 concurrent requests created %d orgs with a code of 2 uses", made.Load())
	}
	row := t.Get("/api/platform/invite-codes", t.Super()).OK().Find("", "id", code.Str("id"))
	if show(row["use_count"]) != "2" {
		t.Errorf("use_count is %s after 2 uses", show(row["use_count"]))
	}
}

// invite creates an invite code and revokes it after the check.
func (t *T) invite(body J) *Response {
	r := t.Do("POST", "/api/platform/invite-codes", t.Super(), body)
	if r.StatusCode() != 201 {
		r.fatalf("want 201")
	}
	id := r.Str("id")
	t.Cleanup(func() { t.Do("DELETE", "/api/platform/invite-codes/"+id, t.Super(), nil) })
	return r
}

// redeem creates an org with a code and destroys it after the check.
func (t *T) redeem(code, name string) *Response {
	r := t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": code, "name": name})
	if r.StatusCode() == 201 {
		t.adopt(r.Str("org_id"), name, r.Str("org_secret"))
	}
	return r
}

// expires asserts that the time at path is lifetime after start (milliseconds), within 5 seconds. A
// lifetime of 0 means never, and the time is 0.
func (r *Response) expires(path string, lifetime time.Duration, start float64) {
	if lifetime == 0 {
		r.Equal(path, 0)
		return
	}
	if off := r.Num(path) - start - float64(lifetime.Milliseconds()); off < -5000 || off > 5000 {
		r.errorf("%q is %.0f ms after its start, want %d", path, r.Num(path)-start, lifetime.Milliseconds())
	}
}
