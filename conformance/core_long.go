package conformance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// longBody is the maximum size of the body of a list, in bytes.
const longBody = 4 << 20

// longLists fills lists with texts of 900 KB and reads them by following their Link headers.
func longLists(t *T) {
	h := newFixture(t)
	const n = 6
	id, short := h.thread(nil), h.thread(nil)
	text := strings.Repeat("x", 900_000)
	part := J{"parts": []J{{"type": "json", "content": J{"k": text}}}, "content": "needle " + strings.Repeat("é", 60_000)}
	for i := range n {
		t.Do("POST", thr(id, "/messages"), h.Ann, part).OK()
		t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "parts": part["parts"], "content": "x"}).OK()
		t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": fmt.Sprintf("key%d", i), "content": text}).OK()
		t.Do("PATCH", thr(id, "/artifacts/key0"), h.Ann, J{"content": text}).OK()
		t.Do("POST", thr(short, "/messages"), h.Ann, J{"content": "short"}).OK()
		t.Do("POST", thr(short, "/artifacts"), h.Ann, J{"artifact_key": fmt.Sprint("key", i), "content": "short"}).OK()
		t.tick()
	}
	for i := range 3 * n { // a context can have at most 256 KiB
		t.Do("POST", "/api/threads", h.Ann, J{"topic": fmt.Sprint("long ", i), "context": strings.Repeat("c", 260_000)}).OK()
	}
	channel := t.Get("/api/bots/ann/channels", h.Ann).OK().Str("0.id")
	path := func(list string) string { return thr(id, list) }
	for _, l := range []struct {
		path  string
		as    Caller
		list  string // path of the array; "" for a bare array
		key   string
		n     int
		paged bool // the pages after the bare array are objects
	}{
		{path("/messages"), h.Ann, "", "id", n, true},
		{path("/messages?cursor="), h.Ann, "items", "id", n, false},
		{path("/artifacts"), h.Ann, "", "artifact_key", n, false},
		{path("/artifacts?limit=100"), h.Ann, "", "artifact_key", n, false},
		{path("/artifacts/key0/versions"), h.Ann, "", "version", n + 1, false},
		{"/api/org/threads/" + id + "/messages", h.Admin, "", "id", n, true},
		{"/api/org/threads/" + id + "/messages?before=none", h.Admin, "messages", "id", n, false},
		{"/api/org/threads/" + id + "/artifacts", h.Admin, "", "artifact_key", n, false},
		{"/api/org/threads/" + id + "/artifacts?limit=100", h.Admin, "items", "artifact_key", n, false},
		{"/api/channels/" + channel + "/messages", h.Ann, "", "id", n, true},
		{"/api/channels/" + channel + "/messages?before=none", h.Ann, "messages", "id", n, false},
		{"/api/inbox?since=1", h.Bob, "", "id", n, false},
		{"/api/threads", h.Ann, "", "id", 3*n + 2, true},
		{"/api/threads?limit=100", h.Ann, "items", "id", 3*n + 2, false},
		{"/api/org/threads", h.Admin, "", "id", 3*n + 2, true},
	} {
		t.readAll(l.path, l.as, l.list, l.key, l.n, l.paged)
	}
	for _, quiet := range []string{"/messages", "/artifacts", "/artifacts/key0/versions"} {
		if link := t.Get(thr(short, quiet), h.Ann).OK().Header.Get("Link"); link != "" {
			t.Errorf("%s of a short thread has the Link %s", quiet, link)
		}
	}
	found := t.Get("/api/org/search?q=needle", h.Admin).OK().Len("messages", n)
	if link := found.Header.Get("Link"); link != "" {
		t.Errorf("%s: all messages were found, but the response has the Link %s", found, link)
	}
	for range 16 {
		t.say(h.Ann, short, "needle")
	}
	t.readAll("/api/org/search?q=needle", h.Admin, "messages", "message_id", n+16, false)
}

var nextLink = regexp.MustCompile(`^<(\?[^>]*)>; rel="next"$`)

// readAll reads a list to its end and asserts n entries, in more than one page of at most 4 MiB.
func (t *T) readAll(path string, as Caller, list, key string, n int, paged bool) {
	base, _, _ := strings.Cut(path, "?")
	var got []string
	for at, pages := path, 0; ; pages++ {
		r := t.Get(at, as).OK()
		name := list
		if paged && pages > 0 { // further pages are objects
			if name = "items"; strings.Contains(at, "before=") {
				name = "messages"
			}
		}
		var keys []string
		for _, e := range r.List(name) {
			entry, _ := e.(map[string]any)
			keys = append(keys, fmt.Sprint(entry[key]))
		}
		if len(r.Body) > longBody {
			t.Errorf("%s: the body has %d bytes with %d entries, want at most 4 MiB", r, len(r.Body), len(keys))
			return
		}
		for _, k := range keys {
			if slices.Contains(got, k) {
				t.Errorf("%s: %s appears twice", r, k)
			}
			got = append(got, k)
		}
		link := nextLink.FindStringSubmatch(r.Header.Get("Link"))
		if list == "items" && (link != nil) != r.Bool("has_more") {
			t.Errorf("%s: has_more is %v, Link %q", r, r.Bool("has_more"), r.Header.Get("Link"))
		}
		if link == nil || pages > n {
			if pages == 0 {
				t.Errorf("%s: %d entries in one page", r, len(got))
			}
			break
		}
		at = base + link[1]
	}
	if len(got) != n {
		t.Errorf("%s: %d entries, want %d", path, len(got), n)
	}
}
