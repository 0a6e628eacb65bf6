package rest

import (
	"strconv"
	"strings"
)

// askedRange makes a Range header what net/http understands as RFC 9110 means it, for a file
// of size bytes; "" leaves the header out, and with it all is answered (B2B-FILE-024).
//
// A unit other than bytes and what is no range are ignored. A suffix of no bytes, "-0",
// names nothing: it becomes a range behind the end, which net/http refuses alone and leaves
// out beside others. A last byte beyond the end is the end, however large its number. Of an
// empty file every range is all of it.
func askedRange(header string, size int64) string {
	unit, specs, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || size == 0 {
		return ""
	}
	parts := strings.Split(specs, ",")
	kept := parts[:0]
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		spec, ok := oneRange(part, size)
		if !ok {
			return ""
		}
		kept = append(kept, spec)
	}
	if len(kept) == 0 {
		return ""
	}
	return "bytes=" + strings.Join(kept, ",")
}

// oneRange reads "first-last", "first-" or "-length"; false is what is none of them.
func oneRange(part string, size int64) (string, bool) {
	first, last, ok := strings.Cut(part, "-")
	if !ok || first == "" && last == "" || !digits(first) || !digits(last) {
		return "", false
	}
	from, to := atMost(first, size), atMost(last, size)
	switch {
	case first == "" && to == 0:
		return strconv.FormatInt(size, 10) + "-", true
	case first == "":
		return "-" + strconv.FormatInt(to, 10), true
	case last == "" || to == size:
		return strconv.FormatInt(from, 10) + "-", last == "" || !less(last, first)
	case less(last, first):
		return "", false
	}
	return strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(to, 10), true
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// atMost is the number that digits write, or most when it is more.
func atMost(digits string, most int64) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if digits == "" {
		return 0
	}
	if err != nil || n > most {
		return most
	}
	return n
}

// less compares the numbers that digits write, of any length.
func less(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
