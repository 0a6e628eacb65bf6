package wire_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// No body makes the decoder panic; an accepted body gives a valid message; an error has a text for
// clients.
func FuzzDecode(f *testing.F) {
	types := messageTypes(f)
	for i, mt := range types {
		f.Add(i, []byte(reference(mt.New())))
	}
	for _, s := range []string{
		`{"topic":"x","tags":["a"],"context":{"a":1},"visibility":"public"}`, `{"parts":[{"type":"json","content":{}}]}`,
		`[{"type":"text","content":"x"}]`, `{"type":"message","message":{"id":1}}`, `{"a":1,"a":2}`, `null`, ` `,
	} {
		for i := range types {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		mt := types[uint(which)%uint(len(types))]
		m := mt.New().Interface()
		if err := wire.Decode(data, m); err != nil {
			var fault *wire.FieldError
			if !errors.As(err, &fault) || !utf8.ValidString(err.Error()) || len(err.Error()) > 2000 {
				t.Fatalf("%s: %q", mt.Descriptor().Name(), err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%s took %q", mt.Descriptor().Name(), data)
		}
		if _, err := proto.Marshal(m); err != nil {
			t.Fatalf("%s of %q: %v", mt.Descriptor().Name(), data, err)
		}
		text, err := wire.Marshal(m)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%s of %q: %s, %v", mt.Descriptor().Name(), data, text, err)
		}
	})
}
