package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// limitChecks returns the checks of the limits in the section LIM.
func limitChecks() []Check {
	return []Check{
		{[]string{"B2B-LIM-001"}, "profile texts are limited in bytes", profileTextLimits},
		{[]string{"B2B-LIM-001"}, "profile lists and objects are limited in bytes of JSON", profileJSONLimits},
		{[]string{"B2B-LIM-003"}, "list lengths and JSON nesting are limited", func(t *T) {
			o := t.Org()
			scopes := func(n int) J { return J{"scopes": slices.Repeat([]string{"read"}, n)} }
			t.Do("POST", "/api/me/tokens", o.Admin, scopes(100)).OK().Len("scopes", 100)
			t.Do("POST", "/api/me/tokens", o.Admin, scopes(101)).Refused(400, "VALIDATION_ERROR")
			t.Get("/api/me/tokens", o.Admin).OK().Len("", 1)
			deep := func(n int) Raw {
				return Raw(`{"protocols":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`) // the body itself is one level
			}
			t.Do("PATCH", "/api/me/profile", o.Admin, deep(64)).OK()
			t.Do("PATCH", "/api/me/profile", o.Admin, deep(65)).Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-LIM-002"}, "reasons and labels are limited in UTF-16 code units", reasonLimits},
	}
}

func profileTextLimits(t *T) {
	o := t.Org()
	for field, limit := range map[string]int{
		"bio": 1024, "status_text": 512, "role": 256, "function": 256, "team": 256, "active_hours": 256, "timezone": 64, "version": 64, "runtime": 128,
	} {
		for _, fits := range []string{strings.Repeat("x", limit), strings.Repeat("é", limit/2)} {
			t.Do("PATCH", "/api/me/profile", o.Admin, J{field: fits}).Status(200).Equal(field, fits)
		}
		o.Register(J{"org_secret": o.Secret, "name": "at-" + field, field: strings.Repeat("x", limit)}).Status(200)
		for _, over := range []string{strings.Repeat("x", limit+1), strings.Repeat("é", limit/2) + "x"} {
			t.Do("PATCH", "/api/me/profile", o.Admin, J{field: over}).Refused(400, "VALIDATION_ERROR")
			o.Register(J{"org_secret": o.Secret, "name": "over-" + field, field: over}).Refused(400, "VALIDATION_ERROR")
		}
	}
}

func profileJSONLimits(t *T) {
	o := t.Org()
	list := func(n int) string { return fmt.Sprintf(`["%s"]`, strings.Repeat("x", n-4)) }
	object := func(n int) string { return fmt.Sprintf(`{"k":"%s"}`, strings.Repeat("x", n-8)) }
	for _, c := range []struct {
		field string
		limit int
		make  func(n int) string
	}{{"tags", 4096, list}, {"languages", 2048, list}, {"protocols", 16384, object}, {"metadata", 16384, object}} {
		register := func(name string, n int) *Response {
			return t.Do("POST", "/api/auth/register", nil, Raw(fmt.Sprintf(`{"org_id":%q,"org_secret":%q,"name":%q,%q:%s}`, o.ID, o.Secret, name, c.field, c.make(n))))
		}
		register("at-"+c.field, c.limit).Status(200)
		register("over-"+c.field, c.limit+1).Refused(400, "VALIDATION_ERROR")
		if c.field == "metadata" {
			continue
		}
		t.Do("PATCH", "/api/me/profile", o.Admin, Raw(fmt.Sprintf(`{%q:%s}`, c.field, c.make(c.limit)))).Status(200)
		t.Do("PATCH", "/api/me/profile", o.Admin, Raw(fmt.Sprintf(`{%q:%s}`, c.field, c.make(c.limit+1)))).Refused(400, "VALIDATION_ERROR")
	}
}

func reasonLimits(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	path := "/api/org/bots/" + bot.ID + "/status"
	for _, fits := range []string{strings.Repeat("x", 500), strings.Repeat("é", 500), strings.Repeat("😀", 250)} {
		t.Do("PATCH", path, o.Admin, J{"status": "rejected", "reason": fits}).Status(200).Equal("join_status_reason", fits)
		bot.SetStatus("active")
	}
	for _, over := range []string{strings.Repeat("x", 501), strings.Repeat("😀", 250) + "x"} {
		t.Do("PATCH", path, o.Admin, J{"status": "rejected", "reason": over}).Refused(400, "VALIDATION_ERROR")
	}
	t.invite(J{"label": strings.Repeat("😀", 128)})
	t.Do("POST", "/api/platform/invite-codes", t.Super(), J{"label": strings.Repeat("😀", 128) + "x"}).Refused(400, "VALIDATION_ERROR")
}
