package rest

import (
	"net/http"
	"strings"
)

// matches tells whether an If-None-Match header names the tag. Tags are compared
// weakly: "3" and W/"3" are the same.
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
				break // what follows cannot be read; the full answer is always right
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

// wantsFresh tells whether the client refuses to be told that it has the answer.
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
