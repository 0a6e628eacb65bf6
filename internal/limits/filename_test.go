package limits

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, want string }{
		{"report.csv", "report.csv"},
		{"/etc/passwd", "passwd"},
		{`C:\Users\me\naïve 表.txt`, "naïve 表.txt"},
		{`a/b\c`, "c"},
		{"../../..x", "..x"},
		{"caf\xe9.txt", "caf\uFFFD.txt"},
		{"a\r\nb", "a\r\nb"}, // headers escape it
		{" ", " "},
		{strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
	} {
		if got, err := FileName(c.given); got != c.want || err != nil {
			t.Errorf("%q: %q, %v, want %q", c.given, got, err, c.want)
		}
	}
	for _, given := range []string{"", ".", "..", "/", "a/", `a\`, "../..", "a\x00b", strings.Repeat("x", 1025)} {
		if got, err := FileName(given); err == nil {
			t.Errorf("%q became %q", given, got)
		}
	}
}
