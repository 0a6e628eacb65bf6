package conformance

import (
	"fmt"
	"strings"
)

// poster posts messages of one kind, direct or thread messages, and lists them.
type poster struct {
	name string
	post func(body J) *Response                  // posts a message with the members of body
	list func() *Response                        // lists the messages as a bare array, oldest first
	key  func(member string) string              // returns the path of a member in the response of post
	last func(r *Response, member string) string // returns the path of a member of the newest message
}

// posters returns two posters: for direct messages from Ann to Bob and for thread messages of Ann.
func (h *fixture) posters() []poster {
	thread := h.thread(nil)
	var channel string
	last := func(r *Response, member string) string { return fmt.Sprintf("%d.%s", len(r.List(""))-1, member) }
	direct := poster{
		name: "direct",
		post: func(body J) *Response {
			r := h.t.Do("POST", "/api/send", h.Ann, with(J{"to": "bob"}, body))
			if v, ok := r.find("channel_id"); ok {
				channel, _ = v.(string)
			}
			return r
		},
		list: func() *Response { return h.t.Get("/api/channels/"+channel+"/messages?limit=200", h.Bob).OK() },
		key:  func(m string) string { return "message." + m },
		last: last,
	}
	inThread := poster{
		name: "thread",
		post: func(body J) *Response { return h.t.Do("POST", thr(thread, "/messages"), h.Ann, body) },
		list: func() *Response { return h.t.Get(thr(thread, "/messages?limit=200"), h.Bob).OK() },
		key:  func(m string) string { return m },
		last: last,
	}
	return []poster{direct, inThread}
}

// forEachPoster returns a check that calls f for direct messages and for thread messages.
func forEachPoster(f func(t *T, w poster)) func(t *T) {
	return func(t *T) {
		for _, w := range newFixture(t).posters() {
			f(t, w)
		}
	}
}

func contentChecks() []Check {
	return []Check{
		{[]string{"B2B-MSG-001", "B2B-MSG-002", "B2B-MSG-009"}, "content and parts are resolved and stored", forEachPoster(contentResolved)},
		{[]string{"B2B-MSG-003", "B2B-THR-087"}, "a message needs content or parts", forEachPoster(func(t *T, w poster) {
			for _, body := range []J{{}, {"content": nil}, {"content": ""}, {"content": "", "parts": []J{{"type": "text", "content": "x"}}}} {
				w.post(body).Refused(400, "VALIDATION_ERROR").errorContains("content or parts is required")
			}
			w.post(J{"content": nil, "parts": []J{{"type": "text", "content": "x"}}}).OK()
		})},
		{[]string{"B2B-MSG-004"}, "content is limited to 65536 UTF-16 code units", forEachPoster(func(t *T, w poster) {
			w.post(J{"content": strings.Repeat("a", 65536)}).OK()
			w.post(J{"content": strings.Repeat("a", 65537)}).Refused(400, "VALIDATION_ERROR")
			w.post(J{"content": strings.Repeat("é", 65536)}).OK()
			w.post(J{"content": strings.Repeat("😀", 32768)}).OK()
			w.post(J{"content": strings.Repeat("😀", 32768) + "a"}).Refused(400, "VALIDATION_ERROR")
		})},
		{[]string{"B2B-MSG-005"}, "members of a message must have the specified JSON types", forEachPoster(func(t *T, w poster) {
			for _, v := range []any{5, true, J{"text": "x"}, []string{"x"}} {
				w.post(J{"content": v}).Refused(400, "VALIDATION_ERROR")
				w.post(J{"content": v, "parts": []J{{"type": "text", "content": "x"}}}).Refused(400, "VALIDATION_ERROR")
				w.post(J{"content": "x", "content_type": v}).Refused(400, "VALIDATION_ERROR")
				if w.name == "thread" {
					w.post(J{"content": "x", "reply_to": v}).Refused(400, "VALIDATION_ERROR")
				}
			}
		})},
		{[]string{"B2B-MSG-006"}, "parts are an array of at most 50 objects", forEachPoster(func(t *T, w poster) {
			text := J{"type": "text", "content": "x"}
			fifty := make([]any, 50)
			for i := range fifty {
				fifty[i] = text
			}
			r := w.post(J{"parts": fifty}).OK().Len(w.key("parts"), 50)
			r.Equal(w.key("content"), "x")
			bad := []any{nil, "text", 5, true, text, append(fifty, text), []any{nil}, []any{"x"}, []any{5}, []any{[]any{}}, []any{text, nil}}
			for _, parts := range bad {
				w.post(J{"content": "x", "parts": parts}).Refused(400, "VALIDATION_ERROR")
			}
		})},
		{[]string{"B2B-MSG-007"}, "each part must have the fields of its type", forEachPoster(partRules)},
		{[]string{"B2B-MSG-008", "B2B-MSG-009"}, "parts are returned as they were sent", forEachPoster(partsEchoed)},
		{[]string{"B2B-MSG-010"}, "content_type is a free text of at most 128 bytes", forEachPoster(func(t *T, w poster) {
			for _, ct := range []string{"text", "system", "json", "application/x-own; a=b", strings.Repeat("t", 128), strings.Repeat("é", 64)} {
				w.post(J{"content": "x", "content_type": ct}).OK().Equal(w.key("content_type"), ct)
			}
			w.post(J{"content": "x"}).OK().Equal(w.key("content_type"), "text")
			want := "text"
			if w.name == "thread" {
				want = ""
			}
			w.post(J{"content": "x", "content_type": ""}).OK().Equal(w.key("content_type"), want)
			for _, ct := range []string{strings.Repeat("t", 129), strings.Repeat("é", 64) + "t"} {
				w.post(J{"content": "x", "content_type": ct}).Refused(400, "VALIDATION_ERROR")
			}
		})},
	}
}

func contentResolved(t *T, w poster) {
	image, link := J{"type": "image", "url": "/i.png"}, J{"type": "link", "url": "https://example.org/"}
	text, markdown := J{"type": "text", "content": "first"}, J{"type": "markdown", "content": "# second"}
	for _, c := range []struct {
		body J
		want string
	}{
		{J{"content": "plain"}, "plain"},
		{J{"content": " spaces stay \n"}, " spaces stay \n"},
		{J{"content": "own", "parts": []J{text}}, "own"},
		{J{"content": "own", "parts": []J{image}}, "own"},
		{J{"parts": []J{text, markdown}}, "first"},
		{J{"parts": []J{image, markdown, text}}, "# second"},
		{J{"content": nil, "parts": []J{image, text}}, "first"},
		{J{"parts": []J{image, link}}, "[image, link]"},
		{J{"parts": []J{image}}, "[image]"},
		{J{"parts": []J{{"type": "json", "content": J{"a": 1}}, {"type": "file", "url": "/f", "name": "f", "mime_type": "text/plain"}}}, "[json, file]"},
		{J{"parts": []J{}}, "[]"},
	} {
		r := w.post(c.body).OK().Equal(w.key("content"), c.want)
		sent, _ := c.body["parts"].([]J)
		if len(sent) > 0 {
			r.Equal(w.key("parts"), sent)
		}
		if c.body["parts"] == nil {
			r.Equal(w.key("parts"), []J{{"type": "text", "content": c.want}})
		}
		history := w.list()
		history.Equal(w.last(history, "id"), r.Str(w.key("id"))).Equal(w.last(history, "content"), c.want)
		history.Equal(w.last(history, "parts"), r.Value(w.key("parts")))
		t.tick()
	}
}

func partRules(t *T, w poster) {
	good := []J{
		{"type": "text", "content": "x"}, {"type": "text", "content": ""}, {"type": "markdown", "content": ""},
		{"type": "json", "content": J{}}, {"type": "json", "content": []any{}}, {"type": "json", "content": J{"a": []any{1, nil}}},
		{"type": "file", "url": "/f", "name": "f", "mime_type": "m/m"}, {"type": "file", "url": "", "name": "", "mime_type": ""},
		{"type": "file", "url": "/f", "name": "f", "mime_type": "m/m", "size": 12},
		{"type": "image", "url": "i"}, {"type": "image", "url": "i", "alt": "a"},
		{"type": "link", "url": "l"}, {"type": "link", "url": "l", "title": "t"},
	}
	bad := []any{
		J{}, J{"content": "x"}, J{"type": "video", "url": "v"}, J{"type": 5, "content": "x"}, J{"type": nil, "content": "x"}, J{"type": "TEXT", "content": "x"}, J{"type": "", "content": "x"},
		J{"type": "text"}, J{"type": "text", "content": nil}, J{"type": "text", "content": 5}, J{"type": "text", "content": J{}},
		J{"type": "markdown"}, J{"type": "markdown", "content": []any{}},
		J{"type": "json"}, J{"type": "json", "content": nil}, J{"type": "json", "content": "{}"}, J{"type": "json", "content": 5}, J{"type": "json", "content": true},
		J{"type": "file", "name": "f", "mime_type": "m"}, J{"type": "file", "url": "/f", "mime_type": "m"}, J{"type": "file", "url": "/f", "name": "f"},
		J{"type": "file", "url": 5, "name": "f", "mime_type": "m"}, J{"type": "file", "url": "/f", "name": nil, "mime_type": "m"}, J{"type": "file", "url": "/f", "name": "f", "mime_type": 1},
		J{"type": "image"}, J{"type": "image", "url": nil}, J{"type": "image", "url": 5},
		J{"type": "link"}, J{"type": "link", "url": J{}},
	}
	for _, p := range good {
		w.post(J{"content": "x", "parts": []any{p}}).OK().Equal(w.key("parts"), []any{p})
	}
	for _, p := range bad {
		w.post(J{"content": "x", "parts": []any{p}}).Refused(400, "VALIDATION_ERROR")
		w.post(J{"content": "x", "parts": []any{good[0], p}}).Refused(400, "VALIDATION_ERROR")
	}
}

func partsEchoed(t *T, w poster) {
	parts := []J{
		{"type": "text", "content": "a <b> & \u2028 é 😀", "x-own": J{"deep": []any{1, 2.5, nil, true}}},
		{"type": "image", "url": "/api/files/" + unusedID, "alt": "relative"},
		{"type": "image", "url": "not a url at all"},
		{"type": "link", "url": "", "title": "empty"},
		{"type": "json", "content": J{"z": 1, "a": []any{J{"k": "v"}}}},
		{"type": "file", "url": "http://[::1", "name": "f", "mime_type": "m", "size": 12, "checksum": "sha256:0"},
	}
	r := w.post(J{"content": "x", "parts": parts}).OK().Equal(w.key("parts"), parts)
	history := w.list()
	history.Equal(w.last(history, "id"), r.Str(w.key("id"))).Equal(w.last(history, "parts"), parts)
	t.tick()
	w.post(J{"content": "only text"}).OK().Equal(w.key("parts"), []J{{"type": "text", "content": "only text"}})
	history = w.list()
	history.Equal(w.last(history, "parts"), []J{{"type": "text", "content": "only text"}})
}
