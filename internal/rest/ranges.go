package rest

import (
	"strconv"
	"strings"
)

// askedRange rewrites a Range header for a file of size bytes, so that net/http handles it as RFC
// 9110 requires. "" means that the header is dropped and the whole file is sent (B2B-FILE-024).
//
// Units other than bytes and invalid ranges are ignored. The empty suffix "-0" is replaced by a
// range behind the end, which net/http refuses if it is alone and otherwise drops. A last byte
// beyond the end is replaced by the end, however large the number is. Any range of an empty file is
// the whole file.
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

// oneRange rewrites "first-last", "first-" or "-length"; it returns false for anything else.
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

// atMost returns the number that digits represent, but at most most.
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

// less compares two numbers of any length in decimal digits.
func less(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
