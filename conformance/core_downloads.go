package conformance

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// fileDownloadChecks returns the checks of downloads.
func fileDownloadChecks() []Check {
	return []Check{
		{[]string{"B2B-FILE-020", "B2B-FILE-025"}, "a file can be read only in its org", fileReaders},
		{[]string{"B2B-FILE-021"}, "the headers of a download prevent that a browser runs its content", downloadSecurityHeaders},
		{[]string{"B2B-FILE-022"}, "a download has the name of the file", downloadNames},
		{[]string{"B2B-FILE-023"}, "a download has cache headers and an ETag", downloadCaching},
		{[]string{"B2B-FILE-024"}, "ranges of a file can be requested", downloadRanges},
	}
}

func fileReaders(t *T) {
	o, foreign := t.Org(), t.Org()
	bot := o.Bot("worker")
	url := upload(t, bot, "a.txt", "text/plain", "text").Str("url")
	for _, path := range []string{url, url + "/info"} {
		for _, c := range []Caller{bot, o.Admin, o.Human(), bot.Login(), bot.Scoped("read"), o.Admin.Scoped("full")} {
			t.Get(path, c).Status(200)
		}
		t.Get(path, nil).Refused(401, "AUTH_REQUIRED")
		t.Get(path, t.Super()).Refused(403, "FORBIDDEN")
		t.Get(path, bot.Scoped("thread", "message", "profile", "admin")).Refused(403, "INSUFFICIENT_SCOPE")
		for _, c := range []Caller{foreign.Admin, foreign.Human()} {
			t.Get(path, c).Refused(404, "NOT_FOUND")
		}
	}
	for _, id := range []string{unusedID, "nonsense", "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00"} {
		r := t.Get("/api/files/"+id, bot)
		if code := r.StatusCode(); code != 404 && (code != 400 || id != "%00") {
			r.errorf("want 404")
		}
	}
	pending := o.PendingBot("pending")
	t.Get(url, pending).Refused(403, "BOT_NOT_ACTIVE")
	form{}.file("file", "a", "text/plain", "x").send(t, pending).Refused(403, "BOT_NOT_ACTIVE")
	t.Do("DELETE", "/api/me", bot, nil).Status(200)
	t.Get(url+"/info", o.Admin).OK().Equal("uploader_id", nil)
	if r := t.Get(url, o.Admin).Status(200); string(r.Body) != "text" {
		r.errorf("the file changed when its uploader was deleted")
	}
}

func downloadSecurityHeaders(t *T) {
	o := t.Org()
	for _, c := range []struct{ kind, data, want, disposition string }{
		{"image/png", tinyPNG, "image/png", "inline"},
		{"image/gif", "<script>alert(1)</script>", "image/gif", "inline"}, // the declared type is kept although the content is not an image
		{"text/plain", "<!DOCTYPE html><script>alert(1)</script>", "text/plain", "attachment"},
		{"application/pdf", "%PDF-1.4", "application/pdf", "attachment"},
		{"application/json; charset=utf-8", "{}", "application/json", "attachment"},
	} {
		r := t.Get(upload(t, o.Admin, "f", c.kind, c.data).Str("url"), o.Admin).Status(200)
		for name, want := range map[string]string{
			"Content-Type": c.want, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
			"Content-Disposition": c.disposition + "; filename*=UTF-8''f", "Content-Length": fmt.Sprint(len(c.data)),
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", r, name, got, want)
			}
		}
	}
}

func downloadNames(t *T) {
	o := t.Org()
	for name, want := range map[string]string{
		"O'Brien (final) 100%.json": "O'Brien%20(final)%20100%25.json",
		"naïve 表.txt":               "na%C3%AFve%20%E8%A1%A8.txt",
		"a-b_c.d~e!f*g":             "a-b_c.d~e!f*g",
		"x;y=z,{1}&\t<b>":           "x%3By%3Dz%2C%7B1%7D%26%09%3Cb%3E",
	} {
		r := t.Get(upload(t, o.Admin, name, "text/plain", "x").Str("url"), o.Admin).Status(200)
		if got := r.Header.Get("Content-Disposition"); got != "attachment; filename*=UTF-8''"+want {
			t.Errorf("%q: %s", name, got)
		}
		if strings.ContainsAny(name, "'()") {
			continue // mime.ParseMediaType does not accept these characters
		}
		if _, params, err := mime.ParseMediaType(r.Header.Get("Content-Disposition")); err != nil || params["filename"] != name {
			t.Errorf("the name %q was parsed as %q, %v", name, params["filename"], err)
		}
	}
}

func downloadCaching(t *T) {
	o := t.Org()
	url := upload(t, o.Admin, "f", "text/plain", "0123456789").Str("url")
	r := t.Get(url, o.Admin).Status(200)
	tag := r.Header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || r.Header.Get("Last-Modified") == "" || r.Header.Get("Cache-Control") != "private, max-age=31536000, immutable" {
		t.Errorf("%s: %v", r, r.Header)
	}
	for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		t.Get(url, o.Admin, Header("If-None-Match", match)).Status(304).Empty()
	}
	t.Get(url, o.Admin, Header("If-None-Match", `"x"`)).Status(200)
	t.Get(url, o.Admin, Header("If-Modified-Since", r.Header.Get("Last-Modified"))).Status(304).Empty()
	head := t.Do("HEAD", url, o.Admin, nil).Status(200).Empty()
	if head.Header.Get("Content-Length") != "10" || head.Header.Get("ETag") != tag {
		t.Errorf("%s: %v", head, head.Header)
	}
	if other := t.Get(upload(t, o.Admin, "f", "text/plain", "0123456789").Str("url"), o.Admin); other.Header.Get("ETag") == tag {
		t.Errorf("two files have the ETag %s", tag)
	}
	t.Get(url, nil, Header("If-None-Match", tag)).Refused(401, "AUTH_REQUIRED")
	t.Get(url, t.Org().Admin, Header("If-None-Match", "*")).Refused(404, "NOT_FOUND")
}

func downloadRanges(t *T) {
	o := t.Org()
	url := upload(t, o.Admin, "f", "text/plain", "0123456789").Str("url")
	requestRange := func(ranges string, opts ...Option) *Response {
		return t.Get(url, o.Admin, append(opts, Header("Range", ranges))...)
	}
	satisfiableRanges(t, requestRange)
	emptyFileRanges(t, o)
	refusedRanges(t, requestRange)
	conditionalRanges(t, requestRange, t.Get(url, o.Admin).Header.Get("ETag"))
	severalRanges(t, requestRange("bytes=0-1,-2").Status(206))
	requestRange("bytes=0-3", Header("Authorization", "Bearer nonsense")).Refused(401, "INVALID_TOKEN")
}

// rangeRequest requests ranges of a file with the content 0123456789.
type rangeRequest func(ranges string, opts ...Option) *Response

func satisfiableRanges(t *T, requestRange rangeRequest) {
	for ranges, want := range map[string][2]string{
		"bytes=0-3": {"0123", "bytes 0-3/10"}, "bytes=8-": {"89", "bytes 8-9/10"}, "bytes=-3": {"789", "bytes 7-9/10"},
		"bytes=5-100": {"56789", "bytes 5-9/10"}, "bytes=-100": {"0123456789", "bytes 0-9/10"}, "bytes=7-99999999999999999999": {"789", "bytes 7-9/10"},
	} {
		r := requestRange(ranges).Status(206)
		if string(r.Body) != want[0] || r.Header.Get("Content-Range") != want[1] || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %v", ranges, r, r.Header)
		}
	}
	if r := requestRange("bytes=0-1,-0").Status(206); string(r.Body) != "01" {
		r.errorf("want the suffix range of no bytes ignored")
	}
}

func emptyFileRanges(t *T, o *Org) {
	empty := upload(t, o.Admin, "empty", "text/plain", "").Str("url")
	for _, ranges := range []string{"bytes=-1", "bytes=-0", "bytes=0-", "bytes=0-0"} {
		r := t.Get(empty, o.Admin, Header("Range", ranges)).Status(200)
		if len(r.Body) > 0 || r.Header.Get("Content-Range") != "" {
			t.Errorf("%s of an empty file: %s %v", ranges, r, r.Header)
		}
	}
}

func refusedRanges(t *T, requestRange rangeRequest) {
	for _, ranges := range []string{"bytes=10-", "bytes=10-20", "bytes=-0"} {
		r := requestRange(ranges).Refused(416, "RANGE_NOT_SATISFIABLE")
		if r.Header.Get("Content-Range") != "bytes */10" {
			t.Errorf("%s: Content-Range %q", r, r.Header.Get("Content-Range"))
		}
	}
	for _, ranges := range []string{"lines=1-2", "bytes=x", "bytes=5-2", "bytes", "bytes=1-2,x", strings.Repeat("bytes=0-,", 500)} {
		if r := requestRange(ranges); r.StatusCode() != 200 && r.StatusCode() != 416 {
			r.errorf("%s: want 200 or 416", clip(ranges, 40))
		}
	}
}

// conditionalRanges requests ranges with If-Range: tag is the ETag of the file.
func conditionalRanges(t *T, requestRange rangeRequest, tag string) {
	if r := requestRange("bytes=0-3", Header("If-Range", tag)).Status(206); string(r.Body) != "0123" {
		r.errorf("want the range, because If-Range matches")
	}
	for _, other := range []string{`"other"`, "W/" + tag, "Mon, 02 Jan 2006 15:04:05 GMT"} {
		if r := requestRange("bytes=0-3", Header("If-Range", other)).Status(200); string(r.Body) != "0123456789" {
			r.errorf("want the whole file, because If-Range %s does not match", other)
		}
	}
}

// severalRanges asserts that the response has the first two and the last two bytes of the file.
func severalRanges(t *T, several *Response) {
	kind, params, err := mime.ParseMediaType(several.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		t.Fatalf("%s: %q, %v", several, kind, err)
	}
	parts, got := multipart.NewReader(strings.NewReader(string(several.Body)), params["boundary"]), ""
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", several, err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatalf("%s: %v", several, err)
		}
		got += part.Header.Get("Content-Range") + " " + string(text) + ";"
	}
	if got != "bytes 0-1/10 01;bytes 8-9/10 89;" {
		t.Errorf("%s: %s", several, got)
	}
}
