package jstext

import (
	"math"
	"strconv"
	"strings"
)

// ParseInt parses s as parseInt(s, 10) does: leading white space, an optional sign, then the
// longest run of digits; the rest is ignored ("12abc" is 12, "5.9" is 5). It returns false where
// JavaScript returns NaN. A value outside of int64 becomes the nearest int64 (B2B-HTTP-015).
func ParseInt(s string) (int64, bool) {
	s = strings.TrimLeftFunc(s, IsSpace)
	negative := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	digits := digitRun(s)
	if digits == 0 {
		return 0, false
	}
	value, err := strconv.ParseUint(s[:digits], 10, 64)
	switch {
	case negative && (err != nil || value > math.MaxInt64):
		return math.MinInt64, true
	case err != nil || value > math.MaxInt64:
		return math.MaxInt64, true
	case negative:
		return -int64(value), true
	}
	return int64(value), true
}

// Number parses s as the JavaScript function Number does, and returns false where that returns NaN.
// Blank text is 0, decimal literals may have a fraction and an exponent, and the prefixes 0x, 0o
// and 0b and Infinity are known. Separators, suffixes and the words "inf" and "nan" are not numbers
// (B2B-MSG-059).
func Number(s string) (float64, bool) {
	s = Trim(s)
	if s == "" {
		return 0, true
	}
	if len(s) > 2 && s[0] == '0' {
		if base, ok := radix(s[1]); ok {
			return radixNumber(s[2:], base)
		}
	}
	body := s
	if body[0] == '+' || body[0] == '-' {
		body = body[1:]
	}
	if body == "Infinity" {
		if s[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	if !isDecimal(body) {
		return 0, false
	}
	// The syntax is checked above. The only remaining error is a value out of range, for which
	// ParseFloat returns infinity or zero, as JavaScript does.
	value, _ := strconv.ParseFloat(s, 64)
	return value, true
}

func radix(letter byte) (float64, bool) {
	switch letter {
	case 'x', 'X':
		return 16, true
	case 'o', 'O':
		return 8, true
	case 'b', 'B':
		return 2, true
	}
	return 0, false
}

func radixNumber(digits string, base float64) (float64, bool) {
	value := 0.0
	for i := range len(digits) {
		digit := base
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			digit = float64(c - '0')
		case c >= 'a' && c <= 'f':
			digit = float64(c-'a') + 10
		case c >= 'A' && c <= 'F':
			digit = float64(c-'A') + 10
		}
		if digit >= base {
			return 0, false
		}
		value = value*base + digit
	}
	return value, true
}

// isDecimal reports whether s is an unsigned decimal literal: digits with at most one point and at
// least one digit, and an optional exponent.
func isDecimal(s string) bool {
	whole := digitRun(s)
	s = s[whole:]
	fraction := 0
	if s != "" && s[0] == '.' {
		fraction = digitRun(s[1:])
		s = s[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if s == "" {
		return true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return s != "" && digitRun(s) == len(s)
}

func digitRun(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
