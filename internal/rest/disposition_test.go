package rest

import (
	"strings"
	"testing"
)

// B2B-FILE-012: names of fields and files.
func TestDisposition(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`form-data; name="file"; filename="a.txt"`:                               "file|a.txt",
		`form-data; name="file"; filename="a%22b%0D%0Ac.txt"`:                    "file|a\"b\r\nc.txt",
		`form-data; name="fi%22le"; filename="x"`:                                "fi\"le|x",
		`form-data; name="file"; filename="100%25 %41 %2F %0d%0a %"`:             "file|100%25 %41 %2F %0d%0a %",
		`form-data; name="file"; filename="a\"b.txt"`:                            `file|a"b.txt`,
		`form-data; name="file"; filename*=UTF-8''caf%C3%A9%22.txt`:              `file|café".txt`,
		`form-data; name="file"; filename*=UTF-8''a%2522.txt`:                    "file|a%22.txt",
		`form-data; name="file"; filename*=ISO-8859-1''caf%E9.txt`:               "file|café.txt",
		`form-data; name="file"; filename*=iso-8859-1'fr'caf%E9.txt; size=1`:     "file|café.txt",
		`form-data; filename*=ISO-8859-1''%FCber; name="file"; filename="uber"`:  "file|über",
		`form-data; name="file"; filename="x; filename*=ISO-8859-1''caf%E9.txt"`: "file|x; filename*=ISO-8859-1''caf%E9.txt",
		`form-data; name="file"; filename=""`:                                    "file|",
		`form-data; name="file"; filename*=UTF-8''`:                              "file|",
		`form-data; name="text"`:                                                 "text",
		`form-data; name="file"; filename="résumé.pdf"`:                          "file|résumé.pdf",
	} {
		field, file, isFile, err := disposition(header)
		got := field
		if isFile {
			got += "|" + file
		}
		if err != nil || got != want {
			t.Errorf("disposition(%s) = %q, %v, want %q", header, got, err, want)
		}
	}
	for _, header := range []string{"", ";", `form-data; name="a"; name="b"`, `form-data; filename="`} {
		if _, _, _, err := disposition(header); err == nil {
			t.Errorf("disposition(%s) is accepted", header)
		}
	}
}

// Rewriting leaves every header without an ISO-8859-1 parameter unchanged, and never panics.
func FuzzDisposition(f *testing.F) {
	f.Add(`form-data; name="file"; filename*=ISO-8859-1''caf%E9.txt`)
	f.Add(`form-data; name="fi\"le"; filename="a;b"`)
	f.Add(`;*=iso-8859-1'`)
	f.Fuzz(func(t *testing.T, header string) {
		_, _, _, _ = disposition(header)
		if got := latin1ToUTF8(header); got != header && !strings.Contains(strings.ToLower(header), latin1) {
			t.Fatalf("%q became %q", header, got)
		}
	})
}
