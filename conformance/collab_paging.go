package conformance

import (
	"fmt"
	"slices"
	"strconv"
)

func pagingChecks() []Check {
	return []Check{
		{[]string{"B2B-MSG-050", "B2B-MSG-051", "B2B-MSG-052", "B2B-MSG-055", "B2B-MSG-057"}, "thread messages can be paged by time and by page token", threadHistory},
		{[]string{"B2B-MSG-058", "B2B-MSG-059", "B2B-MSG-057"}, "channel messages can be paged by time and by id", channelPages},
		{[]string{"B2B-MSG-057"}, "a message id of another thread or channel is not a page token", foreignPageTokens},
		{[]string{"B2B-ORGTHR-008"}, "org admins can page thread messages by time and by id", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			for i := range 7 {
				t.say([]*Bot{h.Ann, h.Bob}[i%2], id, fmt.Sprint("m", i))
				t.tick()
			}
			t.pagesByID(othr(id, "/messages"), h.Admin, 7)
			list := t.Get(othr(id, "/messages"), h.Human()).OK().Len("", 7)
			t.Shape("org row", list.List("")[0], messageShape)
		}},
		{[]string{"B2B-MSG-053", "B2B-MSG-054", "B2B-MSG-056", "B2B-ORGTHR-008"}, "invalid page sizes and times get default values", invalidPageQueries},
	}
}

func channelPages(t *T) {
	h := newFixture(t)
	ch := t.dm(h.Ann, "bob", "m0").Str("channel_id")
	for i := 1; i < 7; i++ {
		t.tick()
		t.dm([]*Bot{h.Ann, h.Bob}[i%2], []string{"bob", "ann"}[i%2], fmt.Sprint("m", i))
	}
	t.pagesByID("/api/channels/"+ch+"/messages", h.Bob, 7)
	t.pagesByID("/api/channels/"+ch+"/messages", h.Human(), 7)
	for before, n := range map[string]int{"9e15": 7, "+9000000000000000": 7, "Infinity": 7, "0x10": 0, " ": 0, "-1": 0} {
		t.Get(query("/api/channels/"+ch+"/messages", "before", before), h.Bob).OK().Len("", n)
	}
	for _, before := range []string{"9abc", "1_000", "inf"} { // ids that no message has
		t.Get(query("/api/channels/"+ch+"/messages", "before", before), h.Bob).OK().Len("messages", 7)
	}
}

func foreignPageTokens(t *T) {
	h := newFixture(t)
	id, other := h.thread(nil), h.thread(nil)
	old := t.say(h.Ann, other, "first, elsewhere").Str("id")
	dm := t.dm(h.Ann, "bob", "first, in a channel").Str("message.id")
	t.tick()
	t.say(h.Ann, id, "second")
	for _, foreign := range []string{old, dm} {
		t.Get(query(thr(id, "/messages"), "cursor", foreign), h.Ann).OK().Len("items", 1)
		t.Get(query(othr(id, "/messages"), "before", foreign), h.Admin).OK().Len("messages", 1)
	}
	ch := t.dm(h.Ann, "bob", "third").Str("channel_id")
	t.Get(query("/api/channels/"+ch+"/messages", "before", old), h.Bob).OK().Len("messages", 2)
}

func invalidPageQueries(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	ch := t.dm(h.Ann, "bob", "m0").Str("channel_id")
	t.say(h.Ann, id, "m0")
	t.many(204, func(i int) { t.dm(h.Ann, "bob", fmt.Sprint("m", i)) })
	t.many(204, func(i int) { t.say(h.Ann, id, fmt.Sprint("m", i)) })
	for path, c := range map[string]Caller{thr(id, "/messages"): h.Bob, "/api/channels/" + ch + "/messages": h.Bob, othr(id, "/messages"): h.Admin} {
		t.readsLeniently(path, c)
	}
	t.cursorSizes(thr(id, "/messages"), h.Bob)
	for path, c := range map[string]Caller{"/api/channels/" + ch + "/messages": h.Bob, othr(id, "/messages"): h.Admin} {
		newest := rows(t.Get(query(path, "before", unusedID, "limit", "1"), c).OK(), "messages", "created_at")
		for _, s := range []struct {
			limit string
			want  int
		}{{"", 50}, {"0", 50}, {"abc", 50}, {"500", 200}, {"-3", 1}, {"2abc", 2}} {
			r := t.Get(query(path, "before", newest[0].id, "limit", s.limit), c).OK().Len("messages", s.want).Equal("has_more", true)
			if list := rows(r, "messages", "created_at"); !slices.IsSortedFunc(list, newestFirst) || slices.Contains(list, newest[0]) {
				r.errorf("the messages are not those before %s, newest first", newest[0].id)
			}
		}
	}
}

// readsLeniently checks the parameters limit, since and before for a bare array of 205 messages.
func (t *T) readsLeniently(path string, c Caller) {
	for _, s := range []struct {
		limit string
		want  int
	}{{"", 50}, {"0", 50}, {"abc", 50}, {"200", 200}, {"500", 200}, {"-3", 1}, {"2abc", 2}, {"7", 7}} {
		t.Get(query(path, "limit", s.limit), c).OK().Len("", s.want)
		t.Get(query(path, "limit", s.limit, "before", ""), c).OK().Len("", s.want)
	}
	t.Get(path, c).OK().Len("", 50)
	newest := rows(t.Get(path+"?limit=5", c).OK(), "", "created_at")
	all := rows(t.Get(path+"?limit=5&since=0", c).OK(), "", "created_at")
	var was, got []int64
	for i := range newest {
		was, got = append(was, newest[i].at), append(got, all[i].at)
	}
	if !slices.Equal(was, got) || !slices.IsSorted(got) {
		t.Errorf("%s: since=0 with limit returns messages of %v, want the newest %v, oldest first", path, got, was)
	}
	for _, since := range []string{"", "abc", "null"} {
		t.Get(query(path, "since", since), c).Refused(400, "VALIDATION_ERROR")
	}
}

// cursorSizes checks the parameter limit with page tokens, for more messages than one page can
// have.
func (t *T) cursorSizes(path string, c Caller) {
	for _, s := range []struct {
		limit string
		want  int
	}{{"", 50}, {"0", 50}, {"abc", 50}, {"500", 200}, {"-3", 1}, {"2abc", 2}} {
		t.Get(query(path, "cursor", "", "limit", s.limit), c).OK().Len("items", s.want).Equal("has_more", true).Has("next_cursor")
	}
	all := t.pages(path, 40, "created_at", func(cursor string) *Response { return t.Get(query(path, "cursor", cursor, "limit", "40"), c) })
	if len(all) != 205 || len(slices.Compact(slices.Sorted(slices.Values(ids(all))))) != 205 {
		t.Errorf("%s: the pages have %d messages, want each of 205 once", path, len(all))
	}
	if !slices.IsSortedFunc(all, newestFirst) {
		t.Errorf("%s: messages written at the same time are not ordered by created_at and id, both descending", path)
	}
}

func threadHistory(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	var sent []row // oldest first
	for i := range 7 {
		r := t.say([]*Bot{h.Ann, h.Bob}[i%2], id, fmt.Sprint("m", i))
		sent = append(sent, row{r.Str("id"), int64(r.Num("created_at"))})
		t.tick()
	}
	path := thr(id, "/messages")
	t.bounds(path, h.Bob, sent)
	for _, before := range []string{"abc", unusedID, sent[3].id} {
		t.Get(query(path, "before", before), h.Bob).OK().Len("", 0)
	}

	newest := slices.Clone(sent)
	slices.Reverse(newest)
	get := func(limit string) func(string) *Response {
		return func(cursor string) *Response { return t.Get(query(path, "cursor", cursor, "limit", limit), h.Bob) }
	}
	for _, limit := range []int{1, 3, 6, 7, 8} {
		t.sameIDs("all pages", ids(t.pages("thread messages", limit, "created_at", get(strconv.Itoa(limit)))), ids(newest))
	}
	page := get("3")("").OK().Equal("has_more", true)
	if got := page.Str("next_cursor"); got != newest[2].id {
		page.errorf("next_cursor is not the id of the last item")
	}
	get("7")("").OK().Equal("has_more", false).Lacks("next_cursor")
	for _, cursor := range []string{unusedID, "nonsense", "!!"} {
		t.sameIDs("cursor "+cursor, ids(rows(get("3")(cursor).OK(), "items", "created_at")), ids(newest[:3]))
	}
}

// bounds checks a bare array with limit, before and since. The array and sent are oldest first.
func (t *T) bounds(path string, c Caller, sent []row) {
	n := len(sent)
	at := func(i int) string { return strconv.FormatInt(sent[i].at, 10) }
	for _, s := range []struct {
		query []string
		want  []row
	}{
		{nil, sent}, {[]string{"limit", "3"}, sent[n-3:]}, {[]string{"limit", "1"}, sent[n-1:]},
		{[]string{"before", at(4)}, sent[:4]}, {[]string{"before", at(4), "limit", "2"}, sent[2:4]}, {[]string{"before", at(0)}, nil}, {[]string{"before", ""}, sent},
		{[]string{"since", at(2)}, sent[3:]}, {[]string{"since", at(n - 1)}, nil}, {[]string{"since", "0"}, sent}, {[]string{"since", at(1), "limit", "2"}, sent[n-2:]},
		{[]string{"since", at(1), "before", at(4)}, sent[2:4]}, {[]string{"since", at(0), "before", at(5), "limit", "2"}, sent[3:5]},
	} {
		r := t.Get(query(path, s.query...), c).OK()
		t.sameIDs(r.request, ids(rows(r, "", "created_at")), ids(s.want))
	}
}

// pagesByID checks a history of n messages by time and by id, as the channel and org endpoints
// page.
func (t *T) pagesByID(path string, c Caller, n int) {
	sent := rows(t.Get(path, c).OK().Len("", n), "", "created_at")
	if !slices.IsSortedFunc(sent, oldestFirst) {
		t.Errorf("%s: the bare array is not oldest first", path)
	}
	t.bounds(path, c, sent)
	newest := slices.Clone(sent)
	slices.Reverse(newest)
	for _, unknown := range []string{unusedID, "nonsense"} {
		r := t.Get(query(path, "before", unknown, "limit", "3"), c).OK().Equal("has_more", true).Lacks("next_cursor")
		t.sameIDs("before an unknown id", ids(rows(r, "messages", "created_at")), ids(newest[:3]))
	}
	got := ids(newest[:1])
	for range n {
		r := t.Get(query(path, "before", got[len(got)-1], "limit", "2"), c).OK()
		page := ids(rows(r, "messages", "created_at"))
		if r.Bool("has_more") != (len(got)+len(page) < n) {
			r.errorf("has_more is wrong after %d of %d rows", len(got)+len(page), n)
		}
		if got = append(got, page...); !r.Bool("has_more") {
			break
		}
	}
	t.sameIDs("pages by id", got, ids(newest))
}
