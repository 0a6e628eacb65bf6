package pagetoken

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOpaqueForm(t *testing.T) {
	t.Parallel()
	p := Token{At: 1767225600000, ID: "t-1"}
	text := p.Opaque()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || string(raw) != `{"t":1767225600000,"id":"t-1"}` {
		t.Errorf("Opaque() = %s, holding %s, %v", text, raw, err)
	}
	for _, sent := range []string{text, text + "=", text + "=="} {
		if got, ok := ParseOpaque(sent); !ok || got != p {
			t.Errorf("ParseOpaque(%s) = %+v, %v", sent, got, ok)
		}
	}
}

func TestOpaqueUnreadable(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	for _, text := range []string{
		"", "=", "!", "abc", "t-1", "eyJ0Ijox", strings.Repeat("A", 5000),
		encode([]byte(`null`)), encode([]byte(`[]`)), encode([]byte(`{}`)), encode([]byte(`"x"`)),
		encode([]byte(`{"t":1}`)), encode([]byte(`{"id":"x"}`)), encode([]byte(`{"t":"1","id":"x"}`)),
		encode([]byte(`{"t":1.5,"id":"x"}`)), encode([]byte(`{"t":1,"id":2}`)), encode([]byte(`{"t":null,"id":"x"}`)),
		encode([]byte(`{"t":99999999999999999999,"id":"x"}`)), encode([]byte(`{"t":1,"id":"x"`)),
	} {
		if got, ok := ParseOpaque(text); ok {
			t.Errorf("ParseOpaque(%.40s) = %+v", text, got)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Token{
		"1767225600000|t-1": {1767225600000, "t-1"},
		"1767225600000":     {1767225600000, ""},
		"0|x":               {0, "x"},
		"-5|x":              {-5, "x"},
		"7|a|b":             {7, "a|b"},
	} {
		if got, ok := ParsePlain(text); !ok || got != want {
			t.Errorf("ParsePlain(%s) = %+v, %v", text, got, ok)
		}
		if got := want.Plain(); got != text {
			t.Errorf("%+v.Plain() = %s, want %s", want, got, text)
		}
	}
	if got, ok := ParsePlain("7|"); !ok || got != (Token{At: 7}) {
		t.Errorf("ParsePlain(7|) = %+v, %v", got, ok)
	}
	for _, text := range []string{"", "|", "|x", "abc", "12abc|x", "1.5|x", "99999999999999999999|x", "1|" + strings.Repeat("x", 5000)} {
		if got, ok := ParsePlain(text); ok {
			t.Errorf("ParsePlain(%.40s) = %+v", text, got)
		}
	}
}

func TestLimitAndOffset(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int{
		"": 50, "0": 50, "abc": 50, "-0": 50, "0x10": 50, "0.9": 50, "1": 1, "12abc": 12, "5.9": 5, "-3": 1, "200": 200, "201": 200,
		"500": 200, "99999999999999999999999": 200, "-99999999999999999999": 1, " 7": 7, "+7": 7,
	} {
		if got := Limit(raw, 50, 200); got != want {
			t.Errorf("Limit(%q) = %d, want %d", raw, got, want)
		}
	}
	for raw, want := range map[string]int{"": 0, "x": 0, "-1": 0, "0": 0, "30": 30, "30x": 30, "99999999999999999999": math.MaxInt32} {
		if got := Offset(raw); got != want {
			t.Errorf("Offset(%q) = %d, want %d", raw, got, want)
		}
	}
	if got, ok := Int("1767225590000"); !ok || got != 1767225590000 {
		t.Errorf("Int = %d, %v", got, ok)
	}
	if _, ok := Int(""); ok {
		t.Error("Int read nothing")
	}
}

func TestBefore(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Bound{
		"":                {},
		"1767225600000":   {Kind: ByTime, Time: 1767225600000},
		" 5 ":             {Kind: ByTime, Time: 5},
		" ":               {Kind: ByTime, Time: 0},
		"1.5":             {Kind: ByTime, Time: 2},
		"-1.5":            {Kind: ByTime, Time: -1},
		"1e3":             {Kind: ByTime, Time: 1000},
		"0x10":            {Kind: ByTime, Time: 16},
		"Infinity":        {Kind: ByTime, Time: math.MaxInt64},
		"-Infinity":       {Kind: ByTime, Time: math.MinInt64},
		"1e300":           {Kind: ByTime, Time: math.MaxInt64},
		"12abc":           {Kind: ByID, ID: "12abc"},
		"m-1":             {Kind: ByID, ID: "m-1"},
		"NaN":             {Kind: ByID, ID: "NaN"},
		"018f2c3e-7a00-7": {Kind: ByID, ID: "018f2c3e-7a00-7"},
	} {
		if got := Before(raw); got != want {
			t.Errorf("Before(%q) = %+v, want %+v", raw, got, want)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(1767225600000), "018f2c3e-7a00-7000-8000-000000000000")
	f.Add(int64(math.MinInt64), "\"<|>\u2028")
	f.Fuzz(func(t *testing.T, at int64, id string) {
		if !utf8.ValidString(id) || len(id) > 100 {
			return
		}
		p := Token{At: at, ID: id}
		if got, ok := ParseOpaque(p.Opaque()); !ok || got != p {
			t.Fatalf("opaque %+v came back as %+v, %v", p, got, ok)
		}
		if got, ok := ParsePlain(p.Plain()); !ok || got != p {
			t.Fatalf("plain %+v came back as %+v, %v", p, got, ok)
		}
	})
}

// No text of a client makes a parser panic, and a parsed token survives a round trip.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", Token{1, "x"}.Opaque(), "1|x", "12abc", "1e3", "Infinity", "-5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := ParseOpaque(s); ok {
			if again, ok := ParseOpaque(p.Opaque()); len(p.ID) < 100 && (!ok || again != p) {
				t.Fatalf("%q reads as %+v, then %+v", s, p, again)
			}
		}
		if p, ok := ParsePlain(s); ok {
			if again, ok := ParsePlain(p.Plain()); !ok || again != p {
				t.Fatalf("%q reads as %+v, then %+v", s, p, again)
			}
		}
		if n := Limit(s, 50, 200); n < 1 || n > 200 {
			t.Fatalf("Limit(%q) = %d", s, n)
		}
		if n := Offset(s); n < 0 {
			t.Fatalf("Offset(%q) = %d", s, n)
		}
		if b := Before(s); (b.Kind == ByID) != (b.ID != "") {
			t.Fatalf("Before(%q) = %+v", s, b)
		}
	})
}
