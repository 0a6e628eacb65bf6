package conformance

import (
	"fmt"
	"slices"
	"strings"
)

const hitShape = "kind:=message|thread|artifact|bot|file id:s at:i highlights:a"

// searchChecks returns the checks of the profile search.
func searchChecks() []Check {
	return []Check{
		{[]string{"B2B-SRCH-001", "B2B-SRCH-002", "B2B-SRCH-009", "B2B-SRCH-010", "B2B-SRCH-020"}, "messages, threads, artifacts and bots are found by their words", searchKinds},
		{[]string{"B2B-SRCH-003"}, "a caller finds what it may read, and nothing else", searchAccess},
		{[]string{"B2B-SRCH-002", "B2B-SRCH-003", "B2B-FILE-020"}, "files are found by their names, by those who may know of them", searchFiles},
		{[]string{"B2B-SRCH-004"}, "what was left, removed or changed is found no longer", searchGone},
		{[]string{"B2B-SRCH-005", "B2B-SRCH-006", "B2B-SRCH-007", "B2B-SRCH-011"}, "the words of English, Chinese and code are found, newest first", searchCorpus},
		{[]string{"B2B-SRCH-005", "B2B-SRCH-008"}, "a query is never syntax", searchHostile},
		{[]string{"B2B-SRCH-009"}, "results are filtered by kind, place, author and time", searchFilters},
		{[]string{"B2B-SRCH-011", "B2B-SRCH-012", "B2B-SRCH-013"}, "pages yield every result once, whatever comes meanwhile", searchPages},
		{[]string{"B2B-SRCH-021"}, "the beginning of long texts is searched", searchLong},
	}
}

// search searches.
func (t *T) search(by Caller, q string, keyValues ...string) *Response {
	return t.Get(query("/api/search", append([]string{"q", q}, keyValues...)...), by)
}

// found returns the ids of what is found.
func (t *T) found(by Caller, q string, keyValues ...string) []string {
	return t.search(by, q, keyValues...).OK().Pluck("items", "id")
}

// indexed waits until a search finds exactly these ids, in this order.
func (t *T) indexed(by Caller, q string, want ...string) {
	var got []string
	t.eventually(soon, fmt.Sprintf("a search for %s does not find %v", q, want), func() bool {
		got = t.found(by, q)
		return slices.Equal(got, want)
	})
}

func searchKinds(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	t.Do("PATCH", "/api/me/profile", bob, J{"bio": "knows every Zebrafish", "tags": []string{"tab\tdanio"}}).OK()
	thread := t.Do("POST", "/api/threads", ann, J{"topic": "About zebrafish", "participants": []string{"bob"}}).OK().Str("id")
	message := t.say(ann, thread, "The zebrafish\nswims").OK().Str("id")
	dm := t.dm(ann, "bob", "zebrafish again").OK()
	artifact := t.Do("POST", thr(thread, "/artifacts"), bob, J{"artifact_key": "zebra", "type": "markdown", "title": "Zebrafish", "content": "striped"}).OK().Str("id")
	next := t.Do("PATCH", thr(thread, "/artifacts/zebra"), bob, J{"content": "zebrafish are striped"}).OK().Str("id")
	want := []string{next, artifact, dm.Str("message.id"), message, thread, bob.ID}
	t.indexed(o.Human(), "zebrafish", want...)
	r := t.search(o.Human(), "ZEBRAFISH").OK().Shape("", "items:a has_more:b index:o !cursor").Shape("index", "complete:b behind:i")
	for i := range want {
		r.Shape(fmt.Sprint("items.", i), hitShape)
	}
	t.has(r, J{"has_more": false})
	t.eventually(soon, "the index is not complete", func() bool {
		r := t.search(o.Human(), "zebrafish").OK()
		return r.Bool("index.complete") && r.Num("index.behind") == 0
	})
	kinds := r.Pluck("items", "kind")
	if !slices.Equal(kinds, []string{"artifact", "artifact", "message", "message", "thread", "bot"}) {
		t.Errorf("%s: the kinds are %v", r, kinds)
	}
	r.Equal("items.0.version", 2).Equal("items.0.current", true).Equal("items.0.name", "zebra").Equal("items.0.thread_topic", "About zebrafish")
	r.Equal("items.1.version", 1).Equal("items.1.current", false).Equal("items.1.title", "Zebrafish").Equal("items.1.author_id", bob.ID)
	r.Equal("items.2.channel_id", dm.Str("channel_id")).Equal("items.3.thread_id", thread).Equal("items.3.author_name", "ann")
	r.Equal("items.3.highlights.0.field", "content").Equal("items.3.highlights.0.fragments.0.text", "The ").Equal("items.3.highlights.0.fragments.0.hit", false).
		Equal("items.3.highlights.0.fragments.1.text", "zebrafish").Equal("items.3.highlights.0.fragments.1.hit", true).
		Equal("items.3.highlights.0.fragments.2.text", " swims")
	r.Equal("items.4.highlights.0.field", "topic").Equal("items.5.highlights.0.field", "bio").Equal("items.5.name", "bob")
	t.search(ann, "danio").OK().Equal("items.0.id", bob.ID).Equal("items.0.highlights.0.fragments.1.text", "danio")
	t.search(ann, "zebrafish", "channel_id", thread).OK().Len("items", 0)
	t.search(ann, "zebrafish", "thread_id", dm.Str("channel_id")).OK().Len("items", 0)
}

func searchAccess(t *T) {
	h := newFixture(t)
	cyd := h.Cyd
	private := t.Do("POST", "/api/threads", h.Ann, J{"topic": "quokka plan", "participants": []string{"bob"}, "visibility": "private"}).OK().Str("id")
	public := t.Do("POST", "/api/threads", h.Ann, J{"topic": "quokka talk", "visibility": "public"}).OK().Str("id")
	secret := t.say(h.Ann, private, "quokka one").OK().Str("id")
	open := t.say(h.Ann, public, "quokka two").OK().Str("id")
	dm := t.dm(h.Ann, "bob", "quokka three").OK().Str("message.id")
	t.indexed(h.Human(), "quokka", dm, open, secret, public, private)
	t.indexed(h.Ann, "quokka", dm, open, secret, public, private)
	t.indexed(h.Bob, "quokka", dm, secret, public, private)
	t.indexed(cyd, "quokka", public)
	t.indexed(cyd.Scoped("read"), "quokka", public)
	t.indexed(h.Admin, "quokka", open, secret, public, private)
	t.indexed(h.Admin.Scoped("read"), "quokka", public)
	t.search(cyd.Scoped("message", "thread"), "quokka").Refused(403, "INSUFFICIENT_SCOPE")
	t.search(t.Super(), "quokka").Refused(403, "FORBIDDEN")
	t.search(nil, "quokka").Refused(401, "AUTH_REQUIRED")
	other := t.Org()
	t.search(other.Human(), "quokka").OK().Len("items", 0)
	t.search(other.Bot("eve"), "quokka", "thread_id", private).OK().Len("items", 0)
	t.search(cyd, "quokka", "thread_id", private).OK().Len("items", 0)
}

func searchFiles(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "files", "participants": []string{"bob"}, "visibility": "private"}).OK().Str("id")
	own := upload(t, h.Ann, "quokka-own.txt", "text/plain", "x").OK().Str("id")
	shared := upload(t, h.Ann, "quokka-shared.txt", "text/plain", "x").OK().Str("id")
	t.say(h.Ann, thread, "see /api/files/"+shared).OK()
	t.indexed(h.Human(), "quokka", shared, own)
	t.indexed(h.Ann, "quokka", shared, own)
	t.indexed(h.Bob, "quokka", shared)
	t.search(h.Ann, "quokka shared").OK().Len("items", 1).Equal("items.0.name", "quokka-shared.txt").Equal("items.0.author_name", "ann").Shape("items.0", hitShape)
	for _, other := range []Caller{h.Cyd, h.Admin, t.Org().Human()} {
		if got := t.found(other, "quokka"); len(got) != 0 {
			t.Errorf("who may not know of the files finds %v", got)
		}
	}
}

func searchGone(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "wombat", "participants": []string{"bob"}, "visibility": "private"}).OK().Str("id")
	message := t.say(h.Ann, thread, "wombat first").OK().Str("id")
	t.indexed(h.Bob, "wombat", message, thread)
	t.Do("DELETE", thr(thread, "/participants/"+h.Bob.ID), h.Bob, nil).OK()
	if got := t.found(h.Bob, "wombat"); len(got) != 0 {
		t.Errorf("a bot that left finds %v", got)
	}
	t.indexed(h.Ann, "wombat", message, thread)
	cyd := h.Org.Bot("wombat-keeper")
	t.Do("POST", thr(thread, "/participants"), h.Ann, J{"bot_id": cyd.ID}).OK()
	t.indexed(cyd, "wombat", cyd.ID, message, thread)
	t.patch(h.Ann, thread, J{"topic": "echidna"}).OK()
	if got := t.found(h.Ann, "wombat"); slices.Contains(got, thread) {
		t.Errorf("a thread is found by its former topic: %v", got)
	}
	t.indexed(h.Ann, "echidna", thread)
	t.Do("DELETE", "/api/bots/"+cyd.ID, h.Admin, nil).OK()
	if got := t.found(h.Ann, "wombat"); !slices.Equal(got, []string{message}) {
		t.Errorf("after the deletion of a bot %v is found, want %v", got, message)
	}
}

// searchTexts is a corpus of messages, and searchCases which of them queries find.
var (
	searchTexts = []string{
		"The deployment of the payment service failed.",                     // 0
		"Deploy the payment service again, please.",                         // 1
		"Über naïve Lösungen: die Straße ist gesperrt.",                     // 2
		"支付服务的数据库需要备份。",                                                     // 3
		"数据已经备份到服务器。",                                                       // 4
		"データベースのバックアップ",                                                     // 5
		"서버 데이터베이스 점검",                                                      // 6
		"สำรองฐานข้อมูล",                                                    // 7
		"func (s *Server) parseHTTPRequest(r *http.Request) error",          // 8
		"call parse_http_request() in user_id_test.py",                      // 9
		"SELECT * FROM users WHERE name = 'x' OR 1=1; -- payment",           // 10
		"see report-2026.pdf and https://example.org/payment/service?id=42", // 11
	}
	searchCases = []struct {
		q    string
		want []int
	}{
		{"payment", []int{11, 10, 1, 0}}, {"PAYMENT service", []int{11, 1, 0}}, {`"payment service"`, []int{11, 1, 0}}, {`"service payment"`, nil},
		{"deploy", []int{1}}, {"uber losungen", []int{2}}, {"STRASSE", []int{2}}, {"naive", []int{2}},
		{"数据库", []int{3}}, {"数据", []int{4, 3}}, {"备份", []int{4, 3}}, {"备份 数据库", []int{3}}, {"库", []int{3}}, {"据备", nil},
		{"バックアップ", []int{5}}, {"데이터", []int{6}}, {"ข้อมูล", []int{7}},
		{"parseHTTPRequest", []int{9, 8}}, {"parsehttprequest", []int{8}}, {"http request", []int{9, 8}}, {"parse_http_request", []int{9, 8}}, {"HTTPRequest", []int{9, 8}},
		{"user_id", []int{9}}, {"users", []int{10}}, {"1=1", []int{10}}, {"report-2026.pdf", []int{11}}, {"example.org", []int{11}}, {"absent", nil},
	}
)

func searchCorpus(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "corpus"}).OK().Str("id")
	ids := make([]string, len(searchTexts))
	for i, text := range searchTexts {
		ids[i] = t.say(h.Ann, thread, text).OK().Str("id")
	}
	parts := t.Do("POST", thr(thread, "/messages"), h.Ann, J{"content": "look", "parts": []J{
		{"type": "markdown", "content": "# Axolotl"}, {"type": "json", "content": J{"kind": []string{"amphibian"}}},
	}}).OK().Str("id")
	t.indexed(h.Ann, "axolotl amphibian look", parts)
	t.indexed(h.Ann, "example", ids[11])
	for _, c := range searchCases {
		want := make([]string, len(c.want))
		for i, n := range c.want {
			want[i] = ids[n]
		}
		if got := t.found(h.Ann, c.q); !slices.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", c.q, got, want)
		}
	}
}

func searchHostile(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "syntax"}).OK().Str("id")
	message := t.say(h.Ann, thread, "near and or not alpha beta").OK().Str("id")
	t.indexed(h.Ann, "alpha", message)
	for _, q := range []string{
		`alpha"`, `"alpha beta`, "alpha*", "*alpha", "NEAR(alpha)", "alpha:beta", "-alpha", "content:", "alpha AND beta", "(alpha", "^alpha.*$", "alpha' OR '1'='1",
		"alpha'; DROP TABLE search_docs; --", "alpha & !beta", "alpha <-> beta", "%alpha%", `\alpha`, "ａｌｐｈａ", "alpha\u200b", "{alpha}", "$1 alpha", "alpha??",
	} {
		t.search(h.Ann, q).OK()
	}
	for _, q := range []string{`"alpha beta`, "alpha*", "NEAR alpha", "-alpha", "(alpha", "%alpha%", `\alpha`, "ａｌｐｈａ", "alpha AND beta"} {
		if got := t.found(h.Ann, q); !slices.Equal(got, []string{message}) {
			t.Errorf("%s finds %v, want the message", q, got)
		}
	}
	for _, q := range []string{"", " ", `""`, ".*", "%", "😀", "' -- ;", strings.Repeat("a", 401), strings.Repeat("a ", 17)} {
		t.search(h.Ann, q).Refused(400, "VALIDATION_ERROR")
	}
	t.search(h.Ann, strings.Repeat("a ", 16)).OK().Len("items", 0)
	t.search(h.Ann, strings.Repeat("数", 400)).OK().Len("items", 0)
	t.Get("/api/search", h.Ann).Refused(400, "VALIDATION_ERROR")
	for _, kv := range [][]string{{"kinds", "message,secret"}, {"cursor", "none"}, {"cursor", "n.1"}, {"cursor", "n.1.-5"}, {"cursor", "b.1.2.3.4.5"}, {"sort", "worst"}, {"since", "soon"}} {
		t.search(h.Ann, "alpha", kv...).Refused(400, "VALIDATION_ERROR")
	}
	t.search(h.Ann, "alpha", "author", "nobody").Refused(404, "NOT_FOUND")
}

func searchFilters(t *T) {
	h := newFixture(t)
	one := t.Do("POST", "/api/threads", h.Ann, J{"topic": "ibis one", "participants": []string{"bob"}}).OK().Str("id")
	two := t.Do("POST", "/api/threads", h.Ann, J{"topic": "ibis two"}).OK().Str("id")
	a := t.say(h.Ann, one, "ibis").OK()
	t.tick()
	b := t.say(h.Bob, one, "ibis").OK()
	t.tick()
	c := t.say(h.Ann, two, "ibis").OK().Str("id")
	dm := t.dm(h.Bob, "ann", "ibis").OK()
	art := t.Do("POST", thr(one, "/artifacts"), h.Ann, J{"artifact_key": "ibis", "content": "x"}).OK().Str("id")
	t.indexed(h.Ann, "ibis", art, dm.Str("message.id"), c, b.Str("id"), a.Str("id"), two, one)
	at := fmt.Sprintf("%.0f", b.Num("created_at"))
	for _, f := range []struct {
		filter []string
		want   []string
	}{
		{[]string{"kinds", "message"}, []string{dm.Str("message.id"), c, b.Str("id"), a.Str("id")}},
		{[]string{"kinds", "thread,artifact"}, []string{art, two, one}},
		{[]string{"kinds", "bot"}, nil},
		{[]string{"thread_id", one}, []string{art, b.Str("id"), a.Str("id"), one}},
		{[]string{"channel_id", dm.Str("channel_id")}, []string{dm.Str("message.id")}},
		{[]string{"author", "bob"}, []string{dm.Str("message.id"), b.Str("id")}},
		{[]string{"author", h.Bob.ID, "kinds", "message", "thread_id", one}, []string{b.Str("id")}},
		{[]string{"since", at, "thread_id", one, "kinds", "message"}, []string{b.Str("id")}},
		{[]string{"until", at, "thread_id", one, "kinds", "message"}, []string{a.Str("id")}},
		{[]string{"since", at, "until", at}, nil},
		{[]string{"thread_id", unusedID}, nil},
	} {
		if got := t.found(h.Ann, "ibis", f.filter...); !slices.Equal(got, f.want) {
			t.Errorf("with %v %v is found, want %v", f.filter, got, f.want)
		}
	}
}

func searchPages(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "pages"}).OK().Str("id")
	var ids []string // newest first
	for i := range 25 {
		text := "heron"
		if i%5 == 0 {
			text = "heron heron bird"
		}
		ids = slices.Insert(ids, 0, t.say(h.Ann, thread, text).OK().Str("id"))
	}
	t.eventually(soon, "the messages are not found", func() bool { return len(t.found(h.Ann, "heron", "limit", "100")) == len(ids) })
	for _, sort := range []string{"newest", "best"} {
		var got []string
		cursor := ""
		for page := 0; ; page++ {
			r := t.search(h.Ann, "heron", "limit", "4", "sort", sort, "cursor", cursor).OK()
			got = append(got, r.Pluck("items", "id")...)
			if page == 1 { // what comes meanwhile disturbs no page
				late := t.say(h.Ann, thread, "heron "+sort).OK().Str("id")
				t.eventually(soon, "a new message is not found", func() bool { return slices.Contains(t.found(h.Ann, "heron", "limit", "1"), late) })
			}
			if !r.Bool("has_more") {
				break
			}
			cursor = r.Str("cursor")
			if page > 20 {
				t.Fatalf("the pages do not end")
			}
		}
		if sort == "newest" {
			if !slices.Equal(got, ids) {
				t.Errorf("pages yield %v, want %v", got, ids)
			}
			continue
		}
		best, rest := got[:min(5, len(got))], got[min(5, len(got)):]
		for i, id := range best {
			if at := slices.Index(ids, id); at != 4+5*i {
				t.Errorf("best first: result %d is message %d from the end", i, at)
			}
		}
		all := append(slices.Clone(best), rest...)
		for _, id := range ids {
			if n := len(slices.DeleteFunc(slices.Clone(all), func(x string) bool { return x != id })); n != 1 {
				t.Errorf("best first: message %s is in %d pages", id, n)
			}
		}
	}
	first := t.search(h.Ann, "heron", "limit", "4").OK().Str("cursor")
	for _, other := range [][]string{{"heron", "kinds", "message"}, {"heron", "sort", "best"}, {"ibis"}} {
		t.search(h.Ann, other[0], append(other[1:], "cursor", first)...).Refused(400, "VALIDATION_ERROR")
	}
	t.search(newFixture(t).Ann, "heron", "cursor", first).Refused(400, "VALIDATION_ERROR")
	if parts := strings.Split(first, "."); len(parts) == 4 { // of this server: the number of the index
		parts[2] = "zzzz"
		t.search(h.Ann, "heron", "cursor", strings.Join(parts, ".")).Refused(410, "CURSOR_EXPIRED")
	}
	t.search(h.Ann, "heron", "limit", "4", "sort", "best", "cursor", t.search(h.Ann, "heron", "limit", "4").OK().Str("cursor")).Refused(400, "VALIDATION_ERROR")
}

func searchLong(t *T) {
	h := newFixture(t)
	thread := t.Do("POST", "/api/threads", h.Ann, J{"topic": "long"}).OK().Str("id")
	content := "firstword " + strings.Repeat("padding ", 7000) + "nearend " + strings.Repeat("padding ", 2000) + "beyond"
	art := t.Do("POST", thr(thread, "/artifacts"), h.Ann, J{"artifact_key": "long", "content": content}).OK().Str("id")
	t.indexed(h.Ann, "firstword nearend", art)
	r := t.search(h.Ann, "nearend").OK()
	if text := strings.Join(r.Pluck("items.0.highlights.0.fragments", "text"), ""); len(text) > 1000 || !strings.Contains(text, "nearend") {
		t.Errorf("%s: the highlight is %q", r, text)
	}
}
