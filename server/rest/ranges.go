package rest

import (
	"strconv"
	"strings"
)

// askedRange makes a Range header what net/http understands as RFC 9110 means it, for a file
// of size bytes; "" leaves the header out (B2B-FILE-024).
//
// A suffix of no bytes, "-0", names nothing: it becomes a range behind the end, which
// net/http refuses alone and leaves out beside others. Of an empty file every range is all of
// it.
func askedRange(header string, size int64) string {
	specs, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return header
	}
	if size == 0 {
		return ""
	}
	parts := strings.Split(specs, ",")
	for i, part := range parts {
		suffix, ok := strings.CutPrefix(strings.TrimSpace(part), "-")
		if ok && suffix != "" && strings.Trim(suffix, "0") == "" {
			parts[i] = strconv.FormatInt(size, 10) + "-"
		}
	}
	return "bytes=" + strings.Join(parts, ",")
}
