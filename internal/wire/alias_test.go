package wire_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// What is decoded does not refer to the text, whose memory can be reused.
func TestDecodeCopies(t *testing.T) {
	t.Parallel()
	const text = `[{"type":"text","content":"plain"},{"type":"markdown","content":"with \"escapes\" \u00e9"},` +
		`{"type":"json","content":{"key":"value","list":[1,"two",null,{"deep":true}]}},` +
		`{"type":"file","url":"https://example.com/f","name":"f.txt","mime_type":"text/plain","size":12},` +
		`{"type":"image","url":"https://example.com/i","alt":"an image"},` +
		`{"type":"link","url":"https://example.com/l","title":"a link"}]`
	var want, got b2bv1.PartList
	if err := wire.Decode([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Values) != 6 {
		t.Fatalf("%d parts", len(want.Values))
	}
	data := []byte(text)
	if err := wire.Decode(data, &got); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("after the text was overwritten: %v, want %v", &got, &want)
	}
}
