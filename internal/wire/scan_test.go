package wire

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"testing"
)

func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`""`, `"\ud83d\udc4d"`, `"\ud83dx\udc4d\ud83d\ud83d\udc4d"`, `"\"\\\/\b\f\n\r\t\u00E9"`, `"\ud800\u0041"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want string
		if check([]byte(s)) != nil || json.Unmarshal([]byte(s), &want) != nil || s[0] != '"' || s[len(s)-1] != '"' {
			return
		}
		if got := unquote([]byte(s)); got != want {
			t.Fatalf("%s is %q, want %q", s, got, want)
		}
	})
}

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$`)

func FuzzInteger(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "0.0e9", "1", "1.0", "1e3", "12.5e1", "1.5", "15e-1", "100e-2", "1e-1", "9223372036854775807", "-9223372036854775808",
		"9223372036854775808", "922337203685477580.70e1", "1e19", "1e999", "2147483648", "0.00001e5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !number.MatchString(s) {
			return
		}
		exact, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatal(s)
		}
		n, whole, fits := integer([]byte(s), 64)
		if whole != exact.IsInt() || whole && fits != exact.Num().IsInt64() || fits && n != exact.Num().Int64() {
			t.Fatalf("%s: %d, %v, %v", s, n, whole, fits)
		}
	})
}

func TestIntegerOfHugeExponents(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 1000)
	for s, want := range map[string][2]bool{
		"1e99999999999999999999": {true, false}, "1e-99999999999999999999": {false, false}, "0e99999999999999999999": {true, true},
		"1" + zeros + "e-1000": {true, true}, "0." + zeros + "1e1001": {true, true}, "1" + zeros: {true, false},
	} {
		if _, whole, fits := integer([]byte(s), 64); whole != want[0] || fits != want[1] {
			t.Errorf("%.30s: %v, %v", s, whole, fits)
		}
	}
}
