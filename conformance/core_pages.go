package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// pageChecks returns the checks of paging lists that are complete by default, and of the maximum
// size of a list.
func pageChecks() []Check {
	return []Check{
		{[]string{"B2B-LIM-011", "B2B-INBOX-002", "B2B-ORGTHR-010"}, "a list has at most 4 MiB and a Link to its next page", longLists},
		{[]string{"B2B-LIM-004"}, "lists that are complete by default can be read in pages", listPages},
	}
}

// pagedList is a list that is complete by default.
type pagedList struct {
	path   string
	as     Caller
	cursor func(r *Response, i int) string
	bad    string // a malformed page token
	shared bool   // other checks change the list concurrently
}

func listPages(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	id := t.Do("POST", "/api/threads", bot, J{"topic": "pages"}).OK().Str("id")
	for i := range 5 {
		peer := o.Bot(fmt.Sprintf("peer%d", i))
		t.Do("POST", "/api/send", bot, J{"to": peer.ID, "content": "hello"}).OK()
		t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}}).OK()
		t.Do("POST", "/api/threads/"+id+"/artifacts", bot, J{"artifact_key": fmt.Sprintf("key%d", i), "content": "1"}).OK()
		t.Do("PATCH", "/api/threads/"+id+"/artifacts/key0", bot, J{"content": fmt.Sprint(i)}).OK()
		t.Do("POST", "/api/platform/invite-codes", t.Super(), J{}).Status(201)
		t.Org()
	}
	pageToken := func(time string) func(*Response, int) string {
		return func(r *Response, i int) string {
			return fmt.Sprintf("%.0f%%7C%s", r.Num(fmt.Sprintf("%d.%s", i, time)), r.Str(fmt.Sprintf("%d.id", i)))
		}
	}
	text := func(key string) func(*Response, int) string {
		return func(r *Response, i int) string { return r.Str(fmt.Sprintf("%d.%s", i, key)) }
	}
	version := func(r *Response, i int) string { return fmt.Sprintf("%.0f", r.Num(fmt.Sprintf("%d.version", i))) }
	for _, l := range []pagedList{
		{"/api/orgs", t.Super(), pageToken("created_at"), "nonsense", true},
		{"/api/platform/invite-codes", t.Super(), pageToken("created_at"), "nonsense", true},
		{"/api/bots/worker/channels", bot, pageToken("last_activity_at"), "nonsense", false},
		{"/api/peers", bot, text("name"), "", false},
		{"/api/me/tokens", bot, pageToken("created_at"), "nonsense", false},
		{"/api/threads/" + id + "/artifacts", bot, text("artifact_key"), "", false},
		{"/api/threads/" + id + "/artifacts/key0/versions", bot, version, "nonsense", false},
	} {
		t.readsInPages(l)
	}
}

// readsInPages reads the list as a whole and in pages of two, which must have the same elements.
func (t *T) readsInPages(l pagedList) {
	whole := t.Get(l.path, l.as).OK()
	var got []string
	for cursor := ""; len(got) < 10_000; {
		r := t.Get(l.path+"?limit=2&cursor="+cursor, l.as).OK()
		n := len(r.List(""))
		if n > 2 {
			t.Errorf("%s: a page of 2 has %d entries", r, n)
		}
		got = append(got, r.Pluck("", "id")...)
		if n < 2 || l.shared && len(got) >= 6 {
			break
		}
		cursor = l.cursor(r, n-1)
	}
	want := whole.Pluck("", "id")
	if strings.HasSuffix(l.path, "/artifacts") {
		slices.Sort(got)
		slices.Sort(want)
	}
	if l.shared { // other checks create codes and orgs
		if len(got) < 4 || slices.Contains(got[1:], got[0]) {
			t.Errorf("%s: the pages have %v", l.path, got)
		}
	} else if !slices.Equal(got, want) {
		t.Errorf("%s: the pages have %v, the list has %v", l.path, got, want)
	}
	t.Get(l.path+"?limit=0", l.as).OK()
	t.Get(l.path+"?limit=-5", l.as).OK().Len("", 1)
	if l.bad != "" {
		t.Get(l.path+"?cursor="+l.bad, l.as).Refused(400, "VALIDATION_ERROR")
	}
}
