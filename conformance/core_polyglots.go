package conformance

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

const script = "<script>alert(document.domain)</script>"

// polyglotChecks returns the checks of files that a browser or another program could interpret as
// another type, and of compressed files.
func polyglotChecks() []Check {
	return []Check{
		{[]string{"B2B-FILE-028", "B2B-FILE-004", "B2B-FILE-021"}, "a file that is valid as several types is served with one safe type", polyglotTypes},
		{[]string{"B2B-FILE-028", "B2B-FILE-002"}, "the server does not decompress or decode files", noDecoding},
	}
}

func polyglotTypes(t *T) {
	o := t.Org()
	for _, c := range []struct{ what, name, kind, data, want string }{
		{"an image that is a script", "a.js", "text/plain", "GIF89a/*\x01\x00\x01\x00*/=1;alert(document.domain)//", "image/gif"},
		{"an image followed by a page", "a.html", "image/png", tinyPNG + script, "image/png"},
		{"an image with a page in its comment", "a.html", "text/plain", "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xfe\x00\x40" + script, "image/jpeg"},
		{"an image followed by an archive", "a.jar", "image/gif", "GIF89a\x01\x00\x01\x00\x80\x00\x00" + zipped("x.class", 100), "image/gif"},
		{"a PDF that is also a page", "a.html", "text/csv", "%PDF-1.4\n" + script + "\n%%EOF", "application/pdf"},
		{"a page that is also a PDF", "a.pdf", "text/plain", "<html>" + script + "%PDF-1.4\n%%EOF", "application/pdf"},
		{"a page", "a.html", "application/json", "<!DOCTYPE html>" + script, "application/json"},
		{"a page that is declared as an image", "a.png", "image/png", "<html onload=alert(1)>" + script, "image/png"},
		{"an SVG image after a comment", "a.svg", "text/plain", "<!-- --><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain"},
		{"a script", "a.js", "text/plain", "alert(document.domain)", "text/plain"},
		{"a module for a worker", "sw.js", "application/json", "self.onfetch=e=>{}", "application/json"},
	} {
		r := upload(t, o.Admin, c.name, c.kind, c.data).Equal("mime_type", c.want).Equal("size", len(c.data))
		t.inert(r.Str("url"), o.Admin, c.want, c.data)
	}
	for _, c := range []struct{ kind, data string }{ // with the dangerous type declared
		{"text/html", script}, {"image/svg+xml", "<svg onload='alert(1)'/>"}, {"application/xhtml+xml", script}, {"text/javascript", "alert(1)"},
		{"image/png", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"}, {"text/plain", "\xef\xbb\xbf\n<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>"},
	} {
		form{}.file("file", "f", c.kind, c.data).send(t, o.Admin).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	}
}

func noDecoding(t *T) {
	o := t.Org()
	const unpacked = 64 << 20
	bomb, archive := gzipped(unpacked), zipped("zeros", unpacked)
	for _, packed := range []string{bomb, archive} {
		if len(packed) > 128<<10 {
			t.Fatalf("the compressed file has %d bytes, want at most 128 KiB", len(packed))
		}
		form{}.file("file", "f.txt", "text/plain", packed).send(t, o.Admin).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	}
	whole := form{}.file("file", "f.txt", "text/plain", "text").String()
	var body bytes.Buffer
	zw := gzip.NewWriter(&body)
	if _, err := io.WriteString(zw, whole); err != nil {
		t.Fatalf("%v", err)
	}
	if err := zw.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "gzip, identity"} {
		sendForm(t, o.Admin, body.String(), Header("Content-Encoding", coding)).Refused(415, "UNSUPPORTED_MEDIA_TYPE")
	}
	sendForm(t, o.Admin, whole, Header("Content-Encoding", "identity")).Status(200)

	combined := tinyPNG + bomb // an image followed by a decompression bomb
	coded := func(header, value, data string) form {
		return form{fmt.Sprintf("Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: text/plain\r\n%s: %s\r\n\r\n%s", header, value, data)}
	}
	text := base64.StdEncoding.EncodeToString([]byte(script))
	for _, c := range []struct {
		f          form
		data, want string
	}{
		{form{}.file("file", "f", "image/png", combined), combined, "image/png"},
		{coded("Content-Encoding", "deflate", deflated(unpacked)), deflated(unpacked), "text/plain"},
		{coded("Content-Transfer-Encoding", "base64", text), text, "text/plain"},
		{coded("Content-Transfer-Encoding", "quoted-printable", "=3Cscript=3E"), "=3Cscript=3E", "text/plain"},
	} {
		r := c.f.send(t, o.Admin).OK().Equal("size", len(c.data)).Equal("mime_type", c.want)
		t.inert(r.Str("url"), o.Admin, c.want, c.data)
	}
}

// inert asserts that every kind of request for a file returns its bytes unchanged, with headers
// that prevent a browser from running them.
func (t *T) inert(url string, c Caller, kind, data string) {
	disposition := "attachment"
	if strings.HasPrefix(kind, "image/") {
		disposition = "inline"
	}
	for _, ask := range []struct {
		method string
		header Option
		status int
		want   string
	}{
		{"GET", Header("Accept-Encoding", "gzip, deflate, br, zstd"), 200, data},
		{"GET", Header("Accept", "text/html,application/xhtml+xml"), 200, data},
		{"GET", Header("Range", "bytes=3-"), 206, data[3:]},
		{"HEAD", Header("Accept-Encoding", "gzip"), 200, ""},
	} {
		r := t.Do(ask.method, url, c, nil, ask.header).Status(ask.status)
		if string(r.Body) != ask.want {
			r.errorf("%d bytes, want the %d that were uploaded", len(r.Body), len(ask.want))
		}
		for name, want := range map[string]string{
			"Content-Type": kind, "Content-Encoding": "", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", r, name, got, want)
			}
		}
		if got := r.Header.Get("Content-Disposition"); !strings.HasPrefix(got, disposition+";") {
			t.Errorf("%s: Content-Disposition is %q, want %s", r, got, disposition)
		}
	}
}

// zeros writes n zero bytes to a compressor and closes it.
func zeros(w io.WriteCloser, n int64) {
	_, _ = io.CopyN(w, zeroReader{}, n) // writing to memory does not fail
	_ = w.Close()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func gzipped(n int64) string {
	var b bytes.Buffer
	zeros(gzip.NewWriter(&b), n)
	return b.String()
}

func deflated(n int64) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is valid
	}
	zeros(w, n)
	return b.String()
}

func zipped(name string, n int64) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = io.CopyN(f, zeroReader{}, n)
	}
	if err != nil {
		panic(err) // writing to memory does not fail
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
