package wire

import (
	"bytes"
	"strconv"
)

// integer parses a JSON number exactly. whole reports whether it is an integer, also in forms like
// 1.0, 1e3 and 12.5e1; fits reports whether it fits into this many bits.
func integer(raw []byte, bits int) (n int64, whole, fits bool) {
	n, err := strconv.ParseInt(string(raw), 10, bits)
	if err == nil {
		return n, true, true
	}
	digits, exponent := decimal(raw)
	if len(digits) == 0 {
		return 0, true, true
	}
	if exponent < 0 {
		return 0, false, false
	}
	if len(digits)+exponent > 19 {
		return 0, true, false
	}
	plain := append(digits, bytes.Repeat([]byte("0"), exponent)...)
	if raw[0] == '-' {
		plain = append([]byte("-"), plain...)
	}
	n, err = strconv.ParseInt(string(plain), 10, bits)
	return n, true, err == nil
}

// decimal returns the digits of a JSON number without zeros at either end, and the power of ten to
// multiply them by; no digits for zero.
func decimal(raw []byte) (digits []byte, exponent int) {
	const huge = 1 << 20 // more than any number of digits in a body of 1 MiB
	mantissa, power, _ := bytes.Cut(bytes.ToLower(raw), []byte("e"))
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte("-")), []byte("."))
	digits = append(bytes.Clone(whole), fraction...)
	digits = bytes.TrimLeft(digits, "0")
	kept := bytes.TrimRight(digits, "0")
	if len(kept) == 0 {
		return nil, 0
	}
	if len(power) > 0 {
		n, err := strconv.ParseInt(string(power), 10, 32)
		if err != nil && power[0] == '-' {
			n = -2 * huge
		} else if err != nil {
			n = 2 * huge
		}
		exponent = int(min(max(n, -2*huge), 2*huge))
	}
	return kept, exponent - len(fraction) + len(digits) - len(kept)
}
