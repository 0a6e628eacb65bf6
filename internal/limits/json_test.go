package limits

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStoredJSON(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{ "ticket": 42 }`:           `{"ticket":42}`,
		` "as { it } is" `:           `as { it } is`,
		`""`:                         ``,
		`"null"`:                     `null`,
		`[1, 2]`:                     `[1,2]`,
		`9007199254740993`:           `9007199254740993`,
		`{"b":1,"a":"<&>"}`:          `{"b":1,"a":"<&>"}`,
		`false`:                      `false`,
		`{"b": 1.50, "a": "\u0041"}`: `{"b":1.50,"a":"\u0041"}`,
	} {
		got, err := StoredJSON([]byte(raw))
		if err != nil || got == nil || *got != want {
			t.Errorf("StoredJSON(%s) = %v, %v, want %q", raw, got, err, want)
		}
	}
	if got, err := StoredJSON([]byte(" null ")); got != nil || err != nil {
		t.Errorf("StoredJSON(null) = %v, %v", got, err)
	}
	for _, raw := range []string{"", "{", "1 2"} {
		if _, err := StoredJSON([]byte(raw)); err == nil {
			t.Errorf("StoredJSON(%q) accepted", raw)
		}
	}
}

func TestJSONSize(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int{
		`{}`:                       2,
		` { "a" : [ 1 , 2 ] } `:    len(`{"a":[1,2]}`),
		`{"a b": " c "}`:           len(`{"a b":" c "}`),
		`"é"`:                      2,
		`"\u00e9"`:                 2,
		`"a\"b"`:                   3,
		`["\u00e9"]`:               len(`["é"]`),
		`["\u6240\u6709"]`:         len(`["所有"]`),
		`["\ud83d\udc4d"]`:         len(`["👍"]`),
		`["\ud83d"]`:               len(`["\ud83d"]`),
		`["\ud83dx"]`:              len(`["\ud83dx"]`),
		`["\ud83d\u0041"]`:         len(`["\ud83dA"]`),
		`["\ud83d\ud83d\udc4d"]`:   len(`["\ud83d👍"]`),
		`["\/\\\"\n\u000a\u0001"]`: len(`["/\\\"\n\n\u0001"]`),
		`["\u0022\u005c\u0041"]`:   len(`["\"\\A"]`),
		`null`:                     4,
		`-1.50e+3`:                 8,
	} {
		if got := JSONSize([]byte(raw)); got != want {
			t.Errorf("JSONSize(%s) = %d, want %d", raw, got, want)
		}
	}
}

// A client whose encoder escapes has the same room as one that does not.
func TestCheckJSONCountsWhatEscapesMean(t *testing.T) {
	t.Parallel()
	escaped := `["` + strings.Repeat(`\u6240`, 20) + `"]`
	if err := CheckJSON("x", escaped, 64); err != nil {
		t.Error(err)
	}
	if err := CheckJSON("x", escaped, 63); !refused(err, "x") {
		t.Errorf("one byte less: %v", err)
	}
}

func FuzzJSONSize(f *testing.F) {
	for _, raw := range []string{`{"a":[1,"é"]}`, `["\u00e9\ud83d\udc4d\/"]`, `"\n"`, `[ "a" , "b" ]`, `["\ud83d"]`, `[" "]`} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) || !utf8.ValidString(raw) {
			return
		}
		size := JSONSize([]byte(raw))
		if _, err := StoredJSON([]byte(raw)); err != nil {
			t.Fatalf("StoredJSON(%q): %v", raw, err)
		}
		if size > len(raw) {
			t.Fatalf("JSONSize(%q) = %d", raw, size)
		}
		var list []string
		dec := json.NewDecoder(strings.NewReader(raw))
		if dec.Decode(&list) != nil || list == nil || strings.Contains(raw, "null") {
			return
		}
		if listed := listSize(list); !strings.Contains(raw, `\u`) && size != listed {
			t.Fatalf("%q: JSONSize %d, as a list %d", raw, size, listed)
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(list); err != nil {
			t.Fatal(err)
		}
		// encoding/json escapes the two line separators, which compact JSON need not; skip those.
		if written := strings.TrimSuffix(out.String(), "\n"); !strings.Contains(written, `\u20`) && len(written) != listSize(list) {
			t.Fatalf("%q: listSize %d, written %q", raw, listSize(list), written)
		}
	})
}
