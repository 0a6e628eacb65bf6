package rest

import "testing"

// B2B-FILE-024: Range headers.
func TestAskedRange(t *testing.T) {
	t.Parallel()
	const huge = "99999999999999999999"
	for header, want := range map[string]string{
		"bytes=0-4": "bytes=0-4", "bytes=-3": "bytes=-3", "bytes=5-": "bytes=5-", "bytes=0-0": "bytes=0-0", "Bytes=1-2": "bytes=1-2",
		"bytes=-10": "bytes=-10", "bytes=-11": "bytes=-10", "bytes=-" + huge: "bytes=-10", "bytes=5-100": "bytes=5-", "bytes=0-" + huge: "bytes=0-",
		"bytes=-0": "bytes=10-", "bytes=-000": "bytes=10-", "bytes= -0": "bytes=10-", "bytes=-0,0-1": "bytes=10-,0-1", "bytes=0-1, -0": "bytes=0-1,10-",
		"bytes=10-": "bytes=10-", "bytes=10-20": "bytes=10-", "bytes=11-": "bytes=10-", "bytes=" + huge + "-": "bytes=10-", "bytes=0-1,,2-3": "bytes=0-1,2-3",
		"bytes=" + huge + "-" + huge: "bytes=10-", "bytes=00-03": "bytes=0-3",
		"bytes=-": "", "bytes=": "", "bytes=,": "", "bytes": "", "": "", "lines=-0": "", "items=0-1": "", "bytes=--0": "", "bytes=5-2": "", "bytes=a-b": "",
		"bytes=1-2,x": "", "bytes=1 - 2": "", "bytes=+1-2": "", "bytes=" + huge + "-1": "", "bytes=20-15": "",
	} {
		if got := askedRange(header, 10); got != want {
			t.Errorf("askedRange(%q, 10) = %q, want %q", header, got, want)
		}
	}
	for _, header := range []string{"bytes=-1", "bytes=-0", "bytes=0-", "bytes=0-0", "bytes=5-9"} {
		if got := askedRange(header, 0); got != "" {
			t.Errorf("askedRange(%q, 0) = %q", header, got)
		}
	}
}
