package importer

import "testing"

func TestValidText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                          "",
		"plain ünï 表 \x00":          "plain ünï 表 \x00",
		"half a pair \xED\xA0\xBD!": "half a pair \uFFFD\uFFFD\uFFFD!",
		"\xED\xB0\x80":              "\uFFFD\uFFFD\uFFFD", // the other half
		"\xE2\x82":                  "\uFFFD",             // cut off: one beginning of a character
		"\xE2\x82x":                 "\uFFFDx",
		"\xF0\x9F\x98":              "\uFFFD",
		"\xF0\x9F\x98\xF0\x9F":      "\uFFFD\uFFFD",
		"\xC0\x80":                  "\uFFFD\uFFFD", // never begins a character
		"\xE0\x80\x80":              "\uFFFD\uFFFD\uFFFD",
		"\xF4\x90\x80\x80":          "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xFFa\x80":                 "\uFFFDa\uFFFD",
		"na\xEFve":                  "na\uFFFDve", // Latin-1
	} {
		if got := validText(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestJSONKinds(t *testing.T) {
	t.Parallel()
	for text, holds := range map[string][]kind{
		`{"a":1}`:           {anyJSON, object, objectOrArray},
		`[]`:                {anyJSON, array, objectOrArray, texts, objects},
		`["a","\ud83d"]`:    {anyJSON, array, objectOrArray, texts},
		` [{"type":"x"}]`:   {anyJSON, array, objectOrArray, objects},
		`["a",1]`:           {anyJSON, array, objectOrArray},
		`"text"`:            {anyJSON},
		`12345678901234567`: {anyJSON},
		`false`:             {anyJSON},
		``:                  nil,
		`{"a":`:             nil,
		`{"a":1} x`:         nil,
		`undefined`:         nil,
	} {
		for _, k := range []kind{anyJSON, array, object, objectOrArray, texts, objects} {
			want := false
			for _, h := range holds {
				want = want || h == k
			}
			if got := k.holds(text); got != want {
				t.Errorf("kind %d holds %q: %v", k, text, got)
			}
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	id := "14f72671258d0c37b4d2d76f14abe22fddc751bde460eb14313fe94961b66d46"
	for _, c := range []struct{ in, prefix, want string }{
		{id, "", handle(id)},
		{"session:" + id, "session:", "session:" + handle(id)},
		{"bot:" + id, "session:", "bot:" + id},
		{"318204e6f5c5a843", "", "318204e6f5c5a843"}, // a handle already
		{id + "0", "", id + "0"},
	} {
		got := c.in
		redact(&got, c.prefix)
		if got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
	detail := `{"name":"` + id + `","cleared_by_session":"` + id + `", "session_id" : "` + id + `","cleared_by_role":"org_admin"}`
	want := `{"name":"` + id + `","cleared_by_session":"` + handle(id) + `", "session_id" : "` + handle(id) + `","cleared_by_role":"org_admin"}`
	if redactMembers(&detail); detail != want {
		t.Errorf("became %s", detail)
	}
	redact(nil, "")
	redactMembers(nil)
}
