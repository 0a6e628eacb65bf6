package wire

import (
	"bytes"
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/limits"
)

// read reads the value of a key into its field of m.
func (f *field) read(m protoreflect.Message, raw []byte) *FieldError {
	for _, inlined := range f.inside {
		m = m.Mutable(inlined).Message()
	}
	switch {
	case isNull(raw) && f.kind == message && f.message.shape == scalar && f.omit:
		m.Mutable(f.desc) // the key is present, so set an empty message
		return nil
	case isNull(raw) && f.notNull:
		return wants("%s", f.wantAll())
	case isNull(raw):
		return nil
	case f.desc.IsList():
		return f.readList(m, raw)
	case f.kind == textMap:
		return f.readMap(m, raw)
	case f.kind == message:
		return f.message.read(m.Mutable(f.desc).Message(), raw, DecodeOptions{})
	}
	v, fault := f.value(raw)
	if fault == nil {
		m.Set(f.desc, v)
	}
	return fault
}

// wantAll returns the rule for the whole field, which may be a list.
func (f *field) wantAll() string {
	switch {
	case !f.desc.IsList():
		return f.want
	case f.kind == text:
		return "must be an array of strings"
	}
	return "must be an array"
}

func (f *field) readList(m protoreflect.Message, raw []byte) *FieldError {
	if raw[0] != '[' {
		return wants("%s", f.wantAll())
	}
	list := m.Mutable(f.desc).List()
	for i, element := range elements(raw) {
		if i == limits.MaxElements {
			return tooMany()
		}
		if f.kind == message {
			if fault := f.message.read(list.AppendMutable().Message(), element, DecodeOptions{}); fault != nil {
				return fault.at(i)
			}
			continue
		}
		v, fault := f.value(element)
		if fault != nil {
			return fault.at(i)
		}
		list.Append(v)
	}
	return nil
}

func (f *field) readMap(m protoreflect.Message, raw []byte) *FieldError {
	if raw[0] != '{' {
		return wants("%s", f.want)
	}
	texts := m.Mutable(f.desc).Map()
	for rawKey, value := range members(raw) {
		if texts.Len() == limits.MaxElements {
			return tooMany()
		}
		key := protoreflect.ValueOfString(unquote(rawKey)).MapKey()
		if texts.Has(key) {
			return twice(key.String())
		}
		if value[0] != '"' {
			return wants("%s", f.want)
		}
		text, fault := textValue(value)
		if fault != nil {
			return fault
		}
		texts.Set(key, text)
	}
	return nil
}

// value reads one value that is not a message.
func (f *field) value(raw []byte) (v protoreflect.Value, fault *FieldError) {
	c := raw[0]
	switch f.kind {
	case text:
		if c == '"' {
			return textValue(raw)
		}
	case rawJSON:
		if !f.container || c == '{' || c == '[' {
			return protoreflect.ValueOfString(string(raw)), nil
		}
	case anyToText:
		if c == '"' {
			return textValue(raw)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			return v, wants("must be JSON")
		}
		return protoreflect.ValueOfString(compact.String()), nil
	case boolean:
		if c == 't' || c == 'f' {
			return protoreflect.ValueOfBool(c == 't'), nil
		}
	case integer32, integer64, milliseconds:
		if c == '-' || '0' <= c && c <= '9' {
			return f.integer(raw)
		}
	case double:
		if n, err := strconv.ParseFloat(string(raw), 64); err == nil && (c == '-' || '0' <= c && c <= '9') {
			return protoreflect.ValueOfFloat64(n), nil
		}
	case enumText:
		if c == '"' {
			if n, ok := f.enum[unquote(raw)]; ok {
				return protoreflect.ValueOfEnum(n), nil
			}
		}
	}
	return v, wants("%s", f.want)
}

func (f *field) integer(raw []byte) (v protoreflect.Value, fault *FieldError) {
	bits := 64
	if f.kind == integer32 {
		bits = 32
	}
	n, whole, fits := integer(raw, bits)
	switch {
	case !whole:
		return v, wants("%s", f.want)
	case !fits:
		return v, wants("must be an integer of at most %d bits", bits)
	case f.kind == integer32:
		return protoreflect.ValueOfInt32(int32(n)), nil
	case f.kind == integer64:
		return protoreflect.ValueOfInt64(n), nil
	}
	return ofMilliseconds(n), nil
}

func ofMilliseconds(ms int64) protoreflect.Value {
	seconds, rest := ms/1000, ms%1000
	if rest < 0 {
		seconds, rest = seconds-1, rest+1000
	}
	t := &timestamppb.Timestamp{Seconds: seconds, Nanos: int32(rest) * 1e6}
	return protoreflect.ValueOfMessage(t.ProtoReflect())
}
