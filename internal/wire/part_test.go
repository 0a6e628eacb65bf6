package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A part is returned as it was sent, except for the order of its keys and white space (B2B-MSG-008,
// B2B-MSG-009).
func TestPartsComeBack(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`{"type":"text","content":""}`:                                               ``,
		`{"content":"a","type":"markdown"}`:                                          `{"type":"markdown","content":"a"}`,
		`{"type":"json","content":{ "b":9007199254740993, "a":[ ] }}`:                ``,
		`{"type":"json","content":[]}`:                                               ``,
		`{"type":"file","url":"/f","name":"n","mime_type":"m"}`:                      ``,
		`{"type":"file","url":"/f","name":"n","mime_type":"m","size":1e3}`:           `{"type":"file","url":"/f","name":"n","mime_type":"m","size":1000}`,
		`{"type":"file","url":"/f","name":"n","mime_type":"m","size":"1 kB"}`:        ``,
		`{"type":"file","url":"/f","name":"n","mime_type":"m","size":null}`:          ``,
		`{"type":"file","url":"/f","name":"n","mime_type":"m","size":1.5,"a":1}`:     ``,
		`{"type":"image","url":"","alt":"a"}`:                                        ``,
		`{"type":"image","url":"","alt":{"de":"Bild"}}`:                              ``,
		`{"x":1,"type":"link","y":2,"title":7,"url":"u"}`:                            `{"type":"link","url":"u","x":1,"y":2,"title":7}`,
		`{"type":"link","url":"u","z":12345678901234567890.10,"a":{"b":1,"a":null}}`: ``,
		`{"type":"text","content":"a","extra":"{}","url":"u","\u0061":1}`:            ``,
	} {
		var m b2bv1.Part
		if err := wire.Decode([]byte(sent), &m); err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		if want == "" {
			want = sent
		}
		if got := wire.AppendPart(nil, &m); string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", sent, got, want)
		}
	}
}

func TestPartFaults(t *testing.T) {
	t.Parallel()
	parts := func(one string) string { return `{"parts":[{"type":"text","content":""},` + one + `]}` }
	many := func(n int) string {
		return `{"parts":[` + strings.TrimSuffix(strings.Repeat(`{"type":"text","content":""},`, n), ",") + `]}`
	}
	const types = `parts[1].type: must be one of text, markdown, json, file, image, link`
	for body, want := range map[string]string{
		`{"parts":[]}`: "",
		many(50):       "",
		many(51):       "parts: must have at most 50 elements",
		`{"parts":[` + strings.Repeat("1,", 50) + `1]}`: "parts: must have at most 50 elements",
		`{"parts":null}`:                                 "parts: must be an array",
		`{"parts":"x"}`:                                  "parts: must be an array",
		`{"parts":{}}`:                                   "parts: must be an array",
		parts(`null`):                                    "parts[1]: must be an object",
		parts(`[]`):                                      "parts[1]: must be an object",
		parts(`"x"`):                                     "parts[1]: must be an object",
		parts(`{}`):                                      types,
		parts(`{"type":"Text","content":""}`):            types,
		parts(`{"type":null,"content":""}`):              types,
		parts(`{"type":["text"],"content":""}`):          types,
		parts(`{"type":"text"}`):                         "parts[1].content: must be a string",
		parts(`{"type":"text","content":null}`):          "parts[1].content: must be a string",
		parts(`{"type":"markdown","content":1}`):         "parts[1].content: must be a string",
		parts(`{"type":"json"}`):                         "parts[1].content: must be an object or array",
		parts(`{"type":"json","content":null}`):          "parts[1].content: must be an object or array",
		parts(`{"type":"json","content":"{}"}`):          "parts[1].content: must be an object or array",
		parts(`{"mime_type":1,"type":"file","name":1}`):  "parts[1].url: must be a string",
		parts(`{"mime_type":1,"type":"file","url":"u"}`): "parts[1].name: must be a string",
		parts(`{"type":"file","url":"u","name":"n"}`):    "parts[1].mime_type: must be a string",
		parts(`{"type":"image"}`):                        "parts[1].url: must be a string",
		parts(`{"type":"link","url":7}`):                 "parts[1].url: must be a string",
		parts(`{"type":"link","url":"u","x":1,"x":1}`):   "parts[1].x: must not be named twice",
		parts(`{"type":"text","type":"text"}`):           "parts[1].type: must not be named twice",
	} {
		var m b2bv1.SendThreadMessageRequest
		if got := errorText(wire.Decode([]byte(body), &m)); got != want {
			t.Errorf("%.80s: %q, want %q", body, got, want)
		}
	}
}

// Every key that a client sends is returned with the same value.
func FuzzPartRoundTrip(f *testing.F) {
	for _, s := range []string{
		`{"type":"text","content":"a","x":{"b":1,"a":9007199254740993}}`, `{"type":"file","url":"","name":"","mime_type":"","size":-0}`,
		`{"type":"json","content":[1e400],"\u0074ype2":"\ud800"}`, `{"alt":null,"type":"image","url":"u"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m b2bv1.Part
		if wire.Decode(data, &m) != nil || data[len(data)-1] == ']' {
			return
		}
		text := wire.AppendPart(nil, &m)
		sent, back := rawMembers(t, data), rawMembers(t, text)
		if len(sent) != len(back) {
			t.Fatalf("%s became %s", data, text)
		}
		for key, value := range sent {
			if fmt.Sprint(back[key]) != fmt.Sprint(value) && key != "size" {
				t.Fatalf("%q of %s became %s", key, data, back[key])
			}
		}
		var again b2bv1.Part
		if err := wire.Decode(text, &again); err != nil || !bytes.Equal(wire.AppendPart(nil, &again), text) {
			t.Fatalf("%s is not read back: %v", text, err)
		}
	})
}

// rawMembers returns the values of an object: strings decoded, others as bytes.
func rawMembers(t *testing.T, object []byte) map[string]any {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		t.Fatalf("%v of %s", err, object)
	}
	all := make(map[string]any, len(raw))
	for key, value := range raw {
		all[key] = string(value)
		var s *string
		if json.Unmarshal(value, &s) == nil && s != nil {
			all[key] = "text " + *s
		}
	}
	return all
}
