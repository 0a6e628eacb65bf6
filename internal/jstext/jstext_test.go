package jstext

import (
	"math"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestIsSpaceAgreesWithECMAScript(t *testing.T) {
	t.Parallel()
	spaces := map[rune]bool{}
	for _, r := range "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff" {
		spaces[r] = true
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if got := IsSpace(r); got != spaces[r] {
			t.Errorf("IsSpace(%U) = %v, want %v", r, got, spaces[r])
		}
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", " ": "", "\ufeff a b\u3000\n": "a b", "\u0085x\u0085": "\u0085x\u0085", "x": "x",
	} {
		if got := Trim(in); got != want {
			t.Errorf("Trim(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLen(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"": 0, "abc": 3, "é": 1, "所有人": 3, "👍": 2, "a👍b": 4, "\xff\xfe": 2, "\ufffd": 1} {
		if got := Len(in); got != want {
			t.Errorf("Len(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		units int
		want  string
		cut   bool
	}{
		{"", 0, "", false}, {"a", 0, "", true}, {"abc", 3, "abc", false}, {"abcd", 3, "abc", true},
		{"👍👍", 3, "👍", true}, {"👍👍", 4, "👍👍", false}, {"👍", 1, "", true}, {"所有人", 3, "所有人", false},
		{"所有人", 2, "所有", true},
	} {
		got, cut := Cut(c.in, c.units)
		if got != c.want || cut != c.cut {
			t.Errorf("Cut(%q, %d) = %q, %v, want %q, %v", c.in, c.units, got, cut, c.want, c.cut)
		}
	}
}

func TestParseInt(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"0": 0, "12": 12, "12abc": 12, "5.9": 5, "-3": -3, "+7": 7, " \u00a08": 8, "0x1f": 0, "-0": 0, "007": 7, "1e3": 1,
		"9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64,
		"-9223372036854775808": math.MinInt64, "-9223372036854775809": math.MinInt64,
		"-99999999999999999999999999": math.MinInt64, "99999999999999999999999999": math.MaxInt64,
	} {
		if got, ok := ParseInt(in); !ok || got != want {
			t.Errorf("ParseInt(%q) = %d, %v, want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", " ", "abc", "-", "+", "--1", "+-1", ".5", "- 1", "NaN", "Infinity", "٣"} {
		if got, ok := ParseInt(in); ok {
			t.Errorf("ParseInt(%q) = %d, want not a number", in, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]float64{
		"": 0, " \n": 0, "0": 0, "12": 12, " 12 ": 12, "-3.5": -3.5, "+.5": 0.5, "5.": 5, "1e3": 1000, "1E-2": 0.01, "2e+1": 20,
		"0x1F": 31, "0X10": 16, "0o17": 15, "0b101": 5, "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "1e999": math.Inf(1),
		"-1e999": math.Inf(-1), "1e-999": 0, "007": 7, "1767225600000": 1767225600000,
	} {
		if got, ok := Number(in); !ok || got != want {
			t.Errorf("Number(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"abc", "12abc", ".", "e5", "1e", "1e+", "1_000", "inf", "nan", "NaN", "infinity", "-", "+", "--1", "0x", "0xg", "-0x1",
		"0b2", "0o8", "1.2.3", "1 2", "018f2c3e-7a00-7000-8000-000000000000", "0x1p4", "+ 1",
	} {
		if got, ok := Number(in); ok {
			t.Errorf("Number(%q) = %v, want not a number", in, got)
		}
	}
}

func FuzzLenAndCut(f *testing.F) {
	f.Add("a👍所\xff", 2)
	f.Add(strings.Repeat("x", 300), 200)
	f.Fuzz(func(t *testing.T, s string, units int) {
		if want := len(utf16.Encode([]rune(s))); Len(s) != want {
			t.Fatalf("Len(%q) = %d, want %d", s, Len(s), want)
		}
		if units < 0 {
			return
		}
		prefix, cut := Cut(s, units)
		if !strings.HasPrefix(s, prefix) || cut != (prefix != s) || Len(prefix) > units {
			t.Fatalf("Cut(%q, %d) = %q, %v", s, units, prefix, cut)
		}
		if cut && Len(prefix) < units-1 {
			t.Fatalf("Cut(%q, %d) = %q is shorter than needed", s, units, prefix)
		}
	})
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"12abc", "-9e400", "0xff", " +.5e-3 ", "Infinity"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value, ok := Number(s)
		if math.IsNaN(value) {
			t.Fatalf("Number(%q) returned NaN", s)
		}
		whole, isInt := ParseInt(s)
		// ParseInt and Number agree on texts of digits alone.
		trimmed := Trim(s)
		if ok && trimmed != "" && len(trimmed) < 15 && digitRun(trimmed) == len(trimmed) && (!isInt || float64(whole) != value) {
			t.Fatalf("ParseInt(%q) = %d, %v but Number = %v", s, whole, isInt, value)
		}
	})
}
