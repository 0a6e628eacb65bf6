package wire_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Every message of the schema has an encoder, which follows the options.
func TestEncodersAgreeWithReference(t *testing.T) {
	t.Parallel()
	for _, mt := range messageTypes(t) {
		r := rand.New(rand.NewPCG(1, uint64(len(mt.Descriptor().FullName()))))
		for i := range 100 {
			m := mt.New()
			if i > 0 {
				maker{Rand: r, canonical: i%2 == 0}.fill(m)
			}
			got, err := wire.Marshal(m.Interface())
			if err != nil {
				t.Fatal(err)
			}
			if want := reference(m); string(got) != want {
				t.Fatalf("%s\n got %s\nwant %s", mt.Descriptor().FullName(), got, want)
			}
			if !json.Valid(got) {
				t.Fatalf("%s: not JSON: %s", mt.Descriptor().FullName(), got)
			}
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	b, err := wire.Append([]byte("x,"), &b2bv1.DeleteOrgResponse{})
	if err != nil || string(b) != "x,{}" {
		t.Errorf("%s, %v", b, err)
	}
	b, err = wire.Append([]byte("x"), &httpbody.HttpBody{})
	if err == nil || string(b) != "x" {
		t.Errorf("%s, %v", b, err)
	}
	if b := wire.AppendThread(nil, nil); string(b) != "null" {
		t.Errorf("a nil message is %s", b)
	}
}

// Every response_body of google.api.http has an encoder, except whole HTTP bodies.
func TestAppendFieldCoversResponseBodies(t *testing.T) {
	t.Parallel()
	seen := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("b2b.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				seen += checkResponseBody(t, methods.Get(j))
			}
		}
		return true
	})
	if seen < 20 {
		t.Errorf("only %d response bodies", seen)
	}
}

func checkResponseBody(t *testing.T, d protoreflect.MethodDescriptor) int {
	rule := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
	mt, err := protoregistry.GlobalTypes.FindMessageByName(d.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	m := mt.New()
	maker{Rand: rand.New(rand.NewPCG(2, 2)), canonical: true}.fill(m)
	field := rule.GetResponseBody()
	got, err := wire.AppendField(nil, m.Interface(), field)
	if field == "" {
		if want := reference(m); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", d.FullName(), got, err)
		}
		return 0
	}
	f := d.Output().Fields().ByName(protoreflect.Name(field))
	if outside(f) {
		if err == nil {
			t.Errorf("%s: wrote %s of another schema", d.FullName(), field)
		}
		return 0
	}
	if want := refField(m, f); err != nil || string(got) != want {
		t.Errorf("%s: %s, %v, want %s", d.FullName(), got, err, want)
	}
	if _, err := wire.AppendField(nil, m.Interface(), "no_such"); err == nil {
		t.Errorf("%s: wrote a field that is not there", d.FullName())
	}
	return 1
}

func TestEnumText(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]protoreflect.Enum{
		"active":         b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE,
		"already_joined": b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_ALREADY_JOINED,
		"THREAD_CLOSED":  b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED,
		"":               b2bv1.Visibility_VISIBILITY_UNSPECIFIED,
	} {
		if got := wire.EnumText(v); got != want {
			t.Errorf("EnumText(%v) = %q, want %q", v, got, want)
		}
	}
	if got := wire.EnumText(b2bv1.Visibility(99)); got != "" {
		t.Errorf("an unknown value is %q", got)
	}
}

func TestExtraMembersStandBehindTheKnown(t *testing.T) {
	t.Parallel()
	for extra, want := range map[string]string{
		``:                     `{"type":"link","url":"u"}`,
		`{}`:                   `{"type":"link","url":"u"}`,
		" { } ":                `{"type":"link","url":"u"}`,
		"\n{ \"a\" : 1.0 }\n":  `{"type":"link","url":"u","a" : 1.0}`,
		`{"z":1e400,"a":null}`: `{"type":"link","url":"u","z":1e400,"a":null}`,
	} {
		m := &b2bv1.Part{Part: &b2bv1.Part_Link{Link: &b2bv1.LinkPart{Url: proto.String("u")}}, Extra: &extra}
		if got := wire.AppendPart(nil, m); string(got) != want {
			t.Errorf("%q: %s", extra, got)
		}
	}
}

func TestBufferIsNotKeptWhenHuge(t *testing.T) {
	t.Parallel()
	for range 100 {
		buf := wire.GetBuffer()
		if len(buf.B) != 0 || cap(buf.B) > 256<<10 {
			t.Fatalf("lent a buffer of %d bytes, %d used", cap(buf.B), len(buf.B))
		}
		buf.B = append(buf.B, strings.Repeat("x", 300<<10)...)
		wire.PutBuffer(buf)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\", "\x00\x1f\x7f", "é所👍", "\u2028\u2029", "\xff\xed\xa0\x80", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := wire.AppendString([]byte("."), s)
		if !bytes.Equal(got[1:], []byte(refString(s))) {
			t.Fatalf("%q: %s", s, got)
		}
	})
}
