package rest

import (
	"net/http"
	"strings"
)

// matches reports whether an If-None-Match header contains the tag. Tags are compared weakly: "3"
// and W/"3" are equal.
func matches(lines []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, line := range lines {
		for rest := line; rest != ""; {
			rest = strings.TrimLeft(rest, ", \t")
			if rest == "*" || strings.HasPrefix(rest, "*,") {
				return true
			}
			rest = strings.TrimPrefix(rest, "W/")
			after, quoted := strings.CutPrefix(rest, `"`)
			if !quoted {
				break // the rest is invalid; the full response is always correct
			}
			end := strings.IndexByte(after, '"')
			if end < 0 {
				break
			}
			if rest[:end+2] == tag {
				return true
			}
			rest = after[end+1:]
		}
	}
	return false
}

// wantsFresh reports whether the client refuses 304.
func wantsFresh(h http.Header) bool {
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), "no-cache") {
				return true
			}
		}
	}
	return false
}
