package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/wire"
)

func TestCheckBody(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "[]" + strings.Repeat("}", n-1) }
	for body, want := range map[string]string{
		`{}`:                               "",
		" \n[1,2] ":                        "",
		`{"a":{"b":1,"b":2}}`:              "",
		`{"a":"}]{["}`:                     "",
		deep(64):                           "",
		deep(65):                           "body: must be at most 64 levels deep",
		strings.Repeat("[", 1<<20):         "body: must be at most 64 levels deep",
		``:                                 "body: must be valid JSON",
		`{"a":1,}`:                         "body: must be valid JSON",
		`{"a":1} x`:                        "body: must be valid JSON",
		"\ufeff{}":                         "body: must be valid JSON",
		"{\"a\":\"\xff\"}":                 "body: must be UTF-8",
		`null`:                             "body: must be a JSON object",
		`"text"`:                           "body: must be a JSON object",
		`12`:                               "body: must be a JSON object",
		`{"topic":1,"a":2,"topic":1}`:      "topic: must not be named twice",
		`{"topic":1,"\u0074opic":1}`:       "topic: must not be named twice",
		`{"":1,"":1}`:                      ": must not be named twice",
		manyKeys(40) + `,"k20":1}`:         "k20: must not be named twice",
		manyKeys(40) + `,"k40":1}`:         "",
		dup(strings.Repeat("é", 100)):      strings.Repeat("é", 32) + "…: must not be named twice",
		dup("x" + strings.Repeat("é", 64)): "x" + strings.Repeat("é", 31) + "…: must not be named twice",
	} {
		err := wire.CheckBody([]byte(body))
		if text := errorText(err); text != want && !(strings.HasPrefix(want, ": ") && text == "body"+want) {
			t.Errorf("%.60q: %q, want %q", body, text, want)
		}
		var fault *wire.FieldError
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("%.60q: %T", body, err)
		}
	}
}

func dup(key string) string { return `{"` + key + `":1,"` + key + `":2}` }

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(string(",{"[btoi(i == 0)]) + `"k`)
		b.WriteString(string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":0`)
	}
	return b.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzCheckBody(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `[[[]]]`, `{"a":"\"}"}`, `{"\u0061":1,"a":2}`, ` 1`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := wire.CheckBody(data) == nil, acceptable(data); got != want {
			t.Fatalf("CheckBody(%q) = %v", data, wire.CheckBody(data))
		}
	})
}

// acceptable decides with the standard library what CheckBody must accept.
func acceptable(data []byte) bool {
	if !utf8.Valid(data) || !json.Valid(data) {
		return false
	}
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber()
	level, isKey := 0, true
	var isObject []bool
	top := map[string]bool{}
	for {
		token, err := tokens.Token()
		if err == io.EOF {
			return true
		}
		delim, isDelim := token.(json.Delim)
		switch {
		case level == 0 && !isDelim:
			return false
		case isDelim && (delim == '{' || delim == '['):
			level++
			isObject = append(isObject, delim == '{')
			isKey = true
		case isDelim:
			level--
			isObject = isObject[:level]
			isKey = true // after a nested value
		case level == 1 && isObject[0] && isKey:
			if top[token.(string)] {
				return false
			}
			top[token.(string)] = true
			isKey = false
		case level == 1:
			isKey = true
		}
		if level > 64 {
			return false
		}
	}
}
