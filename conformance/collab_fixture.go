package conformance

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// unusedID is a well-formed id that no object has.
const unusedID = "018f0000-0000-7000-8000-000000000000"

// fixture is an org with high limits and three members, for most checks of collaboration. Usually
// Ann creates the threads, Bob participates and Cyd does not.
type fixture struct {
	*Org
	Ann, Bob, Cyd *Bot
	lenientThread string          // the thread of the method lenient
	lenientCount  int             // number of artifacts in that thread
	extras        map[string]*Bot // by name; see extraBot
}

func newFixture(t *T) *fixture {
	h := &fixture{Org: t.Org()}
	h.Settings(J{"messages_per_minute_per_bot": 100000, "threads_per_hour_per_bot": 100000})
	h.Ann, h.Bob, h.Cyd = h.Bot("ann"), h.Bot("bob"), h.Bot("cyd")
	return h
}

// with returns a copy of base with the members of more added or replaced.
func with(base, more J) J {
	out := maps.Clone(base)
	if out == nil {
		out = J{}
	}
	maps.Copy(out, more)
	return out
}

// create posts a thread of Ann and Bob and returns the response. The fields add to or replace the
// defaults.
func (h *fixture) create(fields J) *Response {
	return h.t.Do("POST", "/api/threads", h.Ann, with(J{"topic": "work", "participants": []string{"bob"}}, fields))
}

// thread calls create, which must succeed, and returns the id.
func (h *fixture) thread(fields J) string { return h.create(fields).OK().Str("id") }

// thr and othr return paths below a thread: for bots, and for org admins.
func thr(id string, rest ...string) string  { return "/api/threads/" + id + strings.Join(rest, "") }
func othr(id string, rest ...string) string { return "/api/org/threads/" + id + strings.Join(rest, "") }

// query appends an encoded query of keys and values to path.
func query(path string, keyValues ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(keyValues); i += 2 {
		v.Add(keyValues[i], keyValues[i+1])
	}
	return path + "?" + v.Encode()
}

// say posts a thread message, which must succeed.
func (t *T) say(c Caller, thread, content string) *Response {
	return t.Do("POST", thr(thread, "/messages"), c, J{"content": content}).OK()
}

// dm posts a direct message, which must succeed.
func (t *T) dm(c Caller, to, content string) *Response {
	return t.Do("POST", "/api/send", c, J{"to": to, "content": content}).OK()
}

// patch changes a thread, which must succeed.
func (t *T) patch(c Caller, thread string, fields J) *Response {
	return t.Do("PATCH", thr(thread), c, fields).OK()
}

// addParticipant adds a bot with a label as an org admin, to whom no permission policy applies.
func (h *fixture) addParticipant(thread string, b *Bot, label any) {
	body := J{"bot_id": b.ID}
	if label != nil {
		body["label"] = label
	}
	h.t.Do("POST", othr(thread, "/participants"), h.Admin, body).OK()
}

// setStatus changes the status of an active thread.
func (h *fixture) setStatus(thread, state string) {
	switch state {
	case "active":
	case "closed":
		h.t.patch(h.Ann, thread, J{"status": "closed", "close_reason": "manual"})
	default:
		h.t.patch(h.Ann, thread, J{"status": state})
	}
}

// adminView returns the thread as an org admin reads it.
func (h *fixture) adminView(thread string) *Response { return h.t.Get(othr(thread), h.Admin).OK() }

// revision returns the revision of the thread.
func (h *fixture) revision(thread string) int { return int(h.adminView(thread).Num("revision")) }

// revisionGrows asserts that f increases the revision of the thread by the given number.
func (h *fixture) revisionGrows(thread string, by int, what string, f func()) {
	before := h.revision(thread)
	f()
	if got := h.revision(thread) - before; got != by {
		h.t.Errorf("%s adds %d to the revision, want %d", what, got, by)
	}
}

// sameThread asserts that r has the same thread as before. It ignores the participants, whose order
// can differ.
func (r *Response) sameThread(before *Response) *Response {
	was, ok := before.JSON.(map[string]any)
	if !ok {
		before.fatalf("want an object")
	}
	for k, v := range was {
		if k != "participants" {
			r.Equal(k, v)
		}
	}
	return r
}

// audited returns the newest audit entry of an action on a target. It ends the check if there is
// none.
func (h *fixture) audited(action, target string) map[string]any {
	return h.Audit(action).Find("", "target_id", target)
}

// auditedAs asserts the actor and the detail of the newest audit entry of an action on a target.
func (h *fixture) auditedAs(action, target string, actor any, detail J) {
	e := h.audited(action, target)
	if !reflect.DeepEqual(e["bot_id"], normal(actor)) {
		h.t.Errorf("audit %s: bot_id is %s, want %v", action, show(e["bot_id"]), actor)
	}
	got, ok := e["detail"].(map[string]any)
	if detail != nil && !ok {
		h.t.Errorf("audit %s: detail is %s, want an object", action, show(e["detail"]))
	}
	for k, want := range detail {
		if !reflect.DeepEqual(got[k], normal(want)) {
			h.t.Errorf("audit %s: detail.%s is %s, want %s", action, k, show(got[k]), show(want))
		}
	}
}

// notAudited asserts that no audit entry has the action on the target.
func (h *fixture) notAudited(action, target string) { h.Audit(action).Absent("", "target_id", target) }

// tick waits until the server has a later time in milliseconds.
func (t *T) tick() { t.Sleep(3 * time.Millisecond) }

// row has the values that decide the order of a list.
type row struct {
	id string
	at int64 // ms
}

// rows returns the ids and times of the objects in the array at path.
func rows(r *Response, path, timeKey string) []row {
	var out []row
	for _, e := range r.List(path) {
		one := &Response{t: r.t, request: r.request, Body: r.Body, status: r.status, JSON: e, isJSON: true}
		out = append(out, row{id: one.Str("id"), at: int64(one.Num(timeKey))})
	}
	return out
}

// newestFirst orders by time, then id, both descending.
func newestFirst(a, b row) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) }

// oldestFirst orders by time, then id.
func oldestFirst(a, b row) int { return newestFirst(b, a) }

func ids(list []row) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, r.id)
	}
	return out
}

// sameIDs asserts the ids and their order.
func (t *T) sameIDs(what string, got, want []string) {
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d ids %v, want %d ids %v", what, len(got), got, len(want), want)
	}
}

// pages follows next_cursor from the first page to the last and returns the ids and times of all
// elements. All pages except the last must be full.
func (t *T) pages(what string, limit int, timeKey string, get func(cursor string) *Response) []row {
	var all []row
	for cursor, n := "", 0; ; n++ {
		r := get(cursor).OK()
		page := rows(r, "items", timeKey)
		all = append(all, page...)
		if len(page) > limit {
			r.errorf("%s: %d items on a page of %d", what, len(page), limit)
		}
		if !r.Bool("has_more") {
			r.Lacks("next_cursor")
			return all
		}
		if len(page) < limit {
			r.errorf("%s: %d items on page %d of %d although more follow", what, len(page), n+1, limit)
		}
		cursor = r.Str("next_cursor")
		if n > 1000 {
			r.fatalf("%s: the pages do not end", what)
		}
	}
}

// requestID returns a new request_id.
func requestID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-a" + s[17:20] + "-" + s[20:]
}

// many calls f(0) … f(n-1), eight at the same time.
func (t *T) many(n int, f func(i int)) {
	t.Concurrently(8, func(w int) {
		for i := w; i < n; i += 8 {
			f(i)
		}
	})
}

// num returns the integer member of an element, or -1.
func num(e map[string]any, key string) int64 {
	n, ok := e[key].(interface{ Int64() (int64, error) })
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil {
		return -1
	}
	return i
}
