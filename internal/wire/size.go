package wire

import (
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// SizeAtMost returns an upper bound of the size of a message as wire JSON or ProtoJSON, in bytes,
// which is close to the size. It costs less than encoding.
func SizeAtMost(m proto.Message) int { return messageSize(m.ProtoReflect()) }

const (
	sizeOfTime   = 34 // "2026-01-01T00:00:00.000000000Z" and a comma
	sizeOfNumber = 26 // an int64 in quotes, or a float
	sizeOfKey    = 8  // quotes, colon, null and comma
)

// keys caches, by descriptor, the size of an empty message: the name of each field and null.
var keys sync.Map

func keysSize(d protoreflect.MessageDescriptor) int {
	if n, ok := keys.Load(d); ok {
		return n.(int)
	}
	n := 2
	for i := range d.Fields().Len() {
		name := d.Fields().Get(i).Name()
		n += len(name) + sizeOfKey
	}
	for i := range d.Oneofs().Len() { // wire JSON adds the choice: "type":"text"
		if o := d.Oneofs().Get(i); !o.IsSynthetic() {
			n += 64
		}
	}
	keys.Store(d, n)
	return n
}

func messageSize(m protoreflect.Message) int {
	d := m.Descriptor()
	if d.FullName() == "google.protobuf.Timestamp" {
		return sizeOfTime
	}
	n := keysSize(d)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList():
			list := v.List()
			n += 2
			for i := range list.Len() {
				n += valueSize(f, list.Get(i)) + 1
			}
		case f.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				n += textSize(k.String()) + valueSize(f.MapValue(), v) + 2
				return true
			})
		default:
			n += valueSize(f, v)
		}
		return true
	})
	return n
}

func valueSize(f protoreflect.FieldDescriptor, v protoreflect.Value) int {
	switch f.Kind() {
	case protoreflect.StringKind:
		return textSize(v.String())
	case protoreflect.BytesKind:
		return len(v.Bytes())*4/3 + 6
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return len(e.Name()) + 2
		}
		return sizeOfNumber
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return messageSize(v.Message())
	default:
		return sizeOfNumber
	}
}

// textSize returns the size of a text in JSON, as either encoder may escape it.
func textSize(s string) int {
	n := len(s) + 2
	for i := 0; i < len(s); {
		if i += plainRun(s[i:]); i == len(s) {
			break
		}
		c, size := s[i], 1
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ' || c == 0x7f:
			n += 5
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
				n += 6 - size
			}
		}
		i += size
	}
	return n
}
