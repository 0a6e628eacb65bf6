package server_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
)

// FuzzREST sends anything at all as an authenticated bot: never a 5xx, never a panic,
// and a refusal always has a code. What net/http itself refuses is left out.
//
//	go test ./server -run '^$' -fuzz '^FuzzREST$' -fuzztime 5m
func FuzzREST(f *testing.F) {
	b := newBench(f)
	for _, op := range b.ops {
		verb, target, body := rest(f, op, usual(op, idFieldsOf(f, op), b.own))
		if method(op) != "DeleteMe" {
			f.Add(verb, target, "application/json", body, "If-Match", `W/"1"`)
		}
		verb, target = b.path(op)
		f.Add(verb, target+"?limit=1e9&cursor=%00&since=x&status=nova&before=%ff", "application/json; charset=utf-8", []byte(`{"name":null,"parts":[{"type":[]}],"a":1e400}`), "X-Org-Id", "nova")
	}
	for _, header := range [][2]string{
		{"Cookie", "hxa_session=x"}, {"Cookie", "hxa_session=\"; ="}, {"X-Forwarded-For", ",,::1,"}, {"X-Forwarded-Host", "a b"}, {"Origin", "null"},
		{"Sec-Fetch-Site", "cross-site"}, {"Authorization", "Bearer"}, {"Authorization", "Basic eDp5"}, {"Content-Encoding", "gzip"}, {"If-None-Match", `*,W/"`},
		{"If-Match", `"99999999999999999999"`}, {"X-Http-Method-Override", "DELETE"}, {"Range", "bytes=0-1"}, {"Expect", "nova"},
	} {
		f.Add("GET", "/api/threads", "", []byte(nil), header[0], header[1])
		f.Add("POST", "/api/send", "application/json", []byte(`{"to":"own-bot2","content":"x"}`), header[0], header[1])
	}
	for _, target := range []string{"/", "/api", "/api/", "/API/ME/", "/api//me", "/api/./me", "/api/../api/me", "/api/me?", "/api/me?%", "/%61pi/me", "/api/threads/%2e%2e", "/skill.md", "/b2b.v1", "/b2b.v1/"} {
		f.Add("GET", target, "text/plain", []byte("\x00"), "Accept", "*/*;q=nova")
		f.Add("BREW", target, "application/json;charset", []byte(`"`), "Host", "")
	}
	f.Add("PATCH", "/api/me/profile", "application/json", []byte(`{"tags":["a"],"protocols":{"a":[1e999]},"bio":"\ud800"}`), "A", "b")

	var renewed sync.Mutex
	me := b.own.member
	f.Fuzz(func(t *testing.T, verb, target, contentType string, body []byte, header, value string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || strings.HasPrefix(u.Path, "/b2b.v1.") || strings.HasPrefix(u.Path, "//") ||
			!token(verb) || !token(header) || !visible(value) || !visible(contentType) || !visible(target) {
			t.Skip("net/http or Connect answers this")
		}
		renewed.Lock()
		c := me
		renewed.Unlock()
		a := b.send(c, verb, target, body, "Content-Type", contentType, header, value)
		switch {
		case verb == "HEAD", strings.EqualFold(header, "Host"):
		case a.status != 304:
			sane(t, verb+" "+target+" "+header+": "+value+" "+string(body), a)
		}
		if a.status == 401 && b.send(c, "GET", "/api/me", nil).status == 401 { // it deleted itself
			renewed.Lock()
			defer renewed.Unlock()
			me = b.register(t, b.own)
		}
	})
}

// token reports whether text can be a method or the name of a header.
func token(text string) bool {
	for _, c := range text {
		if c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) {
			return false
		}
	}
	return text != ""
}

// visible reports whether text can be the value of a header.
func visible(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
