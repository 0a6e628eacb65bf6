package conformance

import (
	"fmt"
	"slices"
	"strings"
)

func listChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-030", "B2B-THR-031", "B2B-THR-032", "B2B-THR-033"}, "own and org-wide thread lists have the newest activity first", threadLists},
		{[]string{"B2B-THR-030", "B2B-THR-031", "B2B-THR-032", "B2B-THR-037", "B2B-ORGTHR-003", "B2B-ORGTHR-004"}, "thread lists have the specified page sizes", threadPageSizes},
		{[]string{"B2B-THR-034", "B2B-ORGTHR-006"}, "thread lists can be filtered by status", func(t *T) {
			h := newFixture(t)
			id := map[string]string{}
			for _, s := range states() {
				id[s] = h.thread(nil)
				h.setStatus(id[s], s)
			}
			for _, s := range states() {
				t.sameIDs("bare, "+s, t.Get("/api/threads?status="+s, h.Ann).OK().Pluck("", "id"), []string{id[s]})
				t.sameIDs("paged, "+s, t.Get("/api/threads?limit=9&status="+s, h.Ann).OK().Pluck("items", "id"), []string{id[s]})
				t.sameIDs("scope=org, "+s, t.Get("/api/threads?scope=org&status="+s, h.Cyd).OK().Pluck("items", "id"), []string{id[s]})
				t.sameIDs("org, "+s, t.Get("/api/org/threads?status="+s, h.Admin).OK().Pluck("", "id"), []string{id[s]})
				t.sameIDs("org paged, "+s, t.Get("/api/org/threads?limit=9&status="+s, h.Admin).OK().Pluck("items", "id"), []string{id[s]})
			}
			t.Get("/api/threads?status=", h.Ann).OK().Len("", 5)
			for _, bad := range []string{"open", "ACTIVE", "active,closed", "5"} {
				t.Get(query("/api/threads", "status", bad), h.Ann).Refused(400, "VALIDATION_ERROR")
				t.Get(query("/api/threads", "status", bad, "scope", "org"), h.Ann).Refused(400, "VALIDATION_ERROR")
				t.Get(query("/api/org/threads", "status", bad), h.Admin).Refused(400, "VALIDATION_ERROR")
			}
		}},
		{[]string{"B2B-THR-035", "B2B-ORGTHR-006"}, "topic search is literal and ignores ASCII case", topicSearch},
		{[]string{"B2B-THR-036", "B2B-THR-087"}, "the text of an org-wide search has at most 200 characters", func(t *T) {
			h := newFixture(t)
			t.Get(query("/api/threads", "scope", "org", "q", strings.Repeat("q", 200)), h.Ann).OK().Len("items", 0)
			t.Get(query("/api/threads", "scope", "org", "q", strings.Repeat("q", 201)), h.Ann).Refused(400, "VALIDATION_ERROR").errorContains("q too long")
			t.Get(query("/api/threads", "q", strings.Repeat("q", 201)), h.Ann).OK().Len("items", 0)
		}},
	}
}

func threadLists(t *T) {
	h := newFixture(t)
	visible := func(i int) string { return []string{"public", "members", "private"}[i%3] }
	var own, public []string // newest first
	for i := range 9 {
		r := h.create(J{"topic": fmt.Sprint("topic ", i), "visibility": visible(i), "participants": []string{}}).OK()
		own = append([]string{r.Str("id")}, own...)
		if visible(i) == "public" {
			public = append([]string{r.Str("id")}, public...)
		}
		t.tick()
	}
	bare := t.Get("/api/threads", h.Ann).OK()
	t.sameIDs("own threads", bare.Pluck("", "id"), own)
	bare.Shape("0", threadShape+" participant_count:i").Equal("0.participant_count", 1).Lacks("0.participants")
	t.Get("/api/threads?scope=mine&limit=&cursor=&q=", h.Ann).OK().Len("", 9)
	t.Get("/api/threads", h.Cyd).OK().Len("", 0)
	t.Get("/api/threads?limit=5", h.Cyd).OK().Len("items", 0).Equal("has_more", false)

	mine := func(limit int) func(string) *Response {
		return func(cursor string) *Response {
			return t.Get(query("/api/threads", "limit", fmt.Sprint(limit), "cursor", cursor), h.Ann)
		}
	}
	orgWide := func(c Caller, limit int) func(string) *Response {
		return func(cursor string) *Response {
			return t.Get(query("/api/threads", "scope", "org", "limit", fmt.Sprint(limit), "cursor", cursor), c)
		}
	}
	for _, limit := range []int{1, 2, 4, 9, 10} {
		t.sameIDs("own, paged", ids(t.pages("own threads", limit, "last_activity_at", mine(limit))), own)
		t.sameIDs("org-wide for the participant", ids(t.pages("org threads of ann", limit, "last_activity_at", orgWide(h.Ann, limit))), own)
		t.sameIDs("org-wide for another bot", ids(t.pages("org threads of cyd", limit, "last_activity_at", orgWide(h.Cyd, limit))), public)
		t.sameIDs("org-wide for the admin bot", ids(t.pages("org threads of admin", limit, "last_activity_at", orgWide(h.Admin, limit))), public)
	}
	row := orgWide(h.Cyd, 5)("").OK().Equal("items.0.is_participant", false).Equal("items.0.participant_count", 1).Lacks("items.0.participants")
	row.Shape("items.0", threadShape)
	orgWide(h.Ann, 5)("").OK().Equal("items.0.is_participant", true)

	t.say(h.Ann, own[8], "new activity in the oldest")
	want := append([]string{own[8]}, own[:8]...)
	t.sameIDs("after a message", t.Get("/api/threads", h.Ann).OK().Pluck("", "id"), want)
	t.sameIDs("after a message, paged", t.Get("/api/threads?limit=20", h.Ann).OK().Pluck("items", "id"), want)
	h.addParticipant(own[0], h.Cyd, nil)
	t.Get("/api/threads", h.Cyd).OK().Len("", 1).Equal("0.id", own[0]).Equal("0.participant_count", 2)
	t.sameIDs("org-wide after joining a private thread", orgWide(h.Cyd, 9)("").OK().Pluck("items", "id"), append([]string{own[8], own[0]}, public[:2]...))
}

func threadPageSizes(t *T) {
	h := newFixture(t)
	t.many(205, func(i int) { h.thread(J{"topic": fmt.Sprint("bulk ", i)}) })
	size := func(c Caller, at string, want int, path string) *Response {
		return t.Get(path, c).OK().Len(at, want)
	}
	size(h.Ann, "", 200, "/api/threads")
	size(h.Ann, "items", 50, "/api/threads?q=bulk")
	for _, s := range []struct {
		limit         string
		own, org, adm int
	}{{"0", 50, 20, 50}, {"abc", 50, 20, 50}, {"-3", 1, 1, 1}, {"2abc", 2, 2, 2}, {"30", 30, 30, 30}, {"51", 51, 50, 51}, {"500", 200, 50, 200}} {
		size(h.Ann, "items", s.own, "/api/threads?limit="+s.limit).Equal("has_more", true).Has("next_cursor")
		size(h.Cyd, "items", s.org, "/api/threads?scope=org&limit="+s.limit).Equal("has_more", true).Has("next_cursor")
		size(h.Admin, "items", s.adm, "/api/org/threads?limit="+s.limit).Equal("has_more", true).Has("next_cursor")
		size(h.Admin, "", s.adm, "/api/org/threads?offset=0&limit="+s.limit)
	}
	size(h.Cyd, "items", 20, "/api/threads?scope=org")
	size(h.Admin, "", 50, "/api/org/threads")
	size(h.Admin, "items", 50, "/api/org/threads?search=bulk")
	size(h.Admin, "", 5, "/api/org/threads?offset=200")
	size(h.Admin, "", 0, "/api/org/threads?offset=205&limit=5")

	for what, get := range map[string]func(string) *Response{
		"own threads": func(c string) *Response { return t.Get(query("/api/threads", "limit", "60", "cursor", c), h.Ann) },
		"org-wide threads": func(c string) *Response {
			return t.Get(query("/api/threads", "scope", "org", "limit", "45", "cursor", c), h.Cyd)
		},
		"admin's threads": func(c string) *Response { return t.Get(query("/api/org/threads", "limit", "60", "cursor", c), h.Admin) },
	} {
		limit := 60
		if what == "org-wide threads" {
			limit = 45
		}
		all := t.pages(what, limit, "last_activity_at", get)
		if n := len(slices.Compact(slices.Sorted(slices.Values(ids(all))))); n != 205 || len(all) != 205 {
			t.Errorf("%s: the pages have %d rows with %d ids, want each of 205 once", what, len(all), n)
		}
		if !slices.IsSortedFunc(all, newestFirst) {
			t.Errorf("%s: not ordered by last_activity_at and id, both descending", what)
		}
		first := ids(rows(get("").OK(), "items", "last_activity_at"))
		if what == "admin's threads" {
			continue // its page token is plain text
		}
		for _, cursor := range []string{"!!", "nonsense", "eyJ0IjoiYSJ9", "e30", "bm9qc29u"} {
			t.sameIDs(what+", malformed cursor "+cursor, ids(rows(get(cursor).OK(), "items", "last_activity_at")), first)
		}
	}
}

func topicSearch(t *T) {
	h := newFixture(t)
	topics := []string{"100% done", "1000 done", "a_b", "axb", `c:\dir`, "Release NOTES", "the release", "it's"}
	for _, topic := range topics {
		h.thread(J{"topic": topic})
	}
	for _, s := range []struct {
		q    string
		want []string
	}{
		{"%", topics[:1]}, {"0% d", topics[:1]}, {"_", []string{"a_b"}}, {"a_b", []string{"a_b"}}, {`\`, []string{`c:\dir`}}, {`:\d`, []string{`c:\dir`}}, {"'", []string{"it's"}},
		{"release", []string{"Release NOTES", "the release"}}, {"RELEASE", []string{"Release NOTES", "the release"}}, {"  notes ", []string{"Release NOTES"}}, {"%%", nil}, {"absent", nil},
	} {
		slices.Sort(s.want)
		for what, r := range map[string]*Response{
			"own":   t.Get(query("/api/threads", "q", s.q), h.Ann),
			"org":   t.Get(query("/api/threads", "q", s.q, "scope", "org"), h.Cyd),
			"admin": t.Get(query("/api/org/threads", "search", s.q), h.Admin),
		} {
			t.sameIDs(what+" search for "+s.q, slices.Sorted(slices.Values(r.OK().Pluck("items", "topic"))), s.want)
		}
	}
}
