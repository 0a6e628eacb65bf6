package conformance

import (
	"fmt"
	"slices"
	"strings"
)

func mentionChecks() []Check {
	return []Check{
		{[]string{"B2B-MSG-030", "B2B-MSG-031", "B2B-MSG-032"}, "mentions are recognized in the content", mentionRule},
		{[]string{"B2B-MSG-033"}, "at most twenty mentions are listed, and a later @all is recognized", mentionLimit},
		{[]string{"B2B-MSG-034"}, "mentions do not change after the message was sent", mentionsStay},
		{[]string{"B2B-MSG-031"}, "names that differ only in case are distinguished by their spelling", mentionSpelling},
		{[]string{"B2B-MSG-035"}, "mentions are taken from the resolved content", func(t *T) {
			h := newFixture(t)
			path := thr(h.thread(nil), "/messages")
			text := []J{{"type": "image", "url": "@ann"}, {"type": "text", "content": "@bob"}, {"type": "text", "content": "@ann"}}
			t.Do("POST", path, h.Ann, J{"parts": text}).OK().Equal("mentions", []J{{"bot_id": h.Bob.ID, "name": "bob"}})
			t.Do("POST", path, h.Ann, J{"content": "hi", "parts": text}).OK().Equal("mentions", []any{})
			t.Do("POST", path, h.Ann, J{"content": "@ann", "parts": []J{{"type": "text", "content": "@all @bob"}}}).OK().
				Equal("mentions", []J{{"bot_id": h.Ann.ID, "name": "ann"}}).Equal("mention_all", false)
		}},
	}
}

func mentionLimit(t *T) {
	h := newFixture(t)
	names := make([]string, 22)
	for i := range names {
		names[i] = fmt.Sprintf("m%02d", i)
		h.Bot(names[i])
	}
	id := h.thread(J{"participants": names})
	all := "@" + strings.Join(names, " @")
	t.say(h.Ann, id, all).Equal("mention_all", false).Len("mentions", 20)
	for _, tail := range []string{" @all", " @所有人"} {
		r := t.say(h.Ann, id, all+tail).Equal("mention_all", true)
		if got := r.Pluck("mentions", "name"); !slices.Equal(got, names[:20]) {
			r.errorf("mentions %v, want the first twenty", got)
		}
	}
}

func mentionsStay(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	m := t.say(h.Ann, id, "@bob and @cyd")
	m.Equal("mentions", []J{{"bot_id": h.Bob.ID, "name": "bob"}})
	t.Do("PATCH", "/api/me/name", h.Bob, J{"name": "rob"}).OK()
	h.addParticipant(id, h.Cyd, nil)
	t.Get(thr(id, "/messages"), h.Ann).OK().Equal("0.mentions", []J{{"bot_id": h.Bob.ID, "name": "bob"}})
	t.tick()
	r := t.say(h.Ann, id, "@bob @rob @cyd")
	if got := r.Pluck("mentions", "name"); !slices.Equal(got, []string{"rob", "cyd"}) {
		r.errorf("mentions %v, want rob and cyd", got)
	}
}

func mentionSpelling(t *T) {
	h := newFixture(t)
	h.Bot("Bob")
	id := h.thread(J{"participants": []string{"bob", "Bob"}})
	for content, want := range map[string][]string{
		"@bob @Bob": {"bob", "Bob"}, "@Bob @bob": {"Bob", "bob"}, "@Bob": {"Bob"}, "@bob @bob": {"bob"},
	} {
		r := t.say(h.Ann, id, content)
		if got := r.Pluck("mentions", "name"); !slices.Equal(got, want) {
			r.errorf("%s mentions %v, want %v", content, got, want)
		}
	}
	if got := t.say(h.Ann, id, "@BOB").List("mentions"); len(got) != 1 {
		t.Errorf("@BOB mentions %v, want one of the two", got)
	}
}

func mentionRule(t *T) {
	h := newFixture(t)
	bots := map[string]string{"ann": h.Ann.ID, "nova": h.Bot("nova").ID, "Atlas-2": h.Bot("Atlas-2").ID, "al": h.Bot("al").ID, "x_y": h.Bot("x_y").ID}
	id := h.thread(J{"participants": []string{"nova", "Atlas-2", "al", "x_y"}})
	for _, c := range []struct {
		content string
		names   string // space-separated, in order
		all     bool
	}{
		{"@nova hi", "nova", false}, {"hi @NOVA!", "nova", false}, {"(@nova)", "nova", false}, {"@nova.", "nova", false}, {"\n@nova\n", "nova", false},
		{"x@nova", "", false}, {"9@nova", "", false}, {"-@nova", "", false}, {"_@nova", "", false}, {"mail nova@nova.example", "", false},
		{"@@nova", "nova", false}, {"你好@nova", "nova", false}, {"é@nova", "nova", false}, {".@nova", "nova", false}, {"@nova你好", "nova", false},
		{"@novax", "", false}, {"@nov", "", false}, {"@nova-", "", false}, {"@nova_", "", false}, {"@", "", false}, {"@ nova", "", false}, {"nova", "", false},
		{"@atlas-2", "Atlas-2", false}, {"@Atlas", "", false}, {"@X_Y", "x_y", false},
		{"@atlas-2 @nova @ATLAS-2 @nova", "Atlas-2 nova", false}, {"@nova@al", "nova", false}, {"@nova,@al", "nova al", false},
		{"@ann", "ann", false}, {"@bob", "", false}, {"@cyd @stranger @nova", "nova", false},
		{"@all", "", true}, {"@ALL hands", "", true}, {"(@All)", "", true}, {"@alla", "", false}, {"@al", "al", false}, {"x@all", "", false}, {"@all-", "", false},
		{"@al @all @nova", "al nova", true}, {"@everyone", "", false},
		{"@所有人", "", true}, {"@所有人 hi", "", true}, {"嗨@所有人", "", true}, {"@所有人，好", "", true}, {"@所有人!", "", true}, {"@nova @所有人\n", "nova", true},
		{"@所有人们", "", false}, {"@所有人a", "", false}, {"x@所有人", "", false}, {"-@所有人", "", false}, {"所有人", "", false},
	} {
		want := []J{}
		for name := range strings.FieldsSeq(c.names) {
			want = append(want, J{"bot_id": bots[name], "name": name})
		}
		t.say(h.Ann, id, c.content).Equal("mentions", want).Equal("mention_all", c.all)
	}
}
