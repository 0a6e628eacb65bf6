package conformance

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// A form has the parts of an upload, which are sent unchanged.
type form []string

const formEdge = "----conformance"

// text adds a text field.
func (f form) text(name, value string) form {
	return append(f, fmt.Sprintf("Content-Disposition: form-data; name=%q\r\n\r\n%s", name, value))
}

// file adds a file. With an empty kind, the part has no Content-Type.
func (f form) file(field, name, kind, data string) form {
	head := fmt.Sprintf("Content-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n", field, name)
	if kind != "" {
		head += "Content-Type: " + kind + "\r\n"
	}
	return append(f, head+"\r\n"+data)
}

func (f form) String() string {
	var b strings.Builder
	for _, part := range f {
		b.WriteString("--" + formEdge + "\r\n" + part + "\r\n")
	}
	b.WriteString("--" + formEdge + "--\r\n")
	return b.String()
}

// send posts a form.
func (f form) send(t *T, c Caller, opts ...Option) *Response {
	return sendForm(t, c, f.String(), opts...)
}

func sendForm(t *T, c Caller, body string, opts ...Option) *Response {
	return t.Do("POST", "/api/files/upload", c, Raw(body), append([]Option{Header("Content-Type", "multipart/form-data; boundary="+formEdge)}, opts...)...)
}

// upload posts one file, which must be accepted.
func upload(t *T, c Caller, name, kind, data string) *Response {
	return form{}.file("file", name, kind, data).send(t, c).OK()
}

const (
	fileShape = "id:s name:s mime_type:s size:i uploader_id:s? url:s created_at:i"
	tinyPNG   = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
)

// fileChecks returns the checks of uploads.
func fileChecks() []Check {
	return []Check{
		{[]string{"B2B-FILE-001", "B2B-FILE-025"}, "a file can be read as soon as its upload has a response", uploadReadable},
		{[]string{"B2B-FILE-002"}, "an upload must be a form with one file", uploadForm},
		{[]string{"B2B-FILE-003"}, "eight media types are accepted", uploadTypes},
		{[]string{"B2B-FILE-004"}, "the type detected in the content replaces the declared type", detectedType},
		{[]string{"B2B-FILE-005"}, "a file has its name without folders", fileNameFolders},
		{[]string{"B2B-FILE-012"}, "file names are decoded as browsers encode them", fileNameEncodings},
		{[]string{"B2B-FILE-006"}, "a file can have the maximum size that the server reports", func(t *T) {
			o := t.Org()
			limit := int(t.Get("/api/auth/session", o.Human()).OK().Num("config.max_file_size_mb")) << 20
			if limit <= 64<<20 { // fits the quota of a bot and the memory of this process
				big := strings.Repeat("0123456789abcdef", limit/16)
				upload(t, o.Admin, "big.txt", "text/plain", big).Equal("size", limit)
				form{}.file("file", "bigger.txt", "text/plain", big+"x").send(t, o.Admin).Refused(413, "FILE_TOO_LARGE")
			}
			upload(t, o.Admin, "f", "text/plain", "x")
		}},
		{[]string{"B2B-FILE-007"}, "the uploads of a bot have a daily quota", uploadQuota},
		{[]string{"B2B-FILE-008"}, "an upload is audited", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			r := upload(t, bot, "x.png", "text/plain", tinyPNG)
			entry := o.Audit("file.upload").Len("", 1)
			entry.Equal("0.bot_id", bot.ID).Equal("0.target_type", "file").Equal("0.target_id", r.Str("id")).
				Equal("0.detail", J{"name": "x.png", "mime_type": "image/png", "size": len(tinyPNG)})
			form{}.file("file", "x", "text/html", "").send(t, bot).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
			o.Audit("file.upload").Len("", 1)
		}},
		{[]string{"B2B-FILE-009"}, "an upload with the same request_id is stored once", replayedUpload},
	}
}

func uploadReadable(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	text := strings.Repeat("naïve,表\n", 20_000)
	for _, c := range []Caller{bot, bot.Scoped("thread"), bot.Scoped("message"), bot.Login()} {
		r := upload(t, c, "t.csv", "text/csv", text).Shape("", fileShape).
			Equal("name", "t.csv").Equal("mime_type", "text/csv").Equal("size", len(text)).Equal("uploader_id", bot.ID)
		r.Equal("url", "/api/files/"+r.Str("id"))
		t.now(r, "created_at")
		info := t.Get(r.Str("url")+"/info", bot).OK()
		if show(info.JSON) != show(r.JSON) {
			t.Errorf("%s: want %s", info, show(r.JSON))
		}
		if got := t.Get(r.Str("url"), bot).Status(200); string(got.Body) != text {
			t.Errorf("downloaded %d bytes, want %d", len(got.Body), len(text))
		}
	}
	other := form{}.text("note", "ignored").file("file", "a.txt", "", "text").text("more", "ignored").send(t, bot).OK()
	other.Equal("mime_type", "text/plain")
	empty := upload(t, bot, "empty.txt", "text/plain", "").Equal("size", 0)
	t.Get(empty.Str("url"), bot).Status(200).Empty()
}

func uploadForm(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	good := form{}.file("file", "a.txt", "text/plain", "text")
	good.send(t, nil).Refused(401, "AUTH_REQUIRED")
	good.send(t, o.Human()).Refused(403, "FORBIDDEN")
	good.send(t, t.Super()).Refused(403, "FORBIDDEN")
	for _, scope := range []string{"read", "profile", "admin"} {
		form{}.file("doc", "a.txt", "text/html", "").send(t, bot.Scoped(scope)).Refused(403, "INSUFFICIENT_SCOPE")
	}
	good.send(t, bot, Header("Content-Encoding", "gzip")).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	t.Do("POST", "/api/files/upload", bot, nil).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", "/api/files/upload", bot, J{"file": "text"}).Refused(400, "VALIDATION_ERROR")
	sendForm(t, bot, good.String(), Header("Content-Type", "text/plain")).Refused(400, "VALIDATION_ERROR")
	sendForm(t, bot, good.String(), Header("Content-Type", "multipart/form-data")).Refused(400, "UPLOAD_ERROR")
	form{}.text("file", "a text, not a file").send(t, bot).Refused(400, "VALIDATION_ERROR")
	form{}.text("note", "no file").send(t, bot).Refused(400, "VALIDATION_ERROR")
	form{}.file("file", "", "text/plain", "text").send(t, bot).Refused(400, "VALIDATION_ERROR")
	whole := good.String()
	for name, body := range map[string]string{
		"another name":    form{}.file("doc", "a.txt", "text/plain", "text").String(),
		"two files":       good.file("file", "b.txt", "text/plain", "text").String(),
		"another file":    good.file("doc", "b.txt", "text/plain", "text").String(),
		"a long text":     form{}.text("note", strings.Repeat("x", 1<<20+1)).file("file", "a.txt", "text/plain", "text").String(),
		"many texts":      append(manyTexts(101), good...).String(),
		"a long header":   form{"Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nX-Long: " + strings.Repeat("x", 80<<10) + "\r\n\r\ntext"}.String(),
		"truncated":       whole[:len(whole)-len(formEdge)-6],
		"truncated after": whole[:len(whole)-4] + "\r\nContent-Dispo",
		"nothing":         "",
		"not a form":      "hello",
	} {
		if r := sendForm(t, bot, body); r.StatusCode() != 400 || r.Str("code") != "UPLOAD_ERROR" {
			t.Errorf("%s: %d %s, want 400 UPLOAD_ERROR", name, r.StatusCode(), clip(string(r.Body), 200))
		}
	}
	form{}.text("note", strings.Repeat("x", 1<<20)).file("file", "a.txt", "text/plain", "text").send(t, bot).Status(200)
	append(manyTexts(100), good...).send(t, bot).Status(200)
	o.Audit("file.upload").Len("", 2)
}

func uploadTypes(t *T) {
	o := t.Org()
	for _, kind := range []string{"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf", "text/plain", "text/csv", "application/json"} {
		for _, as := range []string{kind, strings.ToUpper(kind), kind + "; charset=utf-8"} {
			upload(t, o.Admin, "f", as, "no known format").Equal("mime_type", kind)
		}
	}
	upload(t, o.Admin, "f", "", "no type").Equal("mime_type", "text/plain")
	for _, kind := range []string{"text/html", "image/svg+xml", "application/xml", "text/xml", "application/zip", "application/octet-stream", "text/javascript", "image/bmp", "video/mp4", "nonsense"} {
		form{}.file("file", "f", kind, "text").send(t, o.Admin).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	}
}

func detectedType(t *T) {
	o := t.Org()
	for _, c := range []struct{ kind, data, want string }{
		{"text/plain", tinyPNG, "image/png"},
		{"image/png", "GIF89a\x01\x00\x01\x00\x80\x00\x00", "image/gif"},
		{"application/json", "\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg"},
		{"text/csv", "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "application/pdf"},
		{"image/png", "plain text", "image/png"},
		{"text/plain", "<!DOCTYPE html><script>alert(1)</script>", "text/plain"},
		{"text/plain", "a picture: <svg>", "text/plain"},
	} {
		upload(t, o.Admin, "f", c.kind, c.data).Equal("mime_type", c.want)
	}
	for _, data := range []string{
		"PK\x03\x04\x14\x00\x00\x00\x08\x00", "MZ\x90\x00\x03\x00\x00\x00\x04", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
		"<?xml version=\"1.0\"?><a/>", " \r\n\t<?XML version='1.0'?>", "\xef\xbb\xbf<svg onload=alert(1)>", "<SVG>", "<!DOCTYPE svg PUBLIC>",
	} {
		form{}.file("file", "f", "text/plain", data).send(t, o.Admin).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	}
}

func fileNameFolders(t *T) {
	o := t.Org()
	for sent, want := range map[string]string{
		"../../etc/passwd": "passwd", "/abs/olute.txt": "olute.txt", `C:\\dir\\w.txt`: "w.txt", "naïve 表 👍.txt": "naïve 表 👍.txt",
		"..hidden": "..hidden", "a b;c=d.txt": "a b;c=d.txt", strings.Repeat("x", 1024): strings.Repeat("x", 1024),
	} {
		r := upload(t, o.Admin, sent, "text/plain", "text").Equal("name", want)
		t.Get(r.Str("url")+"/info", o.Admin).Equal("name", want)
	}
	for _, sent := range []string{"..", ".", "a/", "a/..", strings.Repeat("x", 1025)} {
		form{}.file("file", sent, "text/plain", "text").send(t, o.Admin).Refused(400, "VALIDATION_ERROR")
	}
}

func fileNameEncodings(t *T) {
	o := t.Org()
	for disposition, want := range map[string]string{
		`filename="a%22b%0D%0Ac.txt"`:               "a\"b\r\nc.txt",
		`filename="100%25 %41 %2F.txt"`:             "100%25 %41 %2F.txt",
		`filename*=UTF-8''caf%C3%A9%2522.txt`:       "café%22.txt",
		`filename*=ISO-8859-1''caf%E9.txt`:          "café.txt",
		`filename="x"; filename*=iso-8859-1'de'%FC`: "ü",
	} {
		part := "Content-Disposition: form-data; name=\"file\"; " + disposition + "\r\nContent-Type: text/plain\r\n\r\ntext"
		form{part}.send(t, o.Admin).OK().Equal("name", want)
	}
}

func uploadQuota(t *T) {
	o := t.Org()
	a, b := o.Bot("a"), o.Bot("b")
	o.Settings(J{"file_upload_mb_per_day_per_bot": 1})
	send := func(c Caller, size int) *Response {
		return form{}.file("file", "f", "text/plain", strings.Repeat("x", size)).send(t, c)
	}
	send(a, 1<<20-10).Status(200)
	if r := send(a, 11).Refused(429, "RATE_LIMITED"); r.Num("retry_after") < 1 || r.Num("retry_after") > 86401 || r.Header.Get("Retry-After") == "" {
		r.errorf("retry_after is not the time until the next day")
	}
	send(a, 10).Status(200) // reaches the quota exactly
	send(a, 1).Refused(429, "RATE_LIMITED")
	send(a, 0).Status(200)
	send(b, 1<<20+1).Refused(429, "RATE_LIMITED").Lacks("retry_after")
	send(b, 1).Status(200)
	o.Settings(J{"file_upload_mb_per_day_per_bot": 2})
	send(a, 1).Status(200)
	o.Settings(J{"file_upload_mb_per_day_per_bot": 1})
	racer := o.Bot("racer")
	var stored atomic.Int64
	t.Concurrently(32, func(int) {
		switch r := send(racer, 128<<10); r.StatusCode() {
		case 200:
			stored.Add(1)
		default:
			r.Refused(429, "RATE_LIMITED")
		}
	})
	if stored.Load() != 8 {
		t.Errorf("%d of 32 concurrent uploads of 128 KiB were stored, want 8: the quota is 1 MiB", stored.Load())
	}
}

func replayedUpload(t *T) {
	o := t.Org()
	send := func(id, name, data string, idFirst bool) *Response {
		f := form{}.file("file", name, "text/plain", data)
		if idFirst {
			return append(form{}.text("request_id", id), f...).send(t, o.Admin)
		}
		return f.text("request_id", id).send(t, o.Admin)
	}
	first := send("r-1", "a.txt", "text", true).OK()
	again := send("r-1", "a.txt", "text", false).OK()
	again.Equal("id", first.Str("id"))
	t.Get(first.Str("url"), o.Admin).Status(200)
	send("r-1", "a.txt", "test", true).Refused(409, "IDEMPOTENCY_KEY_REUSED")
	send("r-1", "b.txt", "text", true).Refused(409, "IDEMPOTENCY_KEY_REUSED")
	if id := send("r-2", "a.txt", "text", true).OK().Str("id"); id == first.Str("id") {
		t.Errorf("another request_id returned the first file")
	}
	send(strings.Repeat("r", 129), "a.txt", "text", true).Refused(400, "VALIDATION_ERROR")
	o.Audit("file.upload").Len("", 2)
}

func manyTexts(n int) form {
	var f form
	for range n {
		f = f.text("note", "x")
	}
	return f
}

// now asserts that a time differs from the current time by at most 5 minutes.
func (t *T) now(r *Response, path string) {
	if age := time.Since(time.UnixMilli(int64(r.Num(path)))); age < -5*time.Minute || age > 5*time.Minute {
		r.errorf("%s is %s ago", path, age)
	}
}
