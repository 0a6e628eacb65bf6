package wire_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	_ "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// messageTypes returns every message of the schema.
func messageTypes(t testing.TB) []protoreflect.MessageType {
	t.Helper()
	var all []protoreflect.MessageType
	protoregistry.GlobalFiles.RangeFilesByPackage("b2b.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Messages().Len() {
			mt, err := protoregistry.GlobalTypes.FindMessageByName(file.Messages().Get(i).FullName())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, mt)
		}
		return true
	})
	if len(all) < 100 {
		t.Fatalf("only %d messages", len(all))
	}
	return all
}

// A maker fills messages at random. A canonical maker makes only messages that a peer would send,
// so that decoding returns the same message.
type maker struct {
	*rand.Rand
	canonical bool
}

func pick[T any](m maker, of ...T) T { return of[m.IntN(len(of))] }

func (m maker) fill(msg protoreflect.Message) {
	d := msg.Descriptor()
	opts := proto.GetExtension(d.Options(), optionsv1.E_WireMessage).(*optionsv1.WireMessage)
	flag := protoreflect.Name(opts.GetBareUnless())
	bare := flag != "" && m.canonical && m.IntN(2) == 0
	for i := range d.Oneofs().Len() {
		if o := d.Oneofs().Get(i); !o.IsSynthetic() && (m.canonical || m.IntN(4) > 0) {
			f := o.Fields().Get(m.IntN(o.Fields().Len()))
			m.fill(msg.Mutable(f).Message())
		}
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		oneof := f.ContainingOneof()
		switch {
		case oneof != nil && !oneof.IsSynthetic(), outside(f):
			continue
		case bare && !f.IsList():
			continue
		case flag != "" && f.Name() == flag && m.canonical:
			msg.Set(f, protoreflect.ValueOfBool(true))
			continue
		case wireOptions(f).GetHidden() && m.canonical, wireOptions(f).GetHeader() != "" && m.canonical:
			continue
		case m.IntN(3) == 0 && (!m.canonical || f.HasPresence() && !wireOptions(f).GetNotNull()):
			continue
		}
		m.set(msg, f)
	}
}

func (m maker) set(msg protoreflect.Message, f protoreflect.FieldDescriptor) {
	switch {
	case f.IsMap():
		for range m.IntN(4) {
			msg.Mutable(f).Map().Set(protoreflect.ValueOfString(m.text()).MapKey(), protoreflect.ValueOfString(m.text()))
		}
	case f.IsList():
		list := msg.Mutable(f).List()
		for range m.IntN(4) {
			if f.Message() != nil && !isTime(f) {
				m.fill(list.AppendMutable().Message())
				continue
			}
			list.Append(m.value(f))
		}
	case f.Message() != nil && !isTime(f):
		m.fill(msg.Mutable(f).Message())
	default:
		msg.Set(f, m.value(f))
	}
}

func (m maker) value(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		switch opts := wireOptions(f); {
		case opts.GetRawJson() && opts.GetNotNull():
			return protoreflect.ValueOfString(pick(m, `{}`, `[]`, `{"b":1,"a":9007199254740993}`, `[ null , {"x":"\u00e9"} ]`))
		case opts.GetRawJson():
			return protoreflect.ValueOfString(pick(m, `{"b":1,"a":[1.50,1e400]}`, `false`, `"text"`, `0`, ` [] `[1:3]))
		case opts.GetExtraKeys():
			return protoreflect.ValueOfString(pick(m, `{"x-1":12345678901234567890}`, `{"x":{"b":1,"a":2},"\u0079":null}`))
		}
		return protoreflect.ValueOfString(m.text())
	case protoreflect.BytesKind: // never in wire JSON
		return protoreflect.ValueOfBytes([]byte{0, 0xff})
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(m.IntN(2) == 0)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(pick(m, 0, 1, -1, math.MaxInt32, math.MinInt32, int32(m.Uint32())))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(pick(m, 0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53+1, int64(m.Uint64())))
	case protoreflect.DoubleKind:
		if !m.canonical {
			return protoreflect.ValueOfFloat64(pick(m, math.NaN(), math.Inf(-1), math.Copysign(0, -1)))
		}
		return protoreflect.ValueOfFloat64(pick(m, 0, 1.5, 1e21, 1e-7, -3600000, m.Float64()))
	case protoreflect.EnumKind:
		last := f.Enum().Values().Len()
		if m.canonical {
			return protoreflect.ValueOfEnum(f.Enum().Values().Get(1 + m.IntN(last-1)).Number())
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(m.IntN(last + 1)))
	}
	t := &timestamppb.Timestamp{Seconds: pick(m, 0, -1, 1767225600, m.Int64N(1<<36)), Nanos: 1e6 * int32(m.IntN(1000))}
	if !m.canonical {
		t.Nanos += int32(m.IntN(1e6))
	}
	return protoreflect.ValueOfMessage(t.ProtoReflect())
}

func (m maker) text() string {
	plain := pick(m, "", "nova", "é所👍", `"\/`, "a\n\r\t\b\f\x01\x1f\x7f", "\u2028x\u2029", "<a href='&'>", "\ufffd\ufeff")
	if m.canonical {
		return plain
	}
	return plain + pick(m, "", "\x00", "\xff", "\xed\xa0\x80", "\xf0\x9f")
}
