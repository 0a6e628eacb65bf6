package wire_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func field(number int, content []byte) []byte {
	return append(binary.AppendUvarint([]byte{byte(number<<3 | 2)}, uint64(len(content))), content...)
}

// B2B-LIM-031, for messages in binary.
func TestCheckBinary(t *testing.T) {
	t.Parallel()
	thread := (&b2bv1.CreateThreadRequest{}).ProtoReflect().Descriptor()
	token := (&b2bv1.CreateTokenRequest{}).ProtoReflect().Descriptor()
	send := (&b2bv1.SendThreadMessageRequest{}).ProtoReflect().Descriptor()
	whole, err := proto.Marshal(&b2bv1.CreateThreadRequest{Topic: proto.String("a"), Participants: &b2bv1.StringList{Values: []string{"ann", "bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	scopes := token.Fields().ByName("scopes").Number()
	parts := send.Fields().ByName("parts").Number()
	for _, x := range []struct {
		name     string
		of       protoreflect.MessageDescriptor
		data     []byte
		elements int // -1: too many
	}{
		{"nothing", thread, nil, 0},
		{"a message", thread, whole, 4},
		{"a list of empty texts", thread, field(3, bytes.Repeat([]byte{10, 0}, limits.MaxElements-1)), limits.MaxElements},
		{"one more", thread, field(3, bytes.Repeat([]byte{10, 0}, limits.MaxElements)), -1},
		{"in several lists", thread, bytes.Repeat(field(3, bytes.Repeat([]byte{10, 0}, 999)), 11), -1},
		{"empty parts", send, field(int(parts), bytes.Repeat([]byte{10, 0}, limits.MaxElements)), -1},
		{"unknown fields", thread, bytes.Repeat([]byte{15 << 3, 0}, limits.MaxElements+1), -1},
		{"unknown groups", thread, bytes.Repeat([]byte{15<<3 | 3, 15<<3 | 4}, limits.MaxElements+1), -1},
		{"a packed list", token, field(int(scopes), bytes.Repeat([]byte{1}, limits.MaxElements-1)), limits.MaxElements},
		{"a packed list of one more", token, field(int(scopes), bytes.Repeat([]byte{1}, limits.MaxElements)), -1},
		{"a long text", thread, field(1, bytes.Repeat([]byte{10, 0}, limits.MaxElements)), 1},
		{"cut off", thread, whole[:len(whole)-1], 2},
		{"invalid data", thread, []byte{0xff}, 0},
	} {
		got, err := wire.CheckBinary(x.of, x.data)
		if (err != nil) != (x.elements < 0) || err == nil && got != x.elements {
			t.Errorf("%s: %d elements, %v, want %d", x.name, got, err, x.elements)
		}
	}
}

// B2B-LIM-031, for Connect's JSON.
func TestCheckJSON(t *testing.T) {
	t.Parallel()
	list := func(n int) string { return `{"a":[` + strings.Repeat(`"",`, n-1) + `""]}` }
	for text, fine := range map[string]bool{
		`{}`: true, `{"a":"` + strings.Repeat("[,", 50_000) + `"}`: true,
		list(limits.MaxElements - 1): true, list(limits.MaxElements): false,
		strings.Repeat("[", limits.MaxJSONDepth): true, strings.Repeat("[", limits.MaxJSONDepth+1): false,
	} {
		if _, err := wire.CheckJSON([]byte(text)); (err == nil) != fine {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

// B2B-LIM-031, for the JSON of REST: elements are counted before anything is allocated for them.
func TestElements(t *testing.T) {
	t.Parallel()
	for text, fine := range map[string]bool{
		`{"topic":"a","participants":[` + strings.Repeat(`"",`, limits.MaxElements-1) + `""]}`:                true,
		`{"topic":"a","participants":[` + strings.Repeat(`"",`, limits.MaxElements) + `""]}`:                  false,
		`{"topic":"a","context":[` + strings.Repeat(`"",`, 2*limits.MaxElements) + `""]}`:                     true,
		`{"topic":"a","permission_policy":{"write":[` + strings.Repeat(`"",`, 2*limits.MaxElements) + `""]}}`: true,
	} {
		err := wire.Decode([]byte(text), &b2bv1.CreateThreadRequest{})
		if (err == nil) != fine {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func FuzzCheckBinary(f *testing.F) {
	f.Add(field(3, []byte{10, 1, 'a'}))
	d := (&b2bv1.CreateThreadRequest{}).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := wire.CheckBinary(d, data)
		if err == nil && n > limits.MaxElements || n > len(data) {
			t.Errorf("%d elements of %d bytes, %v", n, len(data), err)
		}
	})
}
