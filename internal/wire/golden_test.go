package wire_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var update = flag.Bool("update", false, "write testdata from the output of the encoders")

// sample fills a message with a distinct value for each field: all fields if full, else only those
// that cannot be absent.
func sample(m protoreflect.Message, full bool) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		oneof := f.ContainingOneof()
		needed := !f.HasPresence() || wireOptions(f).GetNotNull() || wireOptions(f).GetInline() || f.Name() == "created_at" ||
			strings.HasSuffix(string(m.Descriptor().Name()), "Event") && f.Message() != nil && !wireOptions(f).GetOmitAbsent()
		switch {
		case oneof != nil && !oneof.IsSynthetic(), outside(f), !full && !needed:
		case f.IsList() && !full: // empty
		case f.IsMap():
			for _, k := range []string{"b", "a"} {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(k))
			}
		case f.IsList() && f.Message() != nil:
			sampleMessage(m.Mutable(f).List().AppendMutable().Message(), full)
		case f.IsList():
			m.Mutable(f).List().Append(sampleValue(f))
		case f.Message() != nil && !isTime(f):
			sampleMessage(m.Mutable(f).Message(), full)
		default:
			m.Set(f, sampleValue(f))
		}
	}
}

func sampleMessage(m protoreflect.Message, full bool) {
	if part, ok := m.Interface().(*b2bv1.Part); ok {
		part.Part = &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: proto.String("ping")}}
		return
	}
	sample(m, full)
}

func sampleValue(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BytesKind: // never in wire JSON
		return protoreflect.ValueOfBytes([]byte("bytes"))
	case protoreflect.StringKind:
		switch opts := wireOptions(f); {
		case opts.GetRawJson(), opts.GetExtraKeys():
			return protoreflect.ValueOfString(`{"n":9007199254740993,"b":1.0,"a":[true,null]}`)
		}
		return protoreflect.ValueOfString("the " + strings.ReplaceAll(string(f.Name()), "_", " "))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(f.Number()))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(9007199254740993)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1.5)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(min(2, f.Enum().Values().Len()-1)))
	}
	return protoreflect.ValueOfMessage((&timestamppb.Timestamp{Seconds: 1767225600, Nanos: int32(f.Number()) * 1e6}).ProtoReflect())
}

// TestGolden checks the bytes of every resource, every response with its own form, every event and
// every part, with all fields and with few. Existing clients depend on the files in testdata
// (B2B-DEV-001).
func TestGolden(t *testing.T) {
	t.Parallel()
	written := map[string]bool{}
	for _, mt := range messageTypes(t) {
		name := string(mt.Descriptor().Name())
		if strings.HasSuffix(name, "Request") && name != "JoinRequest" || coveredElsewhere(mt.Descriptor()) {
			continue
		}
		oneof := flatOneof(mt.Descriptor())
		if oneof == nil {
			golden(t, written, name, func(full bool) proto.Message {
				m := mt.New()
				sample(m, full)
				return m.Interface()
			})
			continue
		}
		for i := range oneof.Fields().Len() {
			f := oneof.Fields().Get(i)
			golden(t, written, name+"."+string(f.Name()), func(full bool) proto.Message {
				m := mt.New()
				sample(m, full)
				sample(m.Mutable(f).Message(), full)
				return m.Interface()
			})
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !written[file] {
			t.Errorf("%s belongs to no message: remove it", file)
		}
	}
}

// coveredElsewhere reports whether a message only wraps one other field, or is inlined in an event
// or part.
func coveredElsewhere(d protoreflect.MessageDescriptor) bool {
	name := string(d.Name())
	switch {
	case flatOneof(d) != nil:
		return false
	case strings.HasSuffix(name, "Event"), strings.HasSuffix(name, "Catchup"), strings.HasSuffix(name, "Part"):
		return true
	}
	shown := 0
	for i := range d.Fields().Len() {
		if d.Fields().Get(i).Name() != "next_cursor" { // the page token of a bare array is in a header
			shown++
		}
	}
	return strings.HasSuffix(name, "Response") && shown == 1 && d.Fields().Get(0).Message() != nil && name != "LoginResponse"
}

func flatOneof(d protoreflect.MessageDescriptor) protoreflect.OneofDescriptor {
	for i := range d.Oneofs().Len() {
		if o := d.Oneofs().Get(i); !o.IsSynthetic() {
			return o
		}
	}
	return nil
}

func golden(t *testing.T, written map[string]bool, name string, made func(full bool) proto.Message) {
	t.Helper()
	text := []byte("{\n\"full\":\n")
	text, err := wire.Append(text, made(true))
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, ",\n\"minimal\":\n"...)
	if text, err = wire.Append(text, made(false)); err != nil {
		t.Fatal(err)
	}
	text = append(text, "\n}\n"...)
	file := filepath.Join("testdata", name+".json")
	written[file] = true
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(want) {
		t.Errorf("%s\n got %s\nwant %s", file, text, want)
	}
}
