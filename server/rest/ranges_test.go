package rest

import "testing"

// It proves B2B-FILE-024.
func TestAskedRange(t *testing.T) {
	for header, want := range map[string]string{
		"bytes=0-4": "bytes=0-4", "bytes=-3": "bytes=-3", "bytes=5-": "bytes=5-", "bytes=-10": "bytes=-10",
		"bytes=-0": "bytes=10-", "bytes=-000": "bytes=10-", "bytes= -0": "bytes=10-", "bytes=-0,0-1": "bytes=10-,0-1", "bytes=0-1, -0": "bytes=0-1,10-",
		"bytes=-": "bytes=-", "bytes=": "bytes=", "lines=-0": "lines=-0", "bytes=--0": "bytes=--0", "bytes=0-0": "bytes=0-0",
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
