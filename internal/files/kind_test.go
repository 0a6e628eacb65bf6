package files_test

import (
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/files"
)

const (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
	gif  = "GIF89a\x01\x00\x01\x00\x80\x00\x00"
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"
	webp = "RIFF\x24\x00\x00\x00WEBPVP8 "
	pdf  = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
)

// TestKind lists what a file is kept as, by its bytes and its declared type.
func TestKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, declared, head, want string // want empty: refused
	}{
		{"png as text", "text/plain", png, "image/png"},
		{"gif as png", "image/png", gif, "image/gif"},
		{"jpeg", "image/jpeg", jpeg, "image/jpeg"},
		{"webp as pdf", "application/pdf", webp, "image/webp"},
		{"pdf as csv", "text/csv", pdf, "application/pdf"},
		{"a gif that is a script, too", "text/plain", gif + "=1;alert(1)//", "image/gif"},
		{"text as png", "image/png", "just text", "image/png"},
		{"text", "text/plain", "just text", "text/plain"},
		{"empty", "application/json", "", "application/json"},
		{"html", "text/plain", "<!DOCTYPE html><script>alert(1)</script>", "text/plain"},
		{"script", "text/csv", "#!/bin/sh\nrm -rf /", "text/csv"},
		{"json as text", "text/plain", `{"a":1}`, "text/plain"},
		{"unknown bytes", "text/plain", "\x01\x02\x03\xfe", "text/plain"},
		{"a table that begins like a program", "text/csv", "MZ,weight\n1,2", "text/csv"},
		{"a table that begins like a bitmap", "text/csv", "BMI,weight\n1,2", "text/csv"},
		{"text in latin1", "text/plain", "caf\xe9 au lait", "text/plain"},
		{"svg further down", "text/plain", "see <svg>", "text/plain"},

		{"zip", "text/plain", "PK\x03\x04\x14\x00\x00\x00\x08\x00", ""},
		{"gzip", "text/plain", "\x1f\x8b\x08\x00\x00\x00\x00\x00", ""},
		{"windows program", "text/plain", "MZ\x90\x00\x03\x00\x00\x00", ""},
		{"linux program", "image/png", "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00", ""},
		{"wasm", "text/plain", "\x00asm\x01\x00\x00\x00", ""},
		{"mp3", "text/plain", "ID3\x03\x00\x00\x00\x00\x00\x21", ""},
		{"xml", "text/plain", `<?xml version="1.0"?><a/>`, ""},
		{"xml behind white space and a mark", "text/plain", "\xef\xbb\xbf \r\n\t<?XML version='1.0'?>", ""},
		{"svg", "image/png", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", ""},
		{"svg by its type", "text/plain", "<!DOCTYPE SVG PUBLIC>", ""},
		{"svg in xml", "application/json", "<?xml version='1.0'?><svg/>", ""},
	} {
		got, ok := files.Kind(c.declared, []byte(c.head))
		if ok != (c.want != "") || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.what, got, ok, c.want)
		}
	}
}

func TestDeclaredKind(t *testing.T) {
	t.Parallel()
	for declared, want := range map[string]string{
		"": "text/plain", "IMAGE/PNG": "image/png", "text/csv; charset=utf-8": "text/csv", " application/json ;x": "application/json",
		"text/html": "", "image/svg+xml": "", "application/xml": "", "application/octet-stream": "", "text": "", ";": "text/plain",
	} {
		if got, ok := files.DeclaredKind(declared); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", declared, got, ok)
		}
	}
	for stored, want := range map[string]string{"image/png": "image/png", "text/html": files.Unknown, "image/svg+xml": files.Unknown, "": files.Unknown} {
		if got := files.ServedKind(stored); got != want {
			t.Errorf("%q is served as %q", stored, got)
		}
	}
}

// Whatever the bytes, what they are kept as is one of the types that are taken, and
// XML is none of them.
func FuzzKind(f *testing.F) {
	for _, head := range []string{png, gif, jpeg, webp, pdf, "<?xml", "PK\x03\x04", "text"} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		got, ok := files.Kind("text/plain", head)
		if ok && files.ServedKind(got) != got {
			t.Errorf("%q became %q", head, got)
		}
		if ok && strings.HasPrefix(strings.ToLower(string(head)), "<?xml") {
			t.Errorf("%q was taken", head)
		}
	})
}
